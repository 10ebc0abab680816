package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"switchboard/pipeline/desk"
)

// Remove removes the bytes of a reference; that they are not there is no error.
// The caller must know that nobody else refers to the same bytes: it serves for
// those that are like no other, such as a canary's.
func (b *Blobs) Remove(ctx context.Context, ref desk.BlobRef) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !ref.Valid() {
		return fmt.Errorf("blob: remove: not a digest: %w", desk.ErrNotFound)
	}
	if err := b.root.Remove(path(ref.Digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: remove: %w", err)
	}
	return nil
}
