package blob

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// mkdir makes a folder unless it is there.
func mkdir(root *os.Root, name string) error {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// mkdirs makes the two folders above a blob.
func (b *Blobs) mkdirs(name string) error {
	parts := strings.Split(name, "/")
	if err := mkdir(b.root, parts[0]); err != nil {
		return err
	}
	return mkdir(b.root, parts[0]+"/"+parts[1])
}

// syncDirs writes the folders above a blob to disk, the lowest first: a file
// whose name is not on disk is lost with the power. The lowest holds the new
// name; those above it change only when a folder is new, and who made it may
// have been cut off, so each process makes sure once.
func (b *Blobs) syncDirs(name string) error {
	parts := strings.Split(name, "/")
	top, low := parts[0], parts[0]+"/"+parts[1]
	if err := b.syncDir(low); err != nil {
		return err
	}
	for _, d := range []struct{ dir, parent string }{{low, top}, {top, "."}} {
		if _, ok := b.safe.Load(d.dir); ok {
			continue
		}
		if err := b.syncDir(d.parent); err != nil {
			return err
		}
		b.safe.Store(d.dir, nil)
	}
	return nil
}

func (b *Blobs) syncDir(dir string) error {
	f, err := b.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
