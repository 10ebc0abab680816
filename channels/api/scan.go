package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

// maxDepth is how deep a body may nest.
const maxDepth = 32

// checkJSON makes sure that a body means one thing and can be kept as it is:
// UTF-8 (RFC 8259 section 8.1), well-formed, no deeper than maxDepth, no name
// twice in an object (RFC 8259 section 4), every number exact as a double (RFC
// 7493 section 2.2).
func checkJSON(body []byte) *Problem {
	if i := invalidUTF8(body); i >= 0 {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("the body is not UTF-8 at byte %d", i))
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return malformed(err)
	}
	w := walk{dec: json.NewDecoder(bytes.NewReader(body))}
	w.dec.UseNumber()
	if err := w.value(0); err != nil {
		var e *FieldError
		if errors.As(err, &e) {
			e.In = "body"
			return newProblem(http.StatusUnprocessableEntity, "", *e)
		}
		return malformed(err)
	}
	return nil
}

// malformed says where the JSON breaks. The library's text quotes at most one
// character.
func malformed(err error) *Problem {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("malformed JSON at byte %d: %s", syntax.Offset, syntax.Error()))
	}
	return newProblem(http.StatusBadRequest, "malformed JSON")
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// walk goes through well-formed JSON and keeps the path to where it is.
type walk struct {
	dec  *json.Decoder
	path []string
}

func (w *walk) wrong(format string, args ...any) error {
	return &FieldError{Field: desk.Cut(strings.ReplaceAll(strings.Join(w.path, "."), ".[", "["), maxNamed), Message: fmt.Sprintf(format, args...)}
}

func (w *walk) value(depth int) error {
	t, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case json.Number:
		if !exact(v.String()) {
			return w.wrong("is a number that cannot be kept exactly; send it as a text")
		}
	case json.Delim:
		if depth >= maxDepth {
			return w.wrong("nests deeper than %d levels", maxDepth)
		}
		if v == '{' {
			return w.object(depth + 1)
		}
		return w.array(depth + 1)
	}
	return nil
}

func (w *walk) object(depth int) error {
	seen := map[string]bool{}
	for w.dec.More() {
		t, err := w.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		name = desk.Clean(name) // as it is kept
		w.path = append(w.path, name)
		if seen[name] {
			return w.wrong("is there twice")
		}
		seen[name] = true
		if err := w.value(depth); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.dec.Token()
	return err
}

func (w *walk) array(depth int) error {
	for i := 0; w.dec.More(); i++ {
		w.path = append(w.path, "["+strconv.Itoa(i)+"]")
		if err := w.value(depth); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.dec.Token()
	return err
}

// exact reports whether a JSON number survives as a double: a whole number
// must keep every digit, another one must be in range.
func exact(n string) bool {
	f, err := strconv.ParseFloat(n, 64)
	if err != nil || math.IsInf(f, 0) {
		return false
	}
	if strings.ContainsAny(n, ".eE") || len(n) <= 15 {
		return true
	}
	return strconv.FormatFloat(f, 'f', -1, 64) == n && math.Abs(f) <= 1<<53
}
