package markup

import "strings"

// MaxTitle bounds a title, in characters.
const MaxTitle = 200

// Title is the first line of a Markdown text that says something, as plain text
// on one line: what a message that has no subject is titled by.
func Title(md string) string {
	for line := range strings.Lines(md) {
		line = strings.Join(strings.Fields(ToPlain(line)), " ")
		if line == "" {
			continue
		}
		if r := []rune(line); len(r) > MaxTitle {
			line = strings.TrimSpace(string(r[:MaxTitle]))
		}
		return line
	}
	return ""
}
