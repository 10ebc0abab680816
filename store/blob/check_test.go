package blob

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheckAndFree(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, tempDir)); err != nil || len(left) > 0 {
		t.Errorf("the check left %d files (%v)", len(left), err)
	}
	if free, total, err := b.Free(); err != nil || free == 0 || free > total {
		t.Errorf("free %d of %d: %v", free, total, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, tempDir)); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(); err == nil {
		t.Error("a folder that is gone passes the check")
	}
}
