package letter

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// decodeText reads the value of an unstructured header field: encoded words
// (RFC 2047), however sloppy, become text; blanks are folded to one; control
// characters go. Words of one charset that touch are decoded as one, because
// writers cut inside of characters (RFC 2047 5 forbids it).
func decodeText(s string) string {
	if isPlain(s) {
		return s
	}
	return squeeze(decodeWords(s))
}

// isPlain tells whether decodeText would change nothing.
func isPlain(s string) bool {
	blank := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c >= 0x7f || c == '=' && i+1 < len(s) && s[i+1] == '?' || c == ' ' && blank {
			return false
		}
		blank = c == ' '
	}
	return !blank || s == ""
}

// decodeWords decodes encoded words and raw eight-bit text, and keeps blanks.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return rawText(s)
	}
	var out strings.Builder
	var run []byte // bytes of touching words of one charset
	var charset string
	flush := func() {
		if len(run) > 0 {
			out.WriteString(toUTF8(run, charset))
			run = run[:0]
		}
	}
	afterWord := false
	for s != "" {
		at := strings.Index(s, "=?")
		if at < 0 {
			break
		}
		word, ok := parseWord(s[at:])
		if !ok {
			flush()
			out.WriteString(rawText(s[:at+2]))
			s, afterWord = s[at+2:], false
			continue
		}
		if between := s[:at]; !afterWord || strings.TrimSpace(between) != "" {
			flush()
			out.WriteString(rawText(between))
		} else if !strings.EqualFold(charset, word.charset) {
			flush()
		}
		charset = word.charset
		run = word.decode(run)
		s, afterWord = s[at+word.length:], true
	}
	flush()
	out.WriteString(rawText(s))
	return out.String()
}

// An encodedWord is =?charset*language?encoding?text?=.
type encodedWord struct {
	charset string
	base64  bool
	text    string
	length  int // of the whole
}

const maxWord = 4 << 10 // RFC 2047 2 allows 75

// parseWord reads the encoded word that s begins with. Blanks inside of it are
// tolerated.
func parseWord(s string) (w encodedWord, ok bool) {
	rest := s[2:]
	i := strings.IndexByte(rest[:min(len(rest), 64)], '?')
	if i <= 0 || i+3 > len(rest) || rest[i+2] != '?' {
		return w, false
	}
	w.charset = rest[:i]
	if strings.ContainsAny(w.charset, " \t\"<>,") {
		return w, false
	}
	if j := strings.IndexByte(w.charset, '*'); j >= 0 { // language, RFC 2231 5
		w.charset = w.charset[:j]
	}
	switch rest[i+1] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return w, false
	}
	rest = rest[i+3:]
	end := strings.Index(rest[:min(len(rest), maxWord)], "?=")
	if end < 0 {
		return w, false
	}
	w.text = rest[:end]
	w.length = len(s) - len(rest) + end + 2
	return w, true
}

func (w encodedWord) decode(to []byte) []byte {
	if !w.base64 {
		return decodeQ(to, w.text)
	}
	quad := make([]byte, 0, len(w.text)+3)
	for i := 0; i < len(w.text); i++ {
		if c := w.text[i]; base64Value[c] {
			quad = append(quad, c)
		}
	}
	if len(quad)%4 == 1 {
		quad = quad[:len(quad)-1]
	}
	to, _ = base64.RawStdEncoding.AppendDecode(to, quad)
	return to
}

// decodeQ appends the bytes of a Q encoded text (RFC 2047 4.2).
func decodeQ(to []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			to = append(to, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			to = append(to, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			to = append(to, c)
		}
	}
	return to
}

// rawText decodes what stands unencoded in a header.
func rawText(s string) string {
	if isASCII(s) && strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	return toUTF8([]byte(s), "")
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// squeeze folds blanks and control characters to one blank and trims.
func squeeze(s string) string {
	var out strings.Builder
	out.Grow(len(s))
	blank := false
	for _, r := range s {
		if r <= ' ' || r == 0x7f || r == 0xFEFF {
			blank = blank || r != 0 && r != 0xFEFF
			continue
		}
		if blank && out.Len() > 0 {
			out.WriteByte(' ')
		}
		blank = false
		out.WriteRune(r) // writes U+FFFD for bytes that are no UTF-8
	}
	return out.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
