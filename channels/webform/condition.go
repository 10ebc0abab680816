package webform

import (
	"slices"
	"strings"
)

// condition says when a field is shown: when the field above it holds one of in,
// or anything at all. A field that is itself hidden holds nothing, so what hangs
// on it is hidden too. assets/form.js decides the same; a test compares them.
type condition struct {
	field    string
	in       []string
	notEmpty bool
}

// visible decides which fields are shown, given what was sent: the names of
// those that are. held reports how many files a field has. A field's condition
// names a field above it, so one pass decides all.
func (f *form) visible(values map[string][]string, held func(field string) int) map[string]bool {
	shown := make(map[string]bool, len(f.fields))
	for _, x := range f.fields {
		shown[x.name] = x.when == nil || shown[x.when.field] && x.when.holds(f.field(x.when.field), values[x.when.field], held)
	}
	return shown
}

func (c *condition) holds(on *field, sent []string, held func(string) int) bool {
	if on.fixed {
		sent = on.initial
	}
	if on.kind == kindCheckbox { // unticked, a browser sends nothing
		sent = []string{ticked(sent)}
		if c.notEmpty {
			return sent[0] == "true"
		}
	}
	if c.notEmpty {
		return slices.ContainsFunc(sent, func(s string) bool { return strings.TrimSpace(s) != "" }) || on.kind == kindFile && held(on.name) > 0
	}
	return slices.ContainsFunc(sent, func(s string) bool {
		s = strings.TrimSpace(s)
		return slices.ContainsFunc(c.in, func(want string) bool { return same(on.kind, s, want) })
	})
}

// same compares as people do: numbers by their value.
func same(k kind, a, b string) bool {
	if k == kindNumber {
		x, errX := parseNumber(a)
		y, errY := parseNumber(b)
		return errX == nil && errY == nil && x == y
	}
	return a == b
}

// ticked is "true" or "false".
func ticked(sent []string) string {
	if slices.ContainsFunc(sent, func(s string) bool { s = strings.TrimSpace(s); return s == "true" || s == "on" || s == "1" }) {
		return "true"
	}
	return "false"
}
