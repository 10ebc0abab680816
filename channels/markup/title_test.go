package markup

import (
	"strings"
	"testing"
)

func TestTitle(t *testing.T) {
	for text, want := range map[string]string{
		"The printer is **dead**\n\nsince *noon*":    "The printer is dead",
		"\n \n```\n[panic](https://example.com) `x`": "panic <https://example.com> x",
		"\n\n# Help\nnow":                            "Help",
		"":                                           "",
		"in #room-5":                                 "in #room-5",
		strings.Repeat("ü", 300):                     strings.Repeat("ü", MaxTitle),
		"**" + strings.Repeat("ab ", 100) + "x** and y": strings.TrimSpace(strings.Repeat("ab ", 67)[:MaxTitle]),
	} {
		if got := Title(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
