package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// removing begins the name, in the folder of temporary files, of a blob that is
// being removed; its digest follows, and what makes it this remover's alone. One
// that is found there when a folder is opened was left by a process that died: it
// is put back, for it may have been put again meanwhile.
const removing = "removing-"

// asideOf is a name for a blob that is being removed, which no other remover has.
func asideOf(digest string) string { return tempDir + "/" + removing + digest + "-" + rand.Text() }

// RemoveOld takes a blob away that was last put before an instant, and reports
// whether it did. It is safe beside any number of Puts of the same bytes: a Put
// that finds them makes them young, and one that does not writes them anew. A blob
// turns out young after it was moved aside is moved back.
func (b *Blobs) RemoveOld(ctx context.Context, ref desk.BlobRef, before time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if !ref.Valid() {
		return false, nil
	}
	gone, err := b.removeOld(path(ref.Digest), asideOf(ref.Digest), before)
	if err != nil {
		return false, fmt.Errorf("blob: remove: %w", err)
	}
	return gone, nil
}

func (b *Blobs) removeOld(name, aside string, before time.Time) (bool, error) {
	info, err := b.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := b.root.Rename(name, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	// Who put it between our look and our move has made it young.
	if info, err = b.root.Stat(aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // who opened the folder meanwhile put it back
			return false, nil
		}
		return false, err
	}
	if !info.ModTime().Before(before) {
		return false, b.putBack(name, aside)
	}
	if err := b.root.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// putBack moves a blob back that was moved aside, unless somebody else did. The
// same bytes may be there again by now, and younger: what is put back counts as put
// now, so that they grow no older.
func (b *Blobs) putBack(name, aside string) error {
	if err := b.mkdirs(name); err != nil {
		return err
	}
	now := time.Now()
	err := b.root.Chtimes(aside, now, now)
	if err == nil {
		err = b.root.Rename(aside, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.syncDirs(name)
}

// restore puts back what a process that died was removing. An older version's
// name ends with the digest.
func (b *Blobs) restore(temp string) (bool, error) {
	rest, ok := strings.CutPrefix(temp, removing)
	digest, _, _ := strings.Cut(rest, "-")
	if !ok || !(desk.BlobRef{Digest: digest}).Valid() {
		return false, nil
	}
	return true, b.putBack(path(digest), tempDir+"/"+temp)
}

// young makes a blob that is there as young as one that was just put, and reports
// whether it is still there.
func (b *Blobs) young(name string) (bool, error) {
	now := time.Now()
	err := b.root.Chtimes(name, now, now)
	if err == nil { // it may have been moved aside in the middle of that
		_, err = b.root.Stat(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
