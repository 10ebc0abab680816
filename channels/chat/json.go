package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// decodeJSON reads one value (RFC 8259), no deeper than allowed, in one walk over
// the body: what encoding/json reads into an any is what comes out. Whole numbers
// stay whole; what no number type holds stays text. Texts without escapes are
// parts of the body, not copies: it must not be changed any more.
func decodeJSON(body []byte, depth int) (any, error) {
	r := reader{text: unsafe.String(unsafe.SliceData(body), len(body)), depth: depth}
	r.blanks()
	v, ok := r.value()
	if ok {
		r.blanks()
		if r.at == len(r.text) {
			return v, nil
		}
	}
	switch { // too deep comes first, however broken the rest is
	case deeper(r.text, depth):
		return nil, &malformed{fmt.Sprintf("the JSON is nested deeper than %d", depth), refusedDeep}
	case ok:
		return nil, broken("something follows the JSON")
	}
	return nil, broken("the body is not valid JSON")
}

// deeper measures the nesting of what need not be JSON.
func deeper(text string, limit int) bool {
	depth, inside := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// reader walks over a text of JSON. Its methods begin at the value they read and
// end behind it; false is what is no JSON, or too deep.
type reader struct {
	text  string
	at    int
	depth int // levels still allowed
}

func (r *reader) blanks() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// next takes the byte if it is the next one.
func (r *reader) next(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) value() (any, bool) {
	if r.at == len(r.text) {
		return nil, false
	}
	switch r.text[r.at] {
	case '{':
		return r.object()
	case '[':
		return r.list()
	case '"':
		return r.words()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	}
	return r.number()
}

func (r *reader) word(w string) bool {
	if strings.HasPrefix(r.text[r.at:], w) {
		r.at += len(w)
		return true
	}
	return false
}

func (r *reader) object() (any, bool) {
	if r.depth--; r.depth < 0 {
		return nil, false
	}
	r.at++
	out := map[string]any{}
	r.blanks()
	for !r.next('}') {
		if len(out) > 0 {
			if !r.next(',') {
				return nil, false
			}
			r.blanks()
		}
		key, ok := r.string()
		if !ok {
			return nil, false
		}
		if r.blanks(); !r.next(':') {
			return nil, false
		}
		r.blanks()
		if out[key], ok = r.value(); !ok {
			return nil, false
		}
		r.blanks()
	}
	r.depth++
	return out, true
}

func (r *reader) list() (any, bool) {
	if r.depth--; r.depth < 0 {
		return nil, false
	}
	r.at++
	out := []any{}
	r.blanks()
	for !r.next(']') {
		if len(out) > 0 {
			if !r.next(',') {
				return nil, false
			}
			r.blanks()
		}
		v, ok := r.value()
		if !ok {
			return nil, false
		}
		out = append(out, v)
		r.blanks()
	}
	r.depth++
	return out, true
}

func (r *reader) words() (any, bool) { return r.string() }

// string reads a text. Bytes that are no UTF-8, and halves of surrogate pairs,
// become U+FFFD.
func (r *reader) string() (string, bool) {
	if !r.next('"') {
		return "", false
	}
	begin, plain, ascii := r.at, true, true
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			s := r.text[begin:r.at]
			r.at++
			if plain && (ascii || utf8.ValidString(s)) {
				return s, true
			}
			return unescape(s)
		case c == '\\':
			plain = false
			r.at++ // a quote behind it ends nothing
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false
}

// escapes are the letters behind a backslash that stand for one byte.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func unescape(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c != '\\' && c < ' ':
			return "", false
		case c != '\\' && c < utf8.RuneSelf:
			out = append(out, c)
			i++
		case c != '\\':
			char, size := utf8.DecodeRuneInString(s[i:])
			out = utf8.AppendRune(out, char)
			i += size
		case s[i+1] == 'u':
			char := hex4(s[i:])
			if char < 0 {
				return "", false
			}
			i += 6
			if utf16.IsSurrogate(char) {
				if char = utf16.DecodeRune(char, hex4(s[i:])); char != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, char)
		default:
			if escapes[s[i+1]] == 0 {
				return "", false
			}
			out = append(out, escapes[s[i+1]])
			i += 2
		}
	}
	return string(out), true
}

// hex4 reads \uXXXX, and is negative when that does not stand there.
func hex4(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var n rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		n = n<<4 | rune(c)
	}
	return n
}

func (r *reader) digits() bool {
	begin := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > begin
}

// number reads a number: an int, a float64, or text when neither holds it.
func (r *reader) number() (any, bool) {
	begin, whole := r.at, true
	r.next('-')
	if !r.next('0') && !r.digits() {
		return nil, false
	}
	if r.next('.') {
		if whole = false; !r.digits() {
			return nil, false
		}
	}
	if r.next('e') || r.next('E') {
		if whole = false; !r.next('+') {
			r.next('-')
		}
		if !r.digits() {
			return nil, false
		}
	}
	s := r.text[begin:r.at]
	if whole {
		if n, err := strconv.Atoi(s); err == nil {
			return n, true
		}
		return s, true // an ID longer than 64 bits
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, true
	}
	return s, true
}
