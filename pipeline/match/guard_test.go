package match

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestErrors(t *testing.T) {
	long := strings.Repeat("x", MaxPattern+1)
	for _, tc := range []struct {
		condition string
		at        string // line:column; "" is anywhere
		want      string
	}{
		{``, "1:1", "unexpected token EOF"},
		{`subjcet contains "x"`, "1:1", "unknown name subjcet; did you mean subject?"},
		{"isNew and\n  fromdomain == \"x\"", "2:3", "did you mean fromDomain?"},
		{`zzzzzz`, "1:1", "unknown name zzzzzz"},
		{`customer.vpi`, "1:10", "customer has no vpi; did you mean vip?"},
		{`serviceLevel == "gold"`, "1:1", "did you mean customer.serviceLevel?"},
		{`"ö" == subject and nme == "x"`, "1:20", "unknown name nme"},
		{`haz(tags, "x")`, "1:1", "unknown function haz; did you mean has?"},
		{`split(text, " ")`, "1:1", "unknown function split"},
		{`now() > receivedAt`, "1:1", "unknown function now"},
		{`subject`, "1:1", "a condition must be true or false, this is string"},
		{`subject == 3`, "1:9", "mismatched types string and int"},
		{`tags contains "x"`, "1:6", `has(list, "word")`},
		{`has(subject, "x")`, "", "cannot use string"},
		{`has(tags)`, "", "not enough arguments"},
		{`not channel == "email"`, "1:1", "not binds first"},
		{`isNew and`, "1:9", "unexpected token EOF"},
		{`(isNew`, "", "unexpected token EOF"},
		{"isNew \xff", "", "UTF-8"},
		{strings.Repeat(" ", MaxSource) + "x", "", "longer than 8192 bytes"},
		{strings.Repeat("(", MaxSource), "", "unexpected token EOF"},
		{strings.Repeat("not ", MaxSource/4), "", ""},
		{"1 == 1" + strings.Repeat(" and 1 == 1", 70), "", "more than 200 parts"},

		// What the language could do and a condition may not.
		{`let x = 1..1000; all(x, {all(x, {all(x, {true})})})`, "", "let is not available"},
		{`all(1..1000, {all(1..1000, {all(1..1000, {true})})})`, "", "ranges (..)"},
		{`len(1..1000000) > 3`, "", "ranges (..)"},
		{`3 in 1..5`, "", "ranges (..)"},
		{`any(to, {any(cc, {# == "x"})})`, "1:18", "inside one another"},
		{`any(to, len([any(cc, true)]) > 0)`, "", "inside one another"},
		{`let a = text + text; let b = a + a; b == ""`, "", "let is not available"},
		{`any(to, text contains #)`, "", "text is not available inside any"},
		{`any(to, headers["x"] == #)`, "", "headers is not available inside any"},
		{`any(to, # + # == "x")`, "", "+ is not available inside any"},
		{strings.Repeat("text + ", 40) + `text == ""`, "", "at most 16 times"},
		{`text matches subject`, "1:14", "must be a text in quotes"},
		{`text matches "a" + "b"`, "", "must be a text in quotes"},
		{`text matches "` + long + `"`, "", "longer than 500 bytes"},
		{`text matches "("`, "1:14", "the pattern is not valid: missing closing )"},
		{`text matches "(?=x)"`, "1:14", "the pattern is not valid"},
		{`text matches "` + strings.Repeat("(.*a){900}", 3) + `"`, "", "too costly"},
		{`text matches "(x{100}){100}"`, "", "not valid"},
		{`filter(to, true) == []`, "", "filter is not available"},
		{`map(to, #) == []`, "", "map is not available"},
		{`reduce(to, #) == ""`, "", "reduce is not available"},
		{`count(to) > 1`, "", "count is not available"},
		{`sortBy(to, #) == []`, "", "sortBy is not available"},
		{`$env["subject"] == "x"`, "1:1", "$env is not available"},
		{`true; false`, "", "single expression"},
		{`{"a": 1} == nil`, "", "{...} is not available"},
		{`b"x" == nil`, "", "not available"},
		{`receivedAt.IsZero()`, "", "only functions can be called"},
		{`receivedAt.Location().String() == "UTC"`, "", "only functions can be called"},
		{`headers[subject] == "x"`, "", "must be a text in quotes"},
		{`receivedAt > date(subject)`, "", "want date("},
		{`receivedAt > date("yesterday")`, "", "want date("},
		{`duration("long") > duration("1h")`, "", "want duration("},
		{`cut() == nil`, "", "unknown function cut"},
	} {
		p, err := Compile(tc.condition)
		name := tc.condition[:min(len(tc.condition), 60)]
		var wrong *Error
		if err == nil || p != nil || !errors.As(err, &wrong) {
			t.Errorf("%s: compiled, %v", name, err)
			continue
		}
		if !strings.Contains(wrong.Message, tc.want) {
			t.Errorf("%s: %q; want %q in it", name, wrong.Message, tc.want)
		}
		if at := fmt.Sprintf("%d:%d", wrong.Line, wrong.Column); tc.at != "" && at != tc.at {
			t.Errorf("%s: at %s, want %s", name, at, tc.at)
		}
	}
}

// dearest are the most expensive conditions the guard lets through.
var dearest = []string{
	`text matches "(.*x){330}y"`,
	strings.Repeat(`text matches "(x+x+)+y" or `, 40) + `text matches "z"`,
	strings.Repeat(`icontains(text, description) or `, 39) + "false",
	strings.Repeat(`text contains description or `, 49) + "false",
	`len(` + strings.Repeat("text + ", 16) + `text) == 0`,
	`any(to, ` + strings.Repeat(`# in cc or `, 40) + `has(tags, #))`,
	strings.Repeat(`lower(`, 190) + `text` + strings.Repeat(`)`, 190) + ` == ""`,
}

// hostile is the worst message there is for a condition, of a given size.
func hostile(size int) *Env {
	env := sample()
	env.Text = strings.Repeat("x", 2*size)
	env.Description = strings.Repeat("x", size/2) + "y"
	env.To, env.CC, env.Tags = nil, nil, nil
	for i := range MaxItems {
		env.To = append(env.To, fmt.Sprintf("to%d@desk.example", i))
		env.CC = append(env.CC, fmt.Sprintf("cc%d@desk.example", i))
		env.Tags = append(env.Tags, fmt.Sprintf("tag%d", i))
	}
	return env
}

// TestDearestConditions runs them all to their end. How long they take at full
// size is what BenchmarkDearest measures.
func TestDearestConditions(t *testing.T) {
	env := hostile(MaxText / 16)
	for _, condition := range dearest {
		p, err := Compile(condition)
		if err != nil {
			t.Errorf("%.60s: %v", condition, err)
			continue
		}
		if _, err := p.Match(env); err != nil {
			t.Errorf("%.60s: %v", condition, err)
		}
	}
}

func BenchmarkDearest(b *testing.B) {
	env := hostile(MaxText)
	for i, condition := range dearest {
		p, err := Compile(condition)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(i), func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Match(env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	for _, condition := range []string{
		`channel == "email" and fromDomain in ["a", "b"] and not auto`,
		`any(to, {# startsWith "x"}) ? fields.a > 3 : (fields?.b ?? 1) < 2`,
		`let x = 1..1000; all(x, {all(x, {all(x, {true})})})`,
		"headers['X-Y'] matches `a+` || to | none(#index == 0)",
		`text[1:3] == "ab" or to[-1] == "" or not (1 < hour < 5)`,
		`receivedAt - date("2026-03-01") > duration("1h") && -1 ** 2 % 3 == 1`,
		`if isNew { true } else { false }`, `(isNew and (auto or isReply))`, `fields.a.b.c[0] and fields["x"]`,
	} {
		f.Add(condition)
	}
	env := sample()
	f.Fuzz(func(t *testing.T, condition string) {
		p, err := Compile(condition)
		if err != nil {
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Message == "" || wrong.Line < 1 || wrong.Column < 1 {
				t.Fatalf("Compile: %#v", err)
			}
			return
		}
		start := time.Now()
		ok, err := p.Match(env)
		if ok && err != nil {
			t.Fatalf("matched and failed: %v", err)
		}
		again, err2 := p.Match(env)
		if again != ok || (err == nil) != (err2 == nil) {
			t.Fatalf("%v, %v and then %v, %v", ok, err, again, err2)
		}
		clauses := p.Explain(env)
		if took := time.Since(start); took > 30*time.Second {
			t.Fatalf("took %s", took)
		}
		sayWhy(t, ok, err, clauses)
	})
}

// sayWhy checks that the clauses lead to the verdict.
func sayWhy(t *testing.T, ok bool, err error, clauses []Clause) {
	if len(clauses) == 0 {
		t.Fatal("no clauses")
	}
	all, some := true, false
	for _, c := range clauses {
		if c.Reason != "" || err != nil {
			return
		}
		all, some = all && c.Match, some || c.Match
	}
	if clauses[0].Joint == "or" && some != ok || clauses[0].Joint != "or" && all != ok {
		t.Fatalf("verdict %v from %+v", ok, clauses)
	}
}
