package api

import (
	"fmt"
	"mime"
	"path"
	"strings"
	"unicode"

	"switchboard/pipeline/desk"
)

// disposition is the Content-Disposition of a file to be saved (RFC 6266): its
// name in ASCII for who knows no better, and where that is not all of it also as
// RFC 8187 writes it.
func disposition(name string) string {
	name = saveAs(name)
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) { // RFC 6266 appendix D
			return '_'
		}
		return r
	}, name)
	d := `attachment; filename="` + plain + `"`
	if plain != name {
		d += "; filename*=UTF-8''" + extended(name)
	}
	return d
}

// saveAs is a stranger's name of a file made fit to be saved under: without
// folders, without what cannot be printed, and not hidden.
func saveAs(name string) string {
	const most = 200 // bytes; disks hold 255
	name = path.Base(strings.ReplaceAll(desk.FileName(name), `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, name))
	if strings.Trim(name, "./ ") == "" {
		return "file"
	}
	if name[0] == '.' {
		name = "_" + name[1:]
	}
	ext := path.Ext(name)
	if len(ext) > 20 {
		ext = ""
	}
	return strings.TrimSpace(desk.Cut(strings.TrimSuffix(name, ext), most-len(ext)) + ext)
}

// extended is an ext-value without its charset and language (RFC 8187 section
// 3.2.1).
func extended(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// mediaType is the type a stranger gave a file, when it is one (RFC 9110 section
// 8.3.1) and not that of several parts of a file, which a client takes for an
// answer to its Range.
func mediaType(s string) string {
	const unknown = "application/octet-stream"
	kind, params, err := mime.ParseMediaType(s)
	main, sub, ok := strings.Cut(kind, "/")
	if err != nil || !ok || main == "" || sub == "" || strings.Contains(kind, "*") || kind == "multipart/byteranges" {
		return unknown
	}
	if kind = mime.FormatMediaType(kind, params); kind == "" || len(kind) > 200 {
		return unknown
	}
	return kind
}
