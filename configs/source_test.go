package configs

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// TestInside: whatever way a text is written in, each of its visible
// characters is found where it stands.
func TestInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("abcxyzéß漢😀")), 1, 6, -1), 1, 12).Draw(t, "words")
		extra := rapid.SampledFrom([]string{"", `"`, `'`, `\`, "\t"}).Draw(t, "extra")
		value := strings.Join(words, " ") + extra + "end"
		var written string
		switch style := rapid.SampledFrom([]string{"plain", "single", "double", "escaped", "literal", "folded", "plain lines", "double lines"}).Draw(t, "style"); style {
		case "plain":
			value = strings.Join(words, " ")
			written = "a: [0,\n  x]\nk: " + value + " # comment\n"
		case "single":
			written = "é: 1\nk:   '" + strings.ReplaceAll(value, "'", "''") + "'\n"
		case "double":
			written = "k: \"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(value) + "\"\n"
		case "escaped":
			written = "k: \"" + strings.NewReplacer(`\`, `\\`, `"`, `\x22`, "\t", `\t`, "é", `\u00e9`, " ", `\x20`).Replace(value) + "\"\n"
		case "literal":
			value = strings.Join(words, "\n  ")
			written = "k: |\n  " + strings.ReplaceAll(value, "\n", "\n  ") + "\n"
			value += "\n"
		case "folded":
			written = "k: >-\n    " + strings.Join(words, "\n    ") + "\n"
			value = strings.Join(words, " ")
		case "plain lines":
			written = "k: " + strings.Join(words, "\n    ") + "\n"
			value = strings.Join(words, " ")
		case "double lines":
			written = "k: \"" + strings.Join(words, "\n    ") + "\"\n"
			value = strings.Join(words, " ")
		}
		r := &report{src: newSource("t.yaml", written)}
		root := parse(r, []byte(written))
		if err := r.err(); err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		n := root.entry("k").value
		if n.kind != text || n.text != value {
			t.Fatalf("%q reads as %q, want %q", written, n.text, value)
		}
		lines := strings.Split(written, "\n")
		for k, want := range []rune(value) {
			if unicode.IsSpace(want) {
				continue
			}
			line, column := r.src.inside(n, k)
			got := []rune(lines[line-1])[column-1]
			if got != want && got != '\\' {
				t.Fatalf("character %d (%q) of %q is said to be at %d:%d, where %q is in\n%s", k, want, value, line, column, got, written)
			}
		}
	})
}

func TestOffset(t *testing.T) {
	for _, c := range []struct{ line, column, want int }{{1, 0, 0}, {1, 2, 2}, {2, 0, 3}, {3, 1, 7}} {
		if got := offset("é1\nab\n xy", c.line, c.column); got != c.want {
			t.Errorf("%d:%d is %d, want %d", c.line, c.column, got, c.want)
		}
	}
}
