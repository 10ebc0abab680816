package desk

import (
	"strings"
	"testing"
)

func TestCheckFields(t *testing.T) {
	p := NewPolicy()
	p.Fields = []Field{
		{Name: "device", Kind: ChoiceField, Choices: []string{"iOS", "Android"}},
		{Name: "seats", Kind: NumberField, Required: true},
		{Name: "since", Kind: DateField},
		{Name: "areas", Kind: ManyField, Choices: []string{"a", "b"}},
	}
	ok := map[string]any{"device": "iOS", "seats": 3.0, "since": "2026-01-31", "areas": []any{"a"}, "free": map[string]any{"x": 1.0}}
	if err := p.CheckFields(ok, true); err != nil {
		t.Error(err)
	}
	bad := map[string]any{"device": "Nokia", "since": "31.1.2026", "areas": []any{"z"}, "bad name!": 1.0}
	err := p.CheckFields(bad, true)
	want := []string{"customFields.areas", "customFields", "customFields.device", "customFields.since", "customFields.seats"}
	var got []string
	for _, e := range Invalids(err) {
		got = append(got, e.Field)
		if strings.Contains(e.Message, "Nokia") {
			t.Errorf("the refused value is echoed: %s", e.Message)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("fields %v, want %v", got, want)
	}
	if err := p.CheckFields(map[string]any{"device": nil}, false); err != nil {
		t.Errorf("null removes a field: %v", err)
	}
}
