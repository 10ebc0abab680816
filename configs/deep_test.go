package configs

import (
	"strings"
	"testing"
)

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
