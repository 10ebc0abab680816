package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"switchboard/pipeline/match"
)

// docs/conditions.md has every name and function of the language of conditions, and
// its examples are good ones.
func TestConditionsAreDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "conditions.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, m := range regexp.MustCompile("`([A-Za-z.]+)(\\([^`]*\\))?`").FindAllStringSubmatch(line, -1) {
			if m[2] != "" {
				m[1] += "()"
			}
			said[m[1]] = true
		}
	}
	for _, name := range match.Names() {
		if !said[name] {
			t.Errorf("%s is not on the page", name)
		}
	}
	_, block, _ := strings.Cut(string(b), "```\n")
	block, _, _ = strings.Cut(block, "```")
	n := 0
	for line := range strings.Lines(block) {
		if n++; strings.TrimSpace(line) == "" {
			continue
		}
		if _, err := match.Compile(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if n == 0 {
		t.Error("there are no examples")
	}
}
