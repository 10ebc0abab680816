// Package blob keeps bytes - raw messages, HTML bodies, attachments - in files
// named by the SHA-256 of their content.
//
// What goes in: an io.Reader. What comes out: a [desk.BlobRef], and later a
// reader of the same bytes.
//
// What it promises: Put returns only when the bytes and their name are on disk;
// the same bytes are kept once; what is under a name never changes, whatever
// crashes when. No path outside the folder is ever touched (os.Root). All
// methods are safe for concurrent use by any number of goroutines and processes
// on one folder.
//
// What it may not know: what the bytes mean, who refers to them, any database.
//
// To keep bytes elsewhere (an object store): a type with Put, Open and OpenSeeker,
// in a folder of its own; [channels.Blobs] is all that channels see, and the API
// sees OpenSeeker.
package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// DefaultMax is the most bytes a blob has unless [Options] say otherwise.
const DefaultMax = 100 << 20

// Options says how blobs are kept; the zero value is useful.
type Options struct {
	MaxBytes int64 // the most bytes a blob may have; 0 means DefaultMax
	// Elsewhere is asked for what is not in the folder: bytes small enough to be
	// kept in the books. Nil: nowhere.
	Elsewhere func(ctx context.Context, digest string) ([]byte, bool, error)
}

// leftover is the age from which a temporary file is rubbish: no Put takes as
// long.
const leftover = time.Hour

// tempDir holds files that are being written. It is on the same file system, so
// that a rename is atomic.
const tempDir = "tmp"

// Blobs is a folder of blobs. Make one with [Open].
type Blobs struct {
	root *os.Root
	max  int64
	away func(ctx context.Context, digest string) ([]byte, bool, error)
	// safe holds the folders whose own names this process has seen on disk.
	safe sync.Map
}

// Open opens a folder of blobs, making it when it is not there, and removes
// what crashed writers left in it more than an hour ago.
func Open(dir string, o Options) (*Blobs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob: open: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: open: %w", err)
	}
	b := &Blobs{root: root, max: o.MaxBytes, away: o.Elsewhere}
	if b.max <= 0 {
		b.max = DefaultMax
	}
	if err := mkdir(root, tempDir); err != nil {
		root.Close()
		return nil, fmt.Errorf("blob: open: %w", err)
	}
	if err := b.clean(time.Now().Add(-leftover)); err != nil {
		root.Close()
		return nil, fmt.Errorf("blob: open: %w", err)
	}
	return b, nil
}

// Close lets go of the folder. Readers that are open stay so.
func (b *Blobs) Close() error { return b.root.Close() }

// clean removes temporary files not written to since an instant.
func (b *Blobs) clean(before time.Time) error {
	entries, err := fs.ReadDir(b.root.FS(), tempDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		if !strings.HasPrefix(e.Name(), removing) && !info.ModTime().Before(before) {
			continue
		}
		if restored, err := b.restore(e.Name()); err != nil {
			return err
		} else if restored {
			continue
		}
		if err := b.root.Remove(tempDir + "/" + e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Put reads r to its end and keeps the bytes, on disk when it returns. Bytes
// that are there already are not written again, only made young: see
// [Blobs.RemoveOld]. More than the maximum is a
// *desk.Invalid (errors.Is desk.ErrInvalid) and leaves nothing behind, as does
// every other error.
func (b *Blobs) Put(ctx context.Context, r io.Reader) (desk.BlobRef, error) {
	ref, err := b.put(ctx, r)
	if err != nil {
		return desk.BlobRef{}, fmt.Errorf("blob: put: %w", err)
	}
	return ref, nil
}

func (b *Blobs) put(ctx context.Context, r io.Reader) (ref desk.BlobRef, err error) {
	temp := tempDir + "/" + rand.Text()
	f, err := b.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return ref, err
	}
	kept := false
	defer func() {
		f.Close()
		if !kept {
			b.root.Remove(temp)
		}
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(&reader{ctx, r}, b.max+1))
	if err != nil {
		return ref, err
	}
	if n > b.max {
		return ref, desk.Invalidf("", "is larger than %d bytes", b.max)
	}
	ref = desk.BlobRef{Digest: hex.EncodeToString(h.Sum(nil)), Size: n}
	name := path(ref.Digest)
	if info, err := b.root.Stat(name); err == nil && info.Size() == n {
		if there, err := b.young(name); there || err != nil {
			return ref, errors.Join(err, b.syncDirs(name)) // whoever wrote it may not have come to that yet
		}
	}
	if err := f.Sync(); err != nil {
		return ref, err
	}
	if err := f.Close(); err != nil {
		return ref, err
	}
	if err := b.mkdirs(name); err != nil {
		return ref, err
	}
	if err := b.root.Rename(temp, name); err != nil {
		return ref, err
	}
	kept = true
	return ref, b.syncDirs(name)
}

// Open returns the bytes of a reference. A reference that is not one, or names
// bytes that are not there, is desk.ErrNotFound. The caller closes the reader.
func (b *Blobs) Open(ctx context.Context, ref desk.BlobRef) (io.ReadCloser, error) {
	return b.OpenSeeker(ctx, ref)
}

// OpenSeeker is Open for who may begin anywhere in the bytes.
func (b *Blobs) OpenSeeker(ctx context.Context, ref desk.BlobRef) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !ref.Valid() {
		return nil, fmt.Errorf("blob: open: not a digest: %w", desk.ErrNotFound)
	}
	f, err := b.root.Open(path(ref.Digest))
	if errors.Is(err, fs.ErrNotExist) && b.away != nil {
		kept, ok, err := b.away(ctx, ref.Digest)
		if err != nil {
			return nil, fmt.Errorf("blob: open: %w", err)
		}
		if ok {
			return memory{bytes.NewReader(kept)}, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob: open: %w", desk.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("blob: open: %w", err)
	}
	return f, nil
}

// memory is bytes that were kept elsewhere; there is nothing to close.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// Has reports whether the bytes of a reference are there.
func (b *Blobs) Has(ctx context.Context, ref desk.BlobRef) (bool, error) {
	f, err := b.Open(ctx, ref)
	if errors.Is(err, desk.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// path is where a digest's bytes are: two levels of folders, so that none grows
// large.
func path(digest string) string {
	return strings.Join([]string{digest[:2], digest[2:4], digest}, "/")
}

// reader stops when its context is done.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
