package blob

import (
	"crypto/rand"
	"fmt"
	"os"
)

// Check writes a few bytes and removes them again: whether blobs could be kept
// now. A full disk, a folder that is gone and a file system that became
// read-only are errors.
func (b *Blobs) Check() error {
	name := tempDir + "/check-" + rand.Text()
	f, err := b.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("blob: check: %w", err)
	}
	defer b.root.Remove(name)
	_, err = f.Write(make([]byte, 4096))
	if bad := f.Close(); err == nil {
		err = bad
	}
	if err != nil {
		return fmt.Errorf("blob: check: %w", err)
	}
	return nil
}
