package configs

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

// The decoding of single values. A text that held a ${NAME} is read once more
// in the form that is wanted, so that a port or a switch may come from the
// environment.

func (d *decoder) text(n *node, v reflect.Value, f field) {
	if n.kind != text {
		d.mismatch(n, f.key, "a text")
		return
	}
	s, _, ok := d.expand(n)
	if !ok {
		return
	}
	if strings.ContainsRune(s, 0) {
		d.node(n, "%s must not hold a NUL character", f.key)
		return
	}
	words := f.words
	if words == nil {
		words = enumerations[v.Type()]
	}
	if words != nil {
		w, known := pick(s, words)
		if !known {
			d.node(n, "%s cannot be %s%s", f.key, quote(s), hint(s, words))
			return
		}
		s = w
	}
	v.SetString(s)
}

// pick finds a word in any case, with blanks or hyphens for underscores.
func pick(s string, words []string) (string, bool) {
	same := strings.NewReplacer(" ", "_", "-", "_")
	for _, w := range words {
		if strings.EqualFold(same.Replace(strings.TrimSpace(s)), same.Replace(w)) {
			return w, true
		}
	}
	return "", false
}

func (d *decoder) boolean(n *node, v reflect.Value, f field) {
	s, changed, ok := d.expand(n)
	if !ok {
		return
	}
	b, err := strconv.ParseBool(s)
	if err != nil || n.kind != boolean && !changed {
		d.mismatch(n, f.key, "true or false")
		return
	}
	v.SetBool(b)
}

func (d *decoder) number(n *node, v reflect.Value, f field) {
	s, changed, ok := d.expand(n)
	if !ok {
		return
	}
	if d.guess && n.kind == text && strings.HasSuffix(f.key, "Bytes") { // a channel's size
		if size, err := ParseSize(s); err == nil && v.CanInt() && !v.OverflowInt(int64(size)) {
			v.SetInt(int64(size))
			return
		}
		d.node(n, "%s: %s", f.key, errSize)
		return
	}
	whole := v.CanInt() || v.CanUint()
	want := "a number"
	if whole {
		want = "a whole number"
	}
	if n.kind != number && !changed {
		d.mismatch(n, f.key, want)
		return
	}
	s = strings.ReplaceAll(s, "_", "")
	x, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = strconv.ErrRange
	}
	switch {
	case err != nil:
	case v.CanInt():
		var i int64
		if i, err = strconv.ParseInt(s, 10, v.Type().Bits()); err == nil {
			v.SetInt(i)
		}
	case v.CanUint():
		var u uint64
		if u, err = strconv.ParseUint(s, 10, v.Type().Bits()); err == nil {
			v.SetUint(u)
		}
	default:
		v.SetFloat(x)
	}
	if err != nil {
		d.node(n, "%s must be %s, not %s", f.key, want, quote(s))
		return
	}
	d.bounds(n, f, x, func(s string) float64 { x, _ := strconv.ParseFloat(s, 64); return x })
}

func (d *decoder) duration(n *node, v reflect.Value, f field) {
	s, _, ok := d.expand(n)
	if !ok {
		return
	}
	if n.kind != text && n.kind != number {
		d.mismatch(n, f.key, "a duration such as 30s, 5m, 1h30m or 7d")
		return
	}
	if n.kind == number && s != "0" {
		d.node(n, "%s needs a unit: 30s, 5m, 1h30m or 7d", f.key)
		return
	}
	x, err := ParseDuration(s)
	if err != nil {
		d.node(n, "%s: %s: %s", f.key, quote(s), err)
		return
	}
	v.SetInt(int64(x))
	d.bounds(n, f, float64(x), func(s string) float64 { x, _ := ParseDuration(s); return float64(x) })
}

// bounds checks the tags min and max.
func (d *decoder) bounds(n *node, f field, x float64, read func(string) float64) {
	switch {
	case f.min != "" && x < read(f.min):
		d.node(n, "%s must be at least %s", f.key, f.min)
	case f.max != "" && x > read(f.max):
		d.node(n, "%s must be at most %s", f.key, f.max)
	}
}

// textual reads types that read themselves from text.
func (d *decoder) textual(n *node, v reflect.Value, f field) {
	s, _, ok := d.expand(n)
	if !ok {
		return
	}
	size, isSize := v.Addr().Interface().(*Size)
	if n.kind == list || n.kind == mapping {
		want := "a text"
		if isSize {
			want = "a size such as 25MB"
		}
		d.mismatch(n, f.key, want)
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.node(n, "%s: %s", f.key, plainWords(err))
		return
	}
	if isSize {
		d.bounds(n, f, float64(*size), func(s string) float64 { x, _ := ParseSize(s); return float64(x) })
	}
}

// plainWords is an error's message without the name of the package it is from.
func plainWords(err error) string {
	s := err.Error()
	for _, name := range []string{"hours: ", "match: ", "desk: "} {
		s = strings.TrimPrefix(s, name)
	}
	return strings.ReplaceAll(s, "\n", "; ")
}

// any decodes a value whose type the file decides, with the types JSON has.
func (d *decoder) any(n *node) any {
	switch n.kind {
	case text:
		s, _, _ := d.expand(n)
		return desk.Clean(s)
	case number:
		x, err := strconv.ParseFloat(strings.ReplaceAll(n.text, "_", ""), 64)
		if err != nil {
			d.node(n, "%s is not a number that can be kept; put it in quotes", quote(n.text))
		}
		return x
	case boolean:
		return strings.EqualFold(n.text, "true")
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = d.any(item)
		}
		return out
	case mapping:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = d.any(e.value)
		}
		return out
	}
	return nil
}
