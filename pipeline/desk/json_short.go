package desk

import (
	"bytes"
	"encoding/json"
	"unsafe"
)

// appendShort appends JSON without its blanks (json.Compact). Most of what is
// written has none, and is looked through much faster than it is copied byte by
// byte.
func appendShort(b []byte, text json.RawMessage) ([]byte, error) {
	if isShort(text) {
		return append(b, text...), nil
	}
	short := bytes.NewBuffer(b)
	err := json.Compact(short, text)
	return short.Bytes(), err
}

// maxShort is how deep isShort looks.
const maxShort = 32

// isShort reports whether a text is one value of JSON (RFC 8259) without blanks.
// It does not look into escapes, exponents and fractions: a text with one of them
// is not said to be short.
func isShort(text json.RawMessage) bool {
	r := jsonReader{text: unsafe.String(unsafe.SliceData(text), len(text))} // it keeps nothing of it
	return r.skip(maxShort) && r.at == len(r.text)
}

// skip passes over a value of JSON without blanks, escapes, exponents and
// fractions.
func (r *jsonReader) skip(depth int) bool {
	if r.at == len(r.text) || depth == 0 {
		return false
	}
	switch r.text[r.at] {
	case '{':
		return r.members('}', func() bool { return r.words() && r.next(':') && r.skip(depth-1) })
	case '[':
		return r.members(']', func() bool { return r.skip(depth - 1) })
	case '"':
		return r.words()
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	var n int64
	return r.number(&n)
}

func (r *jsonReader) members(end byte, member func() bool) bool {
	r.at++
	for n := 0; !r.next(end); n++ {
		if n > 0 && !r.next(',') || !member() {
			return false
		}
	}
	return true
}

func (r *jsonReader) words() bool {
	_, escaped, ok := r.plain()
	return ok && !escaped
}

func (r *jsonReader) word(w string) bool {
	if len(r.text)-r.at < len(w) || r.text[r.at:r.at+len(w)] != w {
		return false
	}
	r.at += len(w)
	return true
}
