package webform

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

var (
	// fieldName keeps clear of our own names, which begin with an underscore.
	fieldName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	customName = regexp.MustCompile(`^[\pL_][\pL\pN_.\-]{0,49}$`)
	// ours are names in the page's address that are not fields.
	ours = []string{"lang", "embed", "origin"}
)

// mapped are the types of field each target takes.
var mapped = map[target][]kind{
	toTitle:       {kindText, kindChoice, kindHidden},
	toDescription: {kindText, kindLongText},
	toEmail:       {kindEmail},
	toName:        {kindText},
	toPriority:    {kindChoice, kindHidden},
	toType:        {kindChoice, kindHidden},
	toTags:        {kindChoice, kindChoices, kindHidden},
}

func (c *compiler) fields(at string, list []fieldSettings, f *form) {
	if len(list) == 0 {
		c.wrong(at+".fields", "are required: at least one")
	}
	if len(list) > maxFields {
		c.wrong(at+".fields", "are more than %d", maxFields)
		return
	}
	used := map[string]bool{}
	for i, s := range list {
		key := fmt.Sprintf("%s.fields[%d]", at, i)
		x := c.field(key, s, f)
		if x.name != "" && f.field(x.name) != nil {
			c.wrong(key+".name", "is another field's too")
		}
		if x.to != toText && x.to != toTags {
			if used[s.To] {
				c.wrong(key+".to", "is where another field goes already")
			}
			used[s.To] = true
		}
		f.fields = append(f.fields, x)
	}
}

func (c *compiler) field(at string, s fieldSettings, f *form) *field {
	x := &field{name: s.Name, kind: kind(s.Type), required: s.Required, maxLength: s.MaxLength}
	switch {
	case s.Name == "":
		c.wrong(at+".name", "is required")
	case !fieldName.MatchString(s.Name), slices.Contains(ours, s.Name):
		c.wrong(at+".name", "must be letters, digits, _ and -, beginning with a letter, at most 64, and not %s", strings.Join(ours, " or "))
	}
	if s.Type == "" {
		x.kind = kindText
	} else if !slices.Contains(kinds, x.kind) {
		c.wrong(at+".type", "must be one of %v", kinds)
	}
	x.label = c.phrase(at+".label", s.Label, f.langs)
	if x.kind != kindHidden && s.Label == nil {
		c.wrong(at+".label", "is required: what people read beside the field")
	}
	x.help = c.phrase(at+".help", s.Help, f.langs)
	c.options(at, s, x, f.langs)
	c.bounds(at, s, x)
	c.target(at, s, x)
	c.initial(at, s, x)
	if s.When != nil {
		x.when = c.condition(at+".when", *s.When, f)
	}
	return x
}

func (c *compiler) options(at string, s fieldSettings, x *field, langs []string) {
	choice := x.kind == kindChoice || x.kind == kindChoices
	switch {
	case choice && len(s.Options) == 0:
		c.wrong(at+".options", "are required: what there is to choose")
	case !choice && x.kind != kindHidden && len(s.Options) > 0:
		c.wrong(at+".options", "are for the types choice, choices and hidden")
	case len(s.Options) > 500:
		c.wrong(at+".options", "are more than 500")
		return
	}
	for i, v := range s.Options {
		key := fmt.Sprintf("%s.options[%d]", at, i)
		o := option{}
		var label any
		if m, ok := v.(map[string]any); ok {
			for k := range m {
				if k != "value" && k != "label" {
					c.wrong(key, "has the unknown key %q; known are value and label", desk.Cut(k, 40))
				}
			}
			o.value, _ = word(m["value"])
			label = m["label"]
		} else {
			o.value, _ = word(v)
		}
		if label == nil {
			label = o.value
		}
		if o.value = strings.TrimSpace(o.value); o.value == "" || len(o.value) > 200 {
			c.wrong(key, "needs a value of at most 200 bytes")
		}
		o.label = c.phrase(key+".label", label, langs)
		if slices.ContainsFunc(x.options, func(e option) bool { return e.value == o.value }) {
			c.wrong(key, "is there twice")
		}
		x.options = append(x.options, o)
	}
}

// word is a single value of the config as a form would send it.
func word(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), true
	}
	return "", false
}

func (c *compiler) bounds(at string, s fieldSettings, x *field) {
	texts := []kind{kindText, kindLongText, kindHidden}
	if s.MaxLength != 0 && !slices.Contains(texts, x.kind) {
		c.wrong(at+".maxLength", "is for the types text, longtext and hidden")
	}
	switch {
	case s.MaxLength < 0 || s.MaxLength > 200_000:
		c.wrong(at+".maxLength", "must be between 1 and 200000 characters")
	case s.MaxLength == 0 && x.kind == kindLongText:
		x.maxLength = defaultLongText
	case s.MaxLength == 0:
		x.maxLength = defaultText
	}
	if s.Pattern != "" {
		re, err := regexp.Compile(`^(?:` + s.Pattern + `)$`)
		switch {
		case x.kind != kindText && x.kind != kindPhone:
			c.wrong(at+".pattern", "is for the types text and phone")
		case err != nil:
			c.wrong(at+".pattern", "is not a regular expression: %v", err)
		default:
			x.pattern = re
		}
	}
	read := func(key string, v any) (string, float64) {
		w, ok := word(v)
		switch {
		case v == nil:
			return "", 0
		case x.kind == kindNumber:
			if n, err := parseNumber(w); ok && err == nil {
				return w, n
			}
			c.wrong(at+"."+key, "must be a number")
		case x.kind == kindDate:
			if _, err := parseDate(w); ok && err == nil {
				return w, 0
			}
			c.wrong(at+"."+key, "must be a date, YYYY-MM-DD, in quotes")
		default:
			c.wrong(at+"."+key, "is for the types number and date")
		}
		return "", 0
	}
	x.min, x.low = read("min", s.Min)
	x.max, x.high = read("max", s.Max)
	if x.min != "" && x.max != "" && (x.kind == kindNumber && x.low > x.high || x.kind == kindDate && x.min > x.max) {
		c.wrong(at+".max", "is less than min")
	}
}

func (c *compiler) target(at string, s fieldSettings, x *field) {
	x.to = target(s.To)
	if name, ok := strings.CutPrefix(s.To, string(toCustom)); ok {
		x.to, x.custom = toCustom, name
		if !customName.MatchString(name) {
			c.wrong(at+".to", "must name a custom field: letters, digits, _ . and -")
		}
		if x.kind == kindFile {
			c.wrong(at+".to", "is not for files: they are always on the message")
		}
		return
	}
	if x.to == toText {
		return
	}
	takes, ok := mapped[x.to]
	switch {
	case !ok:
		c.wrong(at+".to", "must be title, description, requester.email, requester.name, priority, type, tags or customFields.NAME")
	case !slices.Contains(takes, x.kind):
		c.wrong(at+".to", "takes only the types %v", takes)
	}
	for i, o := range x.options {
		key := fmt.Sprintf("%s.options[%d]", at, i)
		if _, err := desk.ParsePriority(o.value); x.to == toPriority && err != nil {
			c.wrong(key, "is not a priority; known are %v", desk.Priorities())
		}
		if x.to == toType && typeOf(o.value) == "" {
			c.wrong(key, "is not a type")
		}
		if x.to == toTags && len(o.value) > 100 {
			c.wrong(key, "is longer than a tag may be: 100 bytes")
		}
	}
}

// initial checks the default like something a person sent.
func (c *compiler) initial(at string, s fieldSettings, x *field) {
	// What decides over the ticket may not be written by a stranger: without
	// options to choose from, the default alone counts.
	x.fixed = x.kind == kindHidden && len(x.options) == 0 && slices.Contains([]target{toPriority, toType, toTags}, x.to)
	if s.Default == nil {
		if x.fixed {
			c.wrong(at+".default", "is required: a hidden field that goes to %s holds it, or one of its options", x.to)
		}
		return
	}
	if x.kind == kindFile {
		c.wrong(at+".default", "is not for files")
		return
	}
	list, many := s.Default.([]any)
	if !many {
		list = []any{s.Default}
	} else if x.kind != kindChoices {
		c.wrong(at+".default", "must be a single value")
		return
	}
	for _, v := range list {
		w, ok := word(v)
		if !ok {
			c.wrong(at+".default", "must be a text, a number, true or false")
			return
		}
		x.initial = append(x.initial, w)
	}
	if _, bad := x.check(x.initial); bad != nil {
		c.wrong(at+".default", "is not a value the field takes")
	}
	if _, err := desk.ParsePriority(x.initial[0]); x.fixed && x.to == toPriority && err != nil {
		c.wrong(at+".default", "is not a priority; known are %v", desk.Priorities())
	}
}

func (c *compiler) condition(at string, s whenSettings, f *form) *condition {
	on := f.field(s.Field)
	if on == nil {
		c.wrong(at+".field", "must name a field above this one")
		return nil
	}
	out := &condition{field: on.name, notEmpty: s.NotEmpty}
	said := 0
	for _, yes := range []bool{s.Equals != nil, s.In != nil, s.NotEmpty} {
		if yes {
			said++
		}
	}
	if said != 1 {
		c.wrong(at, "needs one of equals, in and notEmpty")
		return nil
	}
	list := s.In
	if s.Equals != nil {
		list = []any{s.Equals}
	}
	for _, v := range list {
		w, ok := word(v)
		if _, err := parseNumber(w); on.kind == kindNumber && err != nil {
			ok = false
		}
		switch {
		case !ok:
			c.wrong(at, "must compare with a text, a number, true or false")
		case on.kind == kindFile:
			c.wrong(at, "a file can only be notEmpty")
		case on.kind == kindCheckbox && w != "true" && w != "false":
			c.wrong(at, "a checkbox is true or false")
		case on.choosing() && !slices.ContainsFunc(on.options, func(o option) bool { return o.value == w }):
			c.wrong(at, "compares with something that is not an option of %s", on.name)
		}
		out.in = append(out.in, w)
	}
	return out
}
