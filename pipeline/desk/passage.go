package desk

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Passage is where a text stands in the raw bytes it came in, so that a record that
// is kept beside those bytes need not repeat it. The zero Passage is nowhere.
type Passage struct {
	From   int    // offset of the first byte
	Length int    // in bytes, as it stands there
	As     string // how it is spelled there: one of the Spelled constants
}

// How a text is spelled in raw bytes.
const (
	SpelledPlain = "plain" // as it is
	SpelledJSON  = "json"  // as the inside of a JSON string, RFC 8259 section 7
	SpelledCRLF  = "crlf"  // with CR LF for every LF, as mail has it
)

// MinPassage is how many bytes a text has at least that [Locate] looks for: to say
// where a shorter one stands saves nothing.
const MinPassage = 256

const (
	anchorMost = 12 // bytes of a text that are looked for
	anchorMin  = 4  // fewer are found everywhere
	anchorTry  = 8  // occurrences that are tried; a request may show the beginning of a text before all of it
)

// ErrNoWords is that a text is not where its [Passage] says.
var ErrNoWords = errors.New("desk: the words are not where they should be")

// IsZero reports whether p is nowhere.
func (p Passage) IsZero() bool { return p.As == "" }

// Locate finds a text in raw bytes, however a sender may have escaped it, and
// false when it is too short or not there as a whole. It looks for a few letters
// that every spelling writes alike and compares from there in both directions. What it
// returns was read back and is the text, byte for byte.
func Locate(raw []byte, text string) (Passage, bool) {
	if len(text) < MinPassage || len(raw) < len(text) || !utf8.ValidString(text) {
		return Passage{}, false
	}
	at, needles := anchors(text)
	for _, needle := range needles {
		for try, from := 0, 0; try < anchorTry; try++ {
			i := bytes.Index(raw[from:], needle)
			if i < 0 {
				break
			}
			if p, ok := around(raw, text, at, from+i); ok {
				return p, true
			}
			from += i + 1
		}
	}
	return Passage{}, false
}

// alike are the bytes that nobody escapes.
var alike = func() (out [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;!?()-_") {
		out[c] = true
	}
	return out
}()

// anchors are spellings of a part of the text that begins at an offset.
func anchors(text string) (at int, needles [][]byte) {
	longest, begin := 0, 0
	for i := 0; i <= len(text) && longest < anchorMost; i++ {
		if i < len(text) && alike[text[i]] && i-begin < anchorMost {
			continue
		}
		if i-begin > longest {
			at, longest = begin, i-begin
		}
		begin = i + 1
	}
	if longest >= anchorMin {
		return at, [][]byte{[]byte(text[at : at+longest])}
	}
	// Letters of another script: as they are, or escaped.
	at = strings.IndexFunc(text, func(c rune) bool { return c >= utf8.RuneSelf })
	if at < 0 {
		return 0, nil
	}
	var plain, lower, upper []byte
	for _, c := range text[at:] {
		if c < utf8.RuneSelf || len(plain) >= anchorMost {
			break
		}
		plain = utf8.AppendRune(plain, c)
		for _, u := range utf16.AppendRune(nil, c) {
			lower, upper = fmt.Appendf(lower, `\u%04x`, u), fmt.Appendf(upper, `\u%04X`, u)
		}
	}
	return at, [][]byte{plain, lower, upper}
}

// around compares raw with the text, whose byte number at is at raw[p].
func around(raw []byte, text string, at, p int) (Passage, bool) {
	if from := p - at; from >= 0 && len(text) <= len(raw)-from && string(raw[from:from+len(text)]) == text {
		return Passage{from, len(text), SpelledPlain}, true
	}
	if from := escapedBefore(raw, text[:at], p); from >= 0 {
		if to := escapedAfter(raw, text, from); to >= 0 {
			return Passage{from, to - from, SpelledJSON}, true
		}
	}
	lines := strings.Count(text, "\n")
	from := p - at - strings.Count(text[:at], "\n")
	if lines == 0 || from < 0 || len(text)+lines > len(raw)-from {
		return Passage{}, false
	}
	out := Passage{from, len(text) + lines, SpelledCRLF}
	back, err := out.Text(raw)
	return out, err == nil && back == text
}

// escapedAfter is where the inside of a JSON string that begins at raw[p] has
// said the text, and -1 when it says something else.
func escapedAfter(raw []byte, text string, p int) int {
	for {
		plain := bytes.IndexByte(raw[p:], '\\')
		if plain < 0 {
			plain = len(raw) - p
		}
		plain = min(plain, len(text))
		if string(raw[p:p+plain]) != text[:plain] {
			return -1
		}
		p, text = p+plain, text[plain:]
		if text == "" {
			return p
		}
		c, n := unescaped(raw[p:])
		is, size := utf8.DecodeRuneInString(text)
		if n == 0 || c != is || !utf8.RuneStart(text[0]) {
			return -1
		}
		p, text = p+n, text[size:]
	}
}

// escapedBefore is where the inside of a JSON string that ends before raw[p]
// begins to say the text, and -1 when it says something else.
func escapedBefore(raw []byte, text string, p int) int {
next:
	for len(text) > 0 {
		is, size := utf8.DecodeLastRuneInString(text)
		char := text[len(text)-size:]
		text = text[:len(text)-size]
		for _, n := range [...]int{2, 6, 12} { // \n, \u000a, two of them
			if p < n || raw[p-n] != '\\' {
				continue
			}
			if c, used := unescaped(raw[p-n : p]); used == n && c == is {
				p -= n
				continue next
			}
		}
		if p < size || string(raw[p-size:p]) != char || is == '\\' || is == '"' {
			return -1
		}
		p -= size
	}
	return p
}

// unescaped reads the escape at the beginning of raw, one character in how many
// bytes; 0 when there is none or it is half of a pair.
func unescaped(raw []byte) (c rune, n int) {
	if len(raw) < 2 || raw[0] != '\\' {
		return 0, 0
	}
	if short := shortEscapes[raw[1]]; short != 0 {
		return rune(short), 2
	}
	c, ok := codeUnit(raw)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(c) {
		return c, 6
	}
	low, ok := codeUnit(raw[6:])
	if c = utf16.DecodeRune(c, low); !ok || c == utf8.RuneError {
		return 0, 0
	}
	return c, 12
}

// codeUnit reads \uXXXX.
func codeUnit(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}

// Text reads the text that stands there. The error wraps [ErrNoWords] when it
// cannot be what was located in these bytes.
func (p Passage) Text(raw []byte) (string, error) {
	if p.From < 0 || p.Length < 0 || p.From > len(raw) || p.Length > len(raw)-p.From {
		return "", fmt.Errorf("%w: %d bytes from %d of %d", ErrNoWords, p.Length, p.From, len(raw))
	}
	part := raw[p.From : p.From+p.Length]
	if !utf8.Valid(part) {
		return "", fmt.Errorf("%w: %d bytes from %d are no UTF-8", ErrNoWords, p.Length, p.From)
	}
	switch p.As {
	case SpelledPlain:
		return string(part), nil
	case SpelledCRLF:
		return string(bytes.ReplaceAll(part, []byte("\r\n"), []byte("\n"))), nil
	case SpelledJSON:
		return unescape(part)
	}
	return "", fmt.Errorf("%w: spelled %q", ErrNoWords, p.As)
}

// unescape reads the inside of a JSON string.
func unescape(part []byte) (string, error) {
	var out strings.Builder
	out.Grow(len(part))
	for {
		i := bytes.IndexByte(part, '\\')
		if i < 0 {
			out.Write(part)
			return out.String(), nil
		}
		out.Write(part[:i])
		c, n := unescaped(part[i:])
		if n == 0 {
			return "", fmt.Errorf("%w: an escape that is none", ErrNoWords)
		}
		out.WriteRune(c)
		part = part[i+n:]
	}
}
