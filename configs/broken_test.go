package configs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

var update = flag.Bool("update", false, "write testdata/*.want anew")

// TestBroken: each testdata/NAME.yaml is refused with the lines of NAME.want.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("found %d broken files (%v), want at least 25", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c, err := Load(file, env("SET", "value", "EMPTY", ""))
			if err == nil {
				for _, s := range c.Sources { // what only the channel's own decoding finds
					if err = s.Block.Decode(&struct {
						Host, Password string
						Folders        []string
					}{}); err != nil {
						break
					}
				}
			}
			var all *Errors
			if !errors.As(err, &all) || !errors.Is(err, desk.ErrInvalid) {
				t.Fatalf("got %v, want *Errors that is desk.ErrInvalid", err)
			}
			got := strings.ReplaceAll(err.Error(), "testdata"+string(filepath.Separator), "") + "\n"
			if strings.Contains(got, "hunter2") || strings.Contains(got, "1234") {
				t.Errorf("a secret is repeated:\n%s", got)
			}
			want := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(data) {
				t.Errorf("got\n%s\nwant\n%s", got, data)
			}
			if !slices.IsSortedFunc(all.Problems, func(a, b Problem) int {
				if a.Line != b.Line {
					return a.Line - b.Line
				}
				return a.Column - b.Column
			}) {
				t.Error("the problems are not in the order of the file")
			}
		})
	}
}
