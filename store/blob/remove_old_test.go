package blob_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store/blob"
)

func TestRemoveOldTakesOnlyWhatIsOld(t *testing.T) {
	b, dir := open(t, blob.Options{})
	ref, err := b.Put(t.Context(), strings.NewReader("bytes"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if gone, err := b.RemoveOld(t.Context(), ref, now.Add(-time.Hour)); gone || err != nil {
		t.Errorf("a young one: %t, %v", gone, err)
	}
	name := filepath.Join(dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest)
	old := now.Add(-2 * time.Hour)
	if err := os.Chtimes(name, old, old); err != nil {
		t.Fatal(err)
	}
	if gone, err := b.RemoveOld(t.Context(), ref, now.Add(-time.Hour)); !gone || err != nil {
		t.Errorf("an old one: %t, %v", gone, err)
	}
	if _, err := b.Open(t.Context(), ref); !errors.Is(err, desk.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	for _, ref := range []desk.BlobRef{ref, {}, {Digest: "../x"}} {
		if gone, err := b.RemoveOld(t.Context(), ref, now); gone || err != nil {
			t.Errorf("%q: %t, %v", ref.Digest, gone, err)
		}
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What was put is there, however many remove the same old bytes at that moment.
func TestPutWinsOverRemove(t *testing.T) {
	b, dir := open(t, blob.Options{})
	for range 300 {
		ref, err := b.Put(t.Context(), strings.NewReader("bytes"))
		if err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest), old, old); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range 4 {
			all.Go(func() {
				<-start
				var err error
				switch i {
				case 0:
					_, err = b.Put(t.Context(), strings.NewReader("bytes"))
				case 1: // a process begins
					var other *blob.Blobs
					if other, err = blob.Open(dir, blob.Options{}); err == nil {
						err = other.Close()
					}
				default:
					_, err = b.RemoveOld(t.Context(), ref, time.Now().Add(-time.Hour))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		all.Wait()
		if ok, err := b.Has(t.Context(), ref); !ok || err != nil {
			t.Fatalf("what was put is gone: %v", err)
		}
	}
}

// A process that dies while it removes a blob leaves it aside; whoever opens the
// folder next puts it back, as young as what was just put: it may have been put
// again meanwhile.
func TestWhatWasBeingRemovedIsPutBack(t *testing.T) {
	for _, again := range []bool{false, true} {
		for _, suffix := range []string{"", "-AB2"} {
			b, dir := open(t, blob.Options{})
			put := func() (ref desk.BlobRef, name string) {
				ref, err := b.Put(t.Context(), strings.NewReader("bytes"))
				if err != nil {
					t.Fatal(err)
				}
				return ref, filepath.Join(dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest)
			}
			ref, name := put()
			old := time.Now().Add(-2 * time.Hour)
			if err := os.Chtimes(name, old, old); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(name, filepath.Join(dir, "tmp", "removing-"+ref.Digest+suffix)); err != nil {
				t.Fatal(err)
			}
			if again {
				put()
			}
			other, err := blob.Open(dir, blob.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if gone, err := b.RemoveOld(t.Context(), ref, time.Now().Add(-time.Hour)); gone || err != nil {
				t.Errorf("put again %t, suffix %q: removed %t, %v", again, suffix, gone, err)
			}
			if ok, err := other.Has(t.Context(), ref); !ok || err != nil {
				t.Errorf("put again %t, suffix %q: it is gone: %v", again, suffix, err)
			}
			if left := files(t, dir); len(left) != 1 {
				t.Errorf("there are %v", left)
			}
		}
	}
}
