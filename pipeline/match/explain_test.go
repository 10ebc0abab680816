package match

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		condition string
		want      []Clause
	}{
		{`isNew`, []Clause{{Source: "isNew", Match: true}}},
		{`isNew and not auto and attachments > 3`, []Clause{
			{Source: "isNew", Joint: "and", Match: true},
			{Source: "not auto", Joint: "and", Match: true},
			{Source: "attachments > 3", Joint: "and"},
		}},
		{`isReply || subject contains "fire && smoke" or (auto and isNew)`, []Clause{
			{Source: "isReply", Joint: "or"},
			{Source: `subject contains "fire && smoke"`, Joint: "or"},
			{Source: "(auto and isNew)", Joint: "or"},
		}},
		{`isNew and auto or fromName == "Jörg" and any(to, # == "x" or # startsWith "help")`, []Clause{
			{Source: "isNew and auto", Joint: "or"},
			{Source: `fromName == "Jörg" and any(to, # == "x" or # startsWith "help")`, Joint: "or", Match: true},
		}},
		{"((fromName == 'Jörg' &&\n  isNew // really\n))", []Clause{
			{Source: "fromName == 'Jörg'", Joint: "and", Match: true},
			{Source: "isNew", Joint: "and", Match: true},
		}},
		{`(isNew) and (auto)`, []Clause{
			{Source: "(isNew)", Joint: "and", Match: true},
			{Source: "(auto)", Joint: "and"},
		}},
		{`1 < hour < 5`, []Clause{{Source: "1 < hour < 5"}}},
		{`isNew and auto ? true : isNew`, []Clause{{Source: "isNew and auto ? true : isNew", Match: true}}},
		{`to[9] == "x" and isNew`, []Clause{
			{Source: `to[9] == "x"`, Joint: "and", Reason: "index out of range: 9 (array length is 2)"},
			{Source: "isNew", Joint: "and", Match: true},
		}},
		{`fields.gone and fields.paid`, []Clause{
			{Source: "fields.gone", Joint: "and"},
			{Source: "fields.paid", Joint: "and", Match: true},
		}},
	} {
		p, err := Compile(tc.condition)
		if err != nil {
			t.Errorf("Compile(%s): %v", tc.condition, err)
			continue
		}
		if got := p.Explain(sample()); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tc.condition, got, tc.want)
		}
	}
}

func TestNames(t *testing.T) {
	names := Names()
	for _, name := range []string{"subject", "customer.vip", "account.domain", "has()", "icontains()", "any()", "receivedAt"} {
		if !slices.Contains(names, name) {
			t.Errorf("no %s in %v", name, names)
		}
	}
	for _, name := range names {
		if name == "" || strings.HasSuffix(name, ".") {
			t.Errorf("a field of Env has no expr tag: %v", names)
		}
	}
	if n := reflect.TypeFor[*Env]().NumMethod(); n != 0 {
		t.Errorf("Env has %d exported methods, which conditions could call", n)
	}
}

func TestContainsFold(t *testing.T) {
	for _, tc := range []struct {
		whole, part string
		want        bool
	}{
		{"", "", true}, {"x", "", true}, {"", "x", false},
		{"Hello World", "WORLD", true}, {"Hello World", "word", false},
		{"aaab", "AAB", true}, {"ab", "abc", false}, {"[x]", "{X}", false},
		{"ÄÖÜ straße", "äöü", true}, {"ÄÖÜ straße", "STRA", true},
		{strings.Repeat("a", 200), strings.Repeat("A", 100), true},
		{strings.Repeat("a", 200), strings.Repeat("A", 100) + "b", false},
	} {
		if got := containsFold(tc.whole, tc.part); got != tc.want {
			t.Errorf("containsFold(%q, %q) = %v", tc.whole, tc.part, got)
		}
	}
}
