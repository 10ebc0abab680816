package desk

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"time"
)

// FieldKind is the type of a custom field.
type FieldKind string

// The kinds of custom field.
const (
	TextField   FieldKind = "text"
	NumberField FieldKind = "number"
	BoolField   FieldKind = "boolean"
	DateField   FieldKind = "date" // YYYY-MM-DD
	ChoiceField FieldKind = "choice"
	ManyField   FieldKind = "choices"
)

// FieldKinds lists the kinds.
func FieldKinds() []FieldKind {
	return []FieldKind{TextField, NumberField, BoolField, DateField, ChoiceField, ManyField}
}

// Field is a business-specific field of a ticket, typed by config.
type Field struct {
	Name     string    `json:"name" yaml:"name"`
	Kind     FieldKind `json:"kind" yaml:"kind"`
	Choices  []string  `json:"choices,omitempty" yaml:"choices"`
	Required bool      `json:"required,omitempty" yaml:"required"`
	Default  any       `json:"default,omitempty" yaml:"default"`
}

// The limits of custom fields that no config types.
const (
	maxFields     = 100
	maxFieldName  = 100
	maxFieldBytes = 16 << 10
)

var fieldName = regexp.MustCompile(`^[\pL_][\pL\pN_.\-]*$`)

// CheckFields checks values against the configured fields. A configured field
// must have its kind; other names are free, as long as they stay within named
// limits, so that an integration may send what it has. Every wrong field is
// named, joined into one error.
func (p *Policy) CheckFields(values map[string]any, creating bool) error {
	var errs []error
	if len(values) > maxFields {
		errs = append(errs, Invalidf("customFields", "has more than %d fields", maxFields))
	}
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if len(n) > maxFieldName || !fieldName.MatchString(n) {
			errs = append(errs, Invalidf("customFields", "has a name that is not letters, digits, '_', '.', '-' (at most %d bytes)", maxFieldName))
			continue
		}
		if values[n] == nil {
			continue // null removes a field
		}
		f, typed := p.Field(n)
		if !typed {
			if s, ok := values[n].(string); ok && len(s) > maxFieldBytes {
				errs = append(errs, Invalidf("customFields."+n, "is longer than %d bytes", maxFieldBytes))
			}
			continue
		}
		if msg := f.wrong(values[n]); msg != "" {
			errs = append(errs, Invalidf("customFields."+n, "%s", msg))
		}
	}
	if creating {
		for _, f := range p.Fields {
			if f.Required && f.Default == nil && values[f.Name] == nil {
				errs = append(errs, Invalidf("customFields."+f.Name, "is required"))
			}
		}
	}
	return errors.Join(errs...)
}

// Field finds a configured field by name.
func (p *Policy) Field(name string) (Field, bool) {
	for _, f := range p.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// wrong says what is wrong with a value, or "".
func (f Field) wrong(v any) string {
	switch f.Kind {
	case NumberField:
		switch n := v.(type) {
		case float64:
			if math.IsNaN(n) || math.IsInf(n, 0) {
				return "must be a finite number"
			}
		case int, int64:
		default:
			return "must be a number"
		}
	case BoolField:
		if _, ok := v.(bool); !ok {
			return "must be true or false"
		}
	case DateField:
		s, ok := v.(string)
		if _, err := time.Parse(time.DateOnly, s); !ok || err != nil {
			return "must be a date, YYYY-MM-DD"
		}
	case ChoiceField:
		if s, ok := v.(string); !ok || !slices.Contains(f.Choices, s) {
			return fmt.Sprintf("must be one of %v", f.Choices)
		}
	case ManyField:
		list, ok := v.([]any)
		if !ok {
			return "must be a list"
		}
		for _, e := range list {
			if s, ok := e.(string); !ok || !slices.Contains(f.Choices, s) {
				return fmt.Sprintf("must be a list of %v", f.Choices)
			}
		}
	default:
		if s, ok := v.(string); !ok {
			return "must be a text"
		} else if len(s) > maxFieldBytes {
			return fmt.Sprintf("is longer than %d bytes", maxFieldBytes)
		}
	}
	return ""
}
