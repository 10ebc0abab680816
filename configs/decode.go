package configs

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// decoder fills Go values from nodes, strictly, and goes on after a problem so
// that all of them are found. A value that is not written leaves what is there:
// that is how defaults work. A list or map that is written replaces it.
type decoder struct {
	*report
	env Lookup
	// guess treats plain strings as secrets by the name of their key: for
	// channels' settings, whose types are not ours.
	guess bool
}

// nodeDecoder is a type with more than one form in the file.
type nodeDecoder interface {
	decodeNode(d *decoder, n *node, f field)
}

// field is what the key, and the tags of the struct field, say of a value.
type field struct {
	key      string
	secret   bool
	words    []string // tag words:"a,b": one of these
	min, max string   // tags min and max, in the form of the value
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	urlType      = reflect.TypeFor[URL]()
	textual      = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// enumerations are the types whose values are one of a few words, read in any
// case. Statuses, types, teams and agents depend on the file and are checked
// when the policy is compiled.
var enumerations = map[reflect.Type][]string{
	reflect.TypeFor[desk.Priority]():  wordsOf(desk.Priorities()),
	reflect.TypeFor[desk.Category]():  wordsOf(desk.Categories()),
	reflect.TypeFor[desk.FieldKind](): wordsOf(desk.FieldKinds()),
	reflect.TypeFor[desk.Strategy]():  wordsOf([]desk.Strategy{desk.Manual, desk.RoundRobin}),
	reflect.TypeFor[desk.Trigger]():   wordsOf([]desk.Trigger{desk.OnCreated, desk.OnReply, desk.OnAny}),
}

func wordsOf[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

func (d *decoder) mismatch(n *node, key, want string) {
	got := string(n.kind)
	if want == "a text" && (n.kind == number || n.kind == boolean) {
		got += "; put it in quotes"
	}
	d.node(n, "%s must be %s, not %s", key, want, got)
}

// value decodes n into v, which must be settable.
func (d *decoder) value(n *node, v reflect.Value, f field) {
	if n.kind == null {
		return
	}
	if own, ok := v.Addr().Interface().(nodeDecoder); ok {
		own.decodeNode(d, n, f)
		return
	}
	t := v.Type()
	switch {
	case t == urlType:
		if s, ok := d.url(n, f.key); ok {
			v.SetString(s)
		}
		return
	case d.isSecret(t, f):
		if s, ok := d.secret(n, f.key); ok {
			v.SetString(s)
		}
		return
	case t == durationType:
		d.duration(n, v, f)
		return
	case reflect.PointerTo(t).Implements(textual):
		d.textual(n, v, f)
		return
	}
	switch t.Kind() {
	case reflect.String:
		d.text(n, v, f)
	case reflect.Bool:
		d.boolean(n, v, f)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		d.number(n, v, f)
	case reflect.Slice:
		d.list(n, v, f)
	case reflect.Map:
		d.mapping(n, v, f)
	case reflect.Struct:
		d.structure(n, v, f)
	case reflect.Pointer:
		p := reflect.New(t.Elem())
		if !v.IsNil() {
			p.Elem().Set(v.Elem())
		}
		d.value(n, p.Elem(), f)
		v.Set(p)
	case reflect.Interface:
		if x := d.any(n); x != nil && t.NumMethod() == 0 {
			v.Set(reflect.ValueOf(x))
		}
	default:
		d.node(n, "%s cannot be set in a file (%s)", f.key, t)
	}
}

func (d *decoder) isSecret(t reflect.Type, f field) bool {
	if t.Kind() != reflect.String {
		return false
	}
	return t == secretType || t.Name() == "Secret" || f.secret || d.guess && t.Name() == "string" && secretKey(f.key)
}

func (d *decoder) list(n *node, v reflect.Value, f field) {
	if n.kind != list {
		d.mismatch(n, f.key, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		if item.kind == null {
			d.node(item, "an entry of %s is empty", f.key)
			continue
		}
		d.value(item, out.Index(i), f)
	}
	v.Set(out)
}

func (d *decoder) mapping(n *node, v reflect.Value, f field) {
	if n.kind != mapping {
		d.mismatch(n, f.key, "a mapping (key: value)")
		return
	}
	t := v.Type()
	out := reflect.MakeMapWithSize(t, len(n.entries))
	for _, e := range n.entries {
		key := reflect.New(t.Key()).Elem()
		if !d.mapKey(e, key) {
			continue
		}
		value := reflect.New(t.Elem()).Elem()
		inner := f
		inner.key = e.key
		d.value(e.value, value, inner)
		out.SetMapIndex(key, value)
	}
	v.Set(out)
}

func (d *decoder) mapKey(e entry, key reflect.Value) bool {
	if u, ok := key.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(e.key)); err != nil {
			d.at(e.line, e.col, "%s", plainWords(err))
			return false
		}
		return true
	}
	switch {
	case key.Kind() == reflect.String:
		key.SetString(e.key)
		return true
	case key.CanInt():
		i, err := strconv.ParseInt(e.key, 10, key.Type().Bits())
		key.SetInt(i)
		if err == nil {
			return true
		}
	}
	d.at(e.line, e.col, "the key %s has the wrong form", quote(e.key))
	return false
}

// structure fills the fields of a struct by their yaml tags. An unknown key is
// a problem at its place.
func (d *decoder) structure(n *node, v reflect.Value, f field) {
	if n.kind != mapping {
		d.mismatch(n, f.key, "a mapping (key: value)")
		return
	}
	fields, names := fieldsOf(v)
	for _, e := range n.entries {
		i, ok := fields[e.key]
		if !ok {
			d.unknown(e, names)
			continue
		}
		d.value(e.value, i.value, i.field)
	}
}

type target struct {
	value reflect.Value
	field field
}

// fieldsOf lists the settable fields of a struct by key; embedded structs
// without a name, or with ",inline", give their fields.
func fieldsOf(v reflect.Value) (fields map[string]target, names []string) {
	fields = map[string]target{}
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if tag == "-" {
			continue
		}
		if tag == "" && sf.Type.Kind() == reflect.Struct && (sf.Anonymous || hasWord(options, "inline")) {
			inner, more := fieldsOf(v.Field(i))
			for _, name := range more {
				fields[name] = inner[name]
			}
			names = append(names, more...)
			continue
		}
		if !sf.IsExported() {
			continue
		}
		if tag == "" {
			tag = strings.ToLower(sf.Name)
		}
		f := field{key: tag, secret: hasWord(options, "secret") || sf.Tag.Get("secret") == "true",
			min: sf.Tag.Get("min"), max: sf.Tag.Get("max")}
		if w := sf.Tag.Get("words"); w != "" {
			f.words = strings.Split(w, ",")
		}
		fields[tag] = target{v.Field(i), f}
		names = append(names, tag)
	}
	return fields, names
}

func hasWord(commaList, word string) bool {
	for w := range strings.SplitSeq(commaList, ",") {
		if w == word {
			return true
		}
	}
	return false
}
