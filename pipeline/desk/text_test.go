package desk

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		"nul\x00inside":    "nulinside",
		"bad\xffbyte":      "bad\uFFFDbyte",
		"emoji \U0001F600": "emoji \U0001F600",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	v := CleanAll(map[string]any{"k\x00": []any{"v\x00", 1.0}}).(map[string]any)
	if v["k"].([]any)[0] != "v" {
		t.Errorf("CleanAll: %v", v)
	}
}

func TestCutKeepsRunesWhole(t *testing.T) {
	for n := range 10 {
		if got := Cut("aäöü€", n); !utf8.ValidString(got) || len(got) > n {
			t.Errorf("Cut to %d: %q", n, got)
		}
	}
}

func TestFingerprintTellsListsApart(t *testing.T) {
	if Fingerprint("ab", "c") == Fingerprint("a", "bc") || Fingerprint("a") == Fingerprint("a", "") {
		t.Error("two lists, one fingerprint")
	}
}

func TestIDsAreOrderedAndDistinct(t *testing.T) {
	last := ReceiptID("")
	for range 1000 {
		id := NewID[ReceiptID](monday)
		if id <= last || !IsID(string(id)) || strings.ToUpper(string(id)) != string(id) {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}
