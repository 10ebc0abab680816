package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse: no bytes make the parser panic, and whatever is refused is refused
// at a place in the file.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range append(files, "example.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"a: &a [*a]", "? [x]\n: y", "{", "[[[[", "- - - -", "\xff\xfe", "k: |9\n x", "k: >+\n\n", "<<: *x", "a: !!binary x",
		"rules: [{name: a, when: \"\\ud83d\\ude00 \\\n x\"}]", "%YAML 1.2\n---\n", "\"\": ", "server: &x {addr: *x}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data, env("SET", "value", "EMPTY", ""))
		if err == nil {
			if c.Policy() == nil || len(c.Policy().Teams) == 0 || c.Policy().Sources["api"].Name != "api" {
				t.Fatalf("taken without a usable policy: %+v", c.Policy())
			}
			for _, cal := range c.Policy().Calendars {
				if err := cal.Validate(); err != nil {
					t.Fatalf("an impossible calendar was taken: %v", err)
				}
			}
			for _, s := range c.Sources {
				var into settings
				_ = s.Block.Decode(&into)
			}
			return
		}
		var all *Errors
		if !errors.As(err, &all) || len(all.Problems) == 0 {
			t.Fatalf("refused without a reason: %v", err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range all.Problems {
			if p.Line < 1 || p.Line > lines+1 || p.Column < 1 || p.Message == "" || strings.Contains(p.Message, "\n") {
				t.Fatalf("a problem without a place or in two lines: %q", p)
			}
		}
	})
}
