package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"switchboard/pipeline/desk"
)

// Walk calls fn for each blob, ordered by digest, with the time it was last put.
// Blobs that come or go meanwhile may or may not be seen. An error of fn ends the
// walk and comes back as it is.
func (b *Blobs) Walk(ctx context.Context, fn func(ref desk.BlobRef, put time.Time) error) error {
	tops, err := b.list(".")
	if err != nil {
		return fmt.Errorf("blob: walk: %w", err)
	}
	for _, top := range tops {
		if !top.IsDir() || len(top.Name()) != 2 {
			continue
		}
		lows, err := b.list(top.Name())
		if err != nil {
			return fmt.Errorf("blob: walk: %w", err)
		}
		for _, low := range lows {
			if !low.IsDir() || len(low.Name()) != 2 {
				continue
			}
			if err := b.walk(ctx, top.Name()+"/"+low.Name(), fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk goes through one of the lowest folders.
func (b *Blobs) walk(ctx context.Context, dir string, fn func(ref desk.BlobRef, put time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	files, err := b.list(dir)
	if err != nil {
		return fmt.Errorf("blob: walk: %w", err)
	}
	for _, f := range files {
		ref := desk.BlobRef{Digest: f.Name()}
		if !ref.Valid() || path(ref.Digest) != dir+"/"+ref.Digest {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) { // gone since
			continue
		}
		if err != nil {
			return fmt.Errorf("blob: walk: %w", err)
		}
		ref.Size = info.Size()
		if err := fn(ref, info.ModTime()); err != nil {
			return err
		}
	}
	return nil
}

// list is a folder's entries in the order of their names; a folder that is gone
// has none.
func (b *Blobs) list(dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(b.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
