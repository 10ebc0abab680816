package api

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// opt is a field of a change: not said, said to be null, or a value.
type opt[T any] struct {
	said  bool
	null  bool
	value T
}

// UnmarshalJSON is called only when the field is there.
func (o *opt[T]) UnmarshalJSON(b []byte) error {
	o.said = true
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		o.null = true
		return nil
	}
	return json.Unmarshal(b, &o.value)
}

// Schema describes the field as a nullable T.
func (opt[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}

// pointer is nil when the field was not said, and the zero value for null.
func (o opt[T]) pointer() *T {
	if !o.said {
		return nil
	}
	v := o.value
	return &v
}
