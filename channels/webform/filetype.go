package webform

import (
	"bytes"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
)

// fileType is a kind of file a form may take: what its names end in, what it is
// kept as, and how its content begins.
type fileType struct {
	exts  []string
	media string
	is    func(head []byte) bool
}

// fileTypes is an allow-list.
type fileTypes []fileType

// headSize is how much of a file is looked at, in bytes; more is of no use to
// http.DetectContentType.
const headSize = 512

// sniffed accepts content the WHATWG algorithm finds to be one of the types.
func sniffed(types ...string) func([]byte) bool {
	return func(head []byte) bool {
		got, _, _ := mime.ParseMediaType(http.DetectContentType(head))
		return slices.Contains(types, got)
	}
}

func begins(magics ...string) func([]byte) bool {
	return func(head []byte) bool {
		return slices.ContainsFunc(magics, func(m string) bool { return bytes.HasPrefix(head, []byte(m)) })
	}
}

// brand accepts ISO media files (ISO/IEC 14496-12 section 4.3) of a brand.
func brand(brands ...string) func([]byte) bool {
	return func(head []byte) bool {
		return len(head) >= 12 && string(head[4:8]) == "ftyp" && slices.Contains(brands, string(head[8:12]))
	}
}

var (
	isText = sniffed("text/plain", "text/html", "text/xml") // a log may hold any text; it is kept as plain
	isZip  = sniffed("application/zip")
	isOLE  = begins("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
)

// knownTypes are the kinds of file there are. Types that can carry a script a
// browser runs (SVG, HTML) are not among them on purpose.
var knownTypes = fileTypes{
	{[]string{".png"}, "image/png", sniffed("image/png")},
	{[]string{".jpg", ".jpeg"}, "image/jpeg", sniffed("image/jpeg")},
	{[]string{".gif"}, "image/gif", sniffed("image/gif")},
	{[]string{".webp"}, "image/webp", sniffed("image/webp")},
	{[]string{".bmp"}, "image/bmp", sniffed("image/bmp")},
	{[]string{".tif", ".tiff"}, "image/tiff", begins("II*\x00", "MM\x00*")},
	{[]string{".heic", ".heif"}, "image/heic", brand("heic", "heix", "hevc", "mif1", "msf1")},
	{[]string{".avif"}, "image/avif", brand("avif", "avis")},
	{[]string{".pdf"}, "application/pdf", sniffed("application/pdf")},
	{[]string{".txt", ".log", ".md"}, "text/plain", isText},
	{[]string{".csv"}, "text/csv", isText},
	{[]string{".json"}, "application/json", isText},
	{[]string{".eml"}, "message/rfc822", isText},
	{[]string{".docx"}, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", isZip},
	{[]string{".xlsx"}, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", isZip},
	{[]string{".pptx"}, "application/vnd.openxmlformats-officedocument.presentationml.presentation", isZip},
	{[]string{".odt"}, "application/vnd.oasis.opendocument.text", isZip},
	{[]string{".ods"}, "application/vnd.oasis.opendocument.spreadsheet", isZip},
	{[]string{".doc"}, "application/msword", isOLE},
	{[]string{".xls"}, "application/vnd.ms-excel", isOLE},
	{[]string{".zip"}, "application/zip", isZip},
	{[]string{".gz", ".tgz"}, "application/gzip", sniffed("application/x-gzip", "application/gzip")},
	{[]string{".mp4", ".m4v"}, "video/mp4", brand("isom", "iso2", "mp41", "mp42", "avc1", "M4V ", "dash")},
	{[]string{".mov"}, "video/quicktime", brand("qt  ")},
	{[]string{".webm"}, "video/webm", sniffed("video/webm")},
	{[]string{".mp3"}, "audio/mpeg", sniffed("audio/mpeg")},
	{[]string{".m4a"}, "audio/mp4", brand("M4A ", "mp42", "isom")},
	{[]string{".wav"}, "audio/wave", sniffed("audio/wave")},
	{[]string{".ogg", ".oga"}, "audio/ogg", sniffed("application/ogg")},
}

// anyType is "*/*": everything, kept as what its content says.
var anyType = fileType{media: "*/*", is: func([]byte) bool { return true }}

// typesNamed finds what a config means by "image/png", "image/*", ".png" or
// "*/*".
func typesNamed(name string) fileTypes {
	if name == "*/*" {
		return fileTypes{anyType}
	}
	var out fileTypes
	for _, t := range knownTypes {
		family, wild := strings.CutSuffix(name, "*")
		switch {
		case t.media == name, wild && strings.HasSuffix(family, "/") && strings.HasPrefix(t.media, family):
			out = append(out, t)
		case slices.Contains(t.exts, name):
			t.exts = []string{name}
			out = append(out, t)
		}
	}
	return out
}

func extensions() []string {
	var out []string
	for _, t := range knownTypes {
		out = append(out, t.exts...)
	}
	return out
}

// exts are what the names of allowed files end in; nil when anything is.
func (l fileTypes) exts() []string {
	var out []string
	for _, t := range l {
		if t.media == anyType.media {
			return nil
		}
		for _, e := range t.exts {
			if !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return out
}

func (l fileTypes) unique() fileTypes {
	var out fileTypes
	for _, t := range l {
		if !slices.ContainsFunc(out, func(o fileType) bool { return o.media == t.media && slices.Equal(o.exts, t.exts) }) {
			out = append(out, t)
		}
	}
	return out
}

// media decides whether a file may come in, by its name and how it begins, and
// what it is kept as. What the sender says it is does not count.
func (l fileTypes) media(name string, head []byte) (string, bool) {
	ext := strings.ToLower(path.Ext(name))
	for _, t := range l {
		if t.media == anyType.media {
			media, _, _ := mime.ParseMediaType(http.DetectContentType(head))
			return media, true
		}
		if slices.Contains(t.exts, ext) && t.is(head) {
			return t.media, true
		}
	}
	return "", false
}
