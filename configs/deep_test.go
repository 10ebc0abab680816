package configs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Files with as many wrong keys as fit are refused as fast as they are read, and the
// error says the first of them and how many more there are.
func TestManyWrongKeys(t *testing.T) {
	many := func(n int, form string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ data, says string }{
		"lines":    {many(90_000, "k%d: 1\n"), "t.yaml:1001:1: this mapping has more than 1000 keys"},
		"nested":   {"log:\n" + many(80_000, "  k%d: 1\n"), "t.yaml:1002:3: this mapping has more than 1000 keys"},
		"quoted":   {many(60_000, "'k%d': \"x\"\n"), "t.yaml:1001:1: this mapping has more than 1000 keys"},
		"brackets": {"log: {" + many(90_000, "k%d: 1, ") + "}", "this mapping has more than 1000 keys"},
		"entries":  {"sources:\n" + many(1_000, "  - name: s%d\n    a: [1, 2]\n    b: { c: 1 }\n"), " more problems; mend these first"},
		"enough":   {many(1000, "k%d: 1\n"), "t.yaml:200:1: there are 800 more problems; mend these first"},
	} {
		_, err := Parse("t.yaml", []byte(c.data), env())
		var bad *Errors
		if !errors.As(err, &bad) || len(bad.Problems) > maxProblems+1 || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
	if root := parse(&report{src: newSource("t.yaml", "")}, []byte("{"+many(maxKeys, "k%d: x, ")+"}")); root == nil || len(root.entries) != maxKeys {
		t.Error("a comma after the last key is taken for one key more")
	}
	dates := many(900, "k%d: x\n")
	if root := parse(&report{src: newSource("t.yaml", "")}, []byte(strings.Repeat("- a: {b: 1}\n  c: [1, 2]\n", 2000)+"- a:\n    "+strings.ReplaceAll(dates, "\n", "\n    "))); root == nil || len(root.items) != 2001 {
		t.Errorf("mappings that are not large are taken for one that is: %v", root)
	}
}

// TestHuge: files made to exhaust the parser are refused, not fatal.
func TestHuge(t *testing.T) {
	for name, data := range map[string]string{
		"brackets":  strings.Repeat("[", 200_000),
		"braces":    strings.Repeat("{a: ", 200_000),
		"dashes":    strings.Repeat("- ", 200_000),
		"questions": strings.Repeat("? ", 200_000),
		"tags":      "a: " + strings.Repeat("!x ", 20_000) + "1",
		"anchors":   "a: " + strings.Repeat("&x ", 20_000) + "1",
		"large":     strings.Repeat("#", maxFile+1),
		"indentation": func() string {
			var b strings.Builder
			for i := range 300 {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.String()
		}(),
		"aliases": func() string {
			b := "a0: &a0 [x]\n"
			for i := 1; i < 40; i++ {
				p, n := string(rune('0'+(i-1)/10))+string(rune('0'+(i-1)%10)), string(rune('0'+i/10))+string(rune('0'+i%10))
				if i == 1 {
					b = "a00: &a00 [x]\n"
				}
				b += "a" + n + ": &a" + n + " [*a" + p + ", *a" + p + "]\n"
			}
			return b
		}(),
	} {
		if _, err := Parse("t.yaml", []byte(data), env()); err == nil {
			t.Errorf("%s: taken", name)
		} else if s := err.Error(); len(s) > 20_000 { // each error names every section there is
			t.Errorf("%s: the error has %d bytes", name, len(s))
		}
	}
}
