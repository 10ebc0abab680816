package letter

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// aliases are names that the indexes of x/text do not know, or know as
// something narrower than what mailers mean by them.
var aliases = map[string]encoding.Encoding{
	"cp932": japanese.ShiftJIS, "ms932": japanese.ShiftJIS, "windows-932": japanese.ShiftJIS, "shift-jis": japanese.ShiftJIS,
	"sjis": japanese.ShiftJIS, "iso-2022-jp-1": japanese.ISO2022JP, "iso-2022-jp-2": japanese.ISO2022JP,
	"iso-2022-jp-3": japanese.ISO2022JP, "iso-2022-jp-2004": japanese.ISO2022JP, "iso-2022-jp-ms": japanese.ISO2022JP,
	"cp50220": japanese.ISO2022JP, "cp50221": japanese.ISO2022JP, "eucjp": japanese.EUCJP, "cp51932": japanese.EUCJP,
	"gb2312": simplifiedchinese.GB18030, "gb_2312-80": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GB18030,
	"cp936": simplifiedchinese.GB18030, "x-gbk": simplifiedchinese.GB18030, "euc-cn": simplifiedchinese.GB18030,
	"hz-gb-2312": simplifiedchinese.HZGB2312, "hz": simplifiedchinese.HZGB2312,
	"cp950": traditionalchinese.Big5, "x-big5": traditionalchinese.Big5, "big-5": traditionalchinese.Big5,
	"ansi_x3.110-1983": charmap.ISO8859_1, "latin1": charmap.Windows1252, "iso-8859-1": charmap.Windows1252,
	"iso8859-1": charmap.Windows1252, "iso-8859-8-i": charmap.ISO8859_8, "iso-8859-8-e": charmap.ISO8859_8,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1252": charmap.Windows1252, "cp1253": charmap.Windows1253,
	"cp1254": charmap.Windows1254, "cp1255": charmap.Windows1255, "cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257,
	"cp1258": charmap.Windows1258, "ansi": charmap.Windows1252, "macroman": charmap.Macintosh, "mac": charmap.Macintosh,
	"utf-16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
}

var utf8Names = map[string]bool{
	"utf-8": true, "utf8": true, "cp65001": true, "unicode-1-1-utf-8": true, "x-unicode-2-0-utf-8": true, "x-utf_8j": true,
	"us-ascii": true, "ascii": true, "ansi_x3.4-1968": true, "us": true, "7bit": true, "8bit": true, "default": true,
	"default_charset": true, "x-unknown": true, "unknown": true, "unknown-8bit": true, "iso-10646": true, "utf-8-mac": true,
}

var utf7Names = map[string]bool{"utf-7": true, "unicode-1-1-utf-7": true, "utf7": true, "x-unicode-2-0-utf-7": true, "cp65000": true}

// charsetName brings a charset as mails spell it to a name to look up.
func charsetName(s string) string {
	s = strings.ToLower(strings.Trim(strings.TrimSpace(s), "\"'"))
	s = strings.TrimPrefix(s, "charset=")
	if i := strings.IndexAny(s, ";,? \t*\"'"); i >= 0 {
		s = s[:i]
	}
	return s
}

// encodingOf finds a charset; nil if it is UTF-8, UTF-7 or unknown.
func encodingOf(name string) encoding.Encoding {
	if e := aliases[name]; e != nil {
		return e
	}
	if e, err := htmlindex.Get(name); err == nil && e != nil && e != encoding.Replacement {
		return e
	}
	if e, err := ianaindex.IANA.Encoding(name); err == nil && e != nil {
		return e
	}
	for _, prefix := range []string{"x-", "cs", "cp-", "windows"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if e, err := ianaindex.IANA.Encoding(rest); err == nil && e != nil {
				return e
			}
		}
	}
	if rest, ok := strings.CutPrefix(name, "cp"); ok { // cp850
		if e, err := ianaindex.IANA.Encoding("ibm" + rest); err == nil && e != nil {
			return e
		}
	}
	return nil
}

// toUTF8 decodes b. The declared charset is a claim: bytes that do not fit it
// are taken for what they look like. The result is valid UTF-8 without NUL.
func toUTF8(b []byte, declared string) string {
	s, _ := decodeCharset(b, declared)
	return s
}

// decodeCharset is toUTF8 and tells the fault it had to work around, if any.
func decodeCharset(b []byte, declared string) (text, fault string) {
	name := charsetName(declared)
	if s, ok := byOrderMark(b); ok {
		return clean(s), ""
	}
	if utf7Names[name] {
		return clean(decodeUTF7(b)), ""
	}
	if name == "" || utf8Names[name] {
		s, found := guess(b)
		switch {
		case found == "utf-8":
			return clean(s), ""
		case name == "":
			return clean(s), "a text names no charset; it was read as " + found
		}
		return clean(s), "a text says it is " + name + " but is not; it was read as " + found
	}
	e := encodingOf(name)
	if e == nil {
		s, found := guess(b)
		return clean(s), "unknown charset " + name + "; the text was read as " + found
	}
	if plainASCII(b) && bytes.IndexByte(b, 0x1b) < 0 && bytes.IndexByte(b, '~') < 0 && e != aliases["utf-16"] && bytes.IndexByte(b, 0) < 0 {
		if _, isTable := e.(*charmap.Charmap); isTable {
			// EBCDIC tables map ASCII bytes to something else.
			if d, _ := e.NewDecoder().Bytes([]byte("aZ09")); string(d) == "aZ09" {
				return string(b), ""
			}
		}
	}
	out, err := e.NewDecoder().Bytes(b)
	if err == nil && !bytes.ContainsRune(out, utf8.RuneError) {
		if _, isTable := e.(*charmap.Charmap); isTable && looksUTF8(b) {
			return clean(string(b)), "a text says it is " + name + " but is utf-8"
		}
		return clean(string(out)), ""
	}
	if looksUTF8(b) {
		return clean(string(b)), "a text says it is " + name + " but is utf-8"
	}
	if err == nil && bytes.Count(out, []byte("\uFFFD"))*20 <= len(out) {
		return clean(string(out)), "some characters are not valid " + name
	}
	s, found := guess(b)
	return clean(s), "a text says it is " + name + " but is not; it was read as " + found
}

// looksUTF8 tells whether b is UTF-8 with at least one character beyond ASCII,
// which text of another charset hardly ever is by accident.
func looksUTF8(b []byte) bool { return !plainASCII(b) && utf8.Valid(b) }

// minConfidence is what chardet must claim, of 100, to be believed.
const minConfidence = 40

// guess decodes text of which nothing reliable is known: UTF-8 if it is valid,
// else ISO-2022-JP by its escape sequences, else what chardet is sure of, else
// windows-1252, which has a letter for nearly every byte.
func guess(b []byte) (text, charset string) {
	if bytes.Contains(b, []byte("\x1b$")) && plainASCII(b) {
		if out, err := japanese.ISO2022JP.NewDecoder().Bytes(b); err == nil {
			return string(out), "iso-2022-jp"
		}
	}
	if utf8.Valid(b) {
		return string(b), "utf-8"
	}
	if mostlyUTF8(b) {
		return strings.ToValidUTF8(string(b), "\uFFFD"), "utf-8"
	}
	sample := b[:min(len(b), 8<<10)]
	if len(sample) >= 16 {
		if r, err := chardet.NewTextDetector().DetectBest(sample); err == nil && r.Confidence >= minConfidence {
			name := charsetName(r.Charset)
			if e := encodingOf(name); e != nil {
				if out, err := e.NewDecoder().Bytes(b); err == nil && bytes.Count(out, []byte("\uFFFD"))*20 <= len(out) {
					return string(out), name
				}
			}
		}
	}
	out, _ := charmap.Windows1252.NewDecoder().Bytes(b)
	return string(out), "windows-1252"
}

// mostlyUTF8 tells whether b is UTF-8 with a few bytes broken, as by a cut.
func mostlyUTF8(b []byte) bool {
	good, bad := 0, 0
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			bad++
		} else {
			good++
		}
		b = b[n:]
	}
	return good > 8*bad
}

// headerUTF8 decodes the lines of a header that hold raw bytes of some charset,
// together, so that there is more to guess from. declared is that of the body.
func headerUTF8(block []byte, declared string) []byte {
	if name := charsetName(declared); utf8Names[name] || encodingOf(name) == nil {
		declared = ""
	}
	lines := bytes.Split(block, lf)
	var odd [][]byte
	for _, line := range lines {
		if !utf8.Valid(line) {
			odd = append(odd, line)
		}
	}
	decoded := strings.Split(toUTF8(bytes.Join(odd, lf), declared), "\n")
	if len(decoded) != len(odd) {
		return []byte(strings.ToValidUTF8(string(block), "\uFFFD"))
	}
	n := 0
	for i, line := range lines {
		if !utf8.Valid(line) {
			lines[i] = []byte(decoded[n])
			n++
		}
	}
	return bytes.Join(lines, lf)
}

// byOrderMark decodes text that begins with a byte order mark.
func byOrderMark(b []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")) && utf8.Valid(b):
		return string(b[3:]), true
	case len(b)%2 == 0 && (bytes.HasPrefix(b, []byte("\xFF\xFE")) || bytes.HasPrefix(b, []byte("\xFE\xFF"))):
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(b)
		return string(out), err == nil
	}
	return "", false
}

func plainASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
