package configs

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

// Policy returns the compiled policy. It is made by [Load], [Parse], [Default]
// and [Config.Compile], never changes afterwards, and may be shared.
func (c *Config) Policy() *desk.Policy { return c.policy }

// Compile checks the config and builds its policy anew, after a program
// changed it. On error, an *[Errors] that names places by key, the old policy
// stays.
func (c *Config) Compile() error {
	r := &report{src: newSource("config", "")}
	p := c.compile(r)
	if err := r.err(); err != nil {
		return err
	}
	c.policy = p
	return nil
}

// compiler turns a config into a policy and notes every reference that leads
// nowhere. It also brings words to their normal form in the config.
type compiler struct {
	*report
	c *Config
	p *desk.Policy

	calendars []string
	agents    []desk.AgentID
	teams     []desk.TeamID
}

func (c *Config) compile(r *report) *desk.Policy {
	k := &compiler{report: r, c: c, p: desk.NewPolicy()}
	k.settings()
	k.operators()
	k.canary()
	k.words()
	k.hours()
	k.people()
	k.slas()
	k.rules()
	k.routes()
	k.sources()
	return k.p
}

var (
	idForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$`)
	wordForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
)

// named checks that every element of a list has an identifier of its own.
func named[T any](k *compiler, at place, key, what string, list []T, id func(T) string) {
	for i, e := range list {
		p := at.of(i, key)
		if n, ok := k.place(at.of(i)); ok && n.kind != mapping {
			continue // refused as a whole
		}
		article := "a"
		if key == "id" {
			article = "an"
		}
		switch name := id(e); {
		case name == "" && !k.written(p):
			k.path(at.of(i), "%s needs %s %s", what, article, key)
		case name == "" && k.bare(p):
			k.path(p, "the %s is empty", key)
		case name == "":
		case key == "id" && !idForm.MatchString(name):
			k.path(p, "the id %s must be letters, digits and . _ - @ +, at most 64, without blanks", quote(name))
		case strings.TrimSpace(name) != name || strings.ContainsAny(name, "\r\n\t") || len(name) > 200:
			k.path(p, "the %s %s must be one line of at most 200 bytes, without blanks around it", key, quote(name))
		}
	}
	twice(list, id, func(i, first int) {
		where := ""
		if n, ok := k.place(at.of(first, key)); ok {
			where = " on line " + strconv.Itoa(n.line)
		}
		k.path(at.of(i, key), "%s %s is there twice; first%s", what, quote(id(list[i])), where)
	})
}

// place finds a written value.
func (k *compiler) place(p place) (*node, bool) {
	if k.root == nil {
		return nil, false
	}
	return k.find(p)
}

// bare reports whether the value at a place is an empty text, rather than one
// that the decoder refused.
func (k *compiler) bare(p place) bool {
	n, ok := k.place(p)
	return !ok || n.kind == text && n.text == ""
}

// refer notes a name that is not among the known ones. Empty refers to nothing.
func refer[T ~string](k *compiler, p place, what string, name T, known []T) {
	if name != "" && !slices.Contains(known, name) {
		k.path(p, "there is no %s %s%s", what, quote(name), hint(string(name), known))
	}
}

// words compiles statuses, types, fields, service levels and public domains.
func (k *compiler) words() {
	c, at := k.c, place{"statuses"}
	for i := range c.Statuses {
		s := &c.Statuses[i]
		s.Name = upperSnake(s.Name)
		word(k, at.of(i, "name"), s.Name)
		if s.Category == "" && !k.written(at.of(i, "category")) {
			k.path(at.of(i), "a status needs a category%s", knownAre(desk.Categories()))
		}
	}
	named(k, at, "name", "a status", c.Statuses, func(s desk.StatusDef) string { return string(s.Name) })
	for _, need := range []desk.Category{desk.CategoryNew, desk.CategoryOpen, desk.CategoryResolved, desk.CategoryClosed} {
		if c.Statuses.Default(need) == "" && !k.unread(at) {
			k.key(at, "no status has the category %q; every ticket passes through it", need)
		}
	}
	at = place{"types"}
	for i := range c.Types {
		c.Types[i] = upperSnake(c.Types[i])
		word(k, at.of(i), c.Types[i])
	}
	if len(c.Types) == 0 {
		k.key(at, "there must be at least one type; the first is that of a ticket nobody classified")
	}
	twice(c.Types, func(t desk.Type) string { return string(t) }, func(i, _ int) {
		k.path(at.of(i), "the type %s is there twice", quote(c.Types[i]))
	})
	k.p.Statuses, k.p.Types = c.Statuses, c.Types
	k.fields()
	k.p.ServiceLevels = maps.Clone(c.ServiceLevels)
	for i, domain := range c.PublicDomains {
		c.PublicDomains[i] = strings.ToLower(strings.TrimSpace(domain))
		if strings.ContainsAny(domain, "@ /") || !strings.Contains(domain, ".") {
			k.path(place{"publicDomains", i}, "%s is not a mail domain such as example.com", quote(domain))
		}
	}
	k.p.PublicDomains = c.PublicDomains
	k.p.Threading = c.Threading
}

func upperSnake[T ~string](s T) T {
	return T(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToUpper(strings.TrimSpace(string(s)))))
}

// word checks the form of a status or type.
func word[T ~string](k *compiler, p place, w T) {
	if w != "" && !wordForm.MatchString(string(w)) {
		k.path(p, "%s must be letters, digits and _, beginning with a letter", quote(w))
	}
}

// fields compiles the custom fields.
func (k *compiler) fields() {
	c, at := k.c, place{"fields"}
	named(k, at, "name", "a field", c.Fields, func(f desk.Field) string { return f.Name })
	for i := range c.Fields {
		f := &c.Fields[i]
		p := at.of(i)
		if err := k.p.CheckFields(map[string]any{f.Name: nil}, false); err != nil && f.Name != "" {
			k.path(p.of("name"), "%s is not the name of a field: letters, digits and _ . -, beginning with a letter, at most 100 bytes", quote(f.Name))
		}
		choice := f.Kind == desk.ChoiceField || f.Kind == desk.ManyField
		switch {
		case f.Kind == "" && !k.written(p.of("kind")):
			k.path(p, "a field needs a kind%s", knownAre(desk.FieldKinds()))
		case choice && len(f.Choices) == 0 && !k.refused(p.of("choices")):
			k.path(p, "a field of the kind %s needs choices", f.Kind)
		case f.Kind != "" && !choice && len(f.Choices) > 0:
			k.key(p.of("choices"), "a field of the kind %s has no choices; give it the kind choice or choices", f.Kind)
		}
		twice(f.Choices, func(s string) string { return s }, func(j, _ int) {
			k.path(p.of("choices", j), "the choice %s is there twice", quote(f.Choices[j]))
		})
	}
	k.p.Fields = c.Fields
	for i, f := range c.Fields {
		if f.Default != nil && f.Kind != "" {
			k.value(at.of(i, "default"), f.Name, f.Default)
		}
	}
}

// refused reports whether a value is written but did not decode to anything.
func (k *compiler) refused(p place) bool {
	n, ok := k.place(p)
	return ok && n.kind != null && n.kind != list
}

// value checks a custom field's value.
func (k *compiler) value(p place, name string, v any) {
	for _, e := range desk.Invalids(k.p.CheckFields(map[string]any{name: v}, false)) {
		k.path(p, "the field %s %s", quote(name), e.Message)
	}
}
