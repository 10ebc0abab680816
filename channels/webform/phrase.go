package webform

import (
	"fmt"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// phrase is a text people read, by language. A compiled one has every language
// of its form.
type phrase map[string]string

// maxPhrase bounds a text of the config, in bytes.
const maxPhrase = 10_000

// phraseOf reads what a config says: one text for all languages, or a mapping.
// A language it leaves out has the text of the form's first. Nil is an empty
// phrase.
func phraseOf(v any, langs []string) (phrase, error) {
	out := phrase{}
	switch x := v.(type) {
	case nil:
		return out, nil
	case string:
		for _, l := range langs {
			out[l] = clip(x)
		}
	case map[string]any:
		for l, t := range x {
			s, ok := t.(string)
			if !ok {
				return nil, fmt.Errorf("must have a text for %q", l)
			}
			if !slices.Contains(langs, l) {
				return nil, fmt.Errorf("has a text for %q, which is not one of the form's languages %v", l, langs)
			}
			out[l] = clip(s)
		}
		first, ok := out[langs[0]]
		if !ok {
			return nil, fmt.Errorf("lacks a text in %q, the form's first language", langs[0])
		}
		for _, l := range langs {
			if _, ok := out[l]; !ok {
				out[l] = first
			}
		}
	default:
		return nil, fmt.Errorf("must be a text, or a text for each language")
	}
	return out, nil
}

func clip(s string) string { return strings.TrimSpace(desk.Cut(s, maxPhrase)) }

// paragraphs cuts a text at its blank lines.
func paragraphs(s string) []string {
	var out []string
	for p := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
