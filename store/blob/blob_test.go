package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"switchboard/pipeline/desk"
	"switchboard/store/blob"
)

func open(t *testing.T, o blob.Options) (*blob.Blobs, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blobs")
	b, err := blob.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, dir
}

// files lists everything under a folder that is not a folder.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBytesComeBackUnderTheirDigest(t *testing.T) {
	b, _ := open(t, blob.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")
		ref, err := b.Put(t.Context(), iotest.OneByteReader(bytes.NewReader(want)))
		if err != nil {
			rt.Fatal(err)
		}
		sum := sha256.Sum256(want)
		if ref.Digest != hex.EncodeToString(sum[:]) || ref.Size != int64(len(want)) {
			rt.Fatalf("reference %+v", ref)
		}
		r, err := b.Open(t.Context(), ref)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("got %q, %v; want %q", got, err, want)
		}
	})
}

func TestSameBytesAreKeptOnce(t *testing.T) {
	b, dir := open(t, blob.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, text := range []string{"one", "two", "one"} {
				if _, err := b.Put(t.Context(), strings.NewReader(text)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := files(t, dir); len(got) != 2 {
		t.Errorf("files: %v", got)
	}
}

func TestBytesThatAreThereAreNotWrittenAgain(t *testing.T) {
	b, dir := open(t, blob.Options{})
	ref, err := b.Put(t.Context(), strings.NewReader("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(name, old, old); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), strings.NewReader("bytes")); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(name)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("written again: %v", err)
	}
	if err == nil && !after.ModTime().After(old) {
		t.Error("it is as old as before: it might be removed as nobody's")
	}
}

// A file cut short by a crash of the machine is put right by the next Put.
func TestAFileOfTheWrongSizeIsReplaced(t *testing.T) {
	b, dir := open(t, blob.Options{})
	ref, err := b.Put(t.Context(), strings.NewReader("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest)
	if err := os.Truncate(name, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), strings.NewReader("bytes")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "bytes" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNothingIsLeftOfAPutThatFails(t *testing.T) {
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		want error
	}{
		"too large":     {t.Context(), strings.NewReader("0123456789a"), desk.ErrInvalid},
		"reader breaks": {t.Context(), io.MultiReader(strings.NewReader("01"), iotest.ErrReader(broken)), broken},
		"cancelled":     {cancelled, strings.NewReader("01"), context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := open(t, blob.Options{MaxBytes: 10})
			ref, err := b.Put(c.ctx, c.r)
			if !errors.Is(err, c.want) || !ref.IsZero() {
				t.Errorf("got %+v, %v; want %v", ref, err, c.want)
			}
			if got := files(t, dir); len(got) != 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
	b, _ := open(t, blob.Options{MaxBytes: 10})
	if _, err := b.Put(t.Context(), strings.NewReader("0123456789")); err != nil {
		t.Errorf("exactly the maximum: %v", err)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	b, dir := open(t, blob.Options{})
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, digest := range []string{"", "secret", "../secret", strings.Repeat("../", 22)[:64], strings.Repeat("A", 64), strings.Repeat("0", 64)} {
		ref := desk.BlobRef{Digest: digest}
		if _, err := b.Open(t.Context(), ref); !errors.Is(err, desk.ErrNotFound) {
			t.Errorf("%q: %v", digest, err)
		}
		if ok, err := b.Has(t.Context(), ref); ok || err != nil {
			t.Errorf("%q: has %v, %v", digest, ok, err)
		}
	}
	ref, err := b.Put(t.Context(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := b.Has(t.Context(), ref); !ok || err != nil {
		t.Errorf("has %v, %v", ok, err)
	}
}

func TestOldLeftoversAreRemovedOnOpen(t *testing.T) {
	b, dir := open(t, blob.Options{})
	if _, err := b.Put(t.Context(), strings.NewReader("kept")); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 61 * time.Minute, "young": 30 * time.Minute} {
		path := filepath.Join(dir, "tmp", name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	again, err := blob.Open(dir, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	got := files(t, dir)
	if len(got) != 2 || !strings.Contains(strings.Join(got, " "), "tmp/young") {
		t.Errorf("files: %v", got)
	}
}

// What is not in the folder may be kept elsewhere; what is in it comes first.
func TestElsewhere(t *testing.T) {
	small := desk.Keep([]byte("small"))
	var down error
	b, _ := open(t, blob.Options{Elsewhere: func(_ context.Context, digest string) ([]byte, bool, error) {
		return small.Bytes, digest == small.Ref.Digest, down
	}})
	read := func(ref desk.BlobRef) (string, error) {
		r, err := b.Open(t.Context(), ref)
		if err != nil {
			return "", err
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		return string(got), err
	}
	if got, err := read(small.Ref); got != "small" || err != nil {
		t.Errorf("elsewhere: %q, %v", got, err)
	}
	if _, err := read(desk.Keep([]byte("nowhere")).Ref); !errors.Is(err, desk.ErrNotFound) {
		t.Errorf("nowhere: %v", err)
	}
	down = errors.New("the books are away")
	if _, err := read(small.Ref); !errors.Is(err, down) {
		t.Errorf("away: %v", err)
	}
	file, err := b.Put(t.Context(), strings.NewReader("in a file"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(file); got != "in a file" || err != nil {
		t.Errorf("a file: %q, %v", got, err)
	}
}
