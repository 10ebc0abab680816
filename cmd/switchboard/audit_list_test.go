package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A list that grows while it is read ends where it ended, with its last whole line.
func TestAListAsItWas(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "{\"a\":1}\n": "{\"a\":1}\n", "{\"a\":1}\n{\"b\"": "{\"a\":1}\n", "{\"a\":1}\n{\"b\":2}": "{\"a\":1}\n{\"b\":2}", "{\"a\"": "",
	} {
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "list"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		list, err := listNow(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("{\"c\":3}\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(list); err != nil || string(got) != want {
			t.Errorf("of %q is read %q, %v", text, got, err)
		}
	}
}
