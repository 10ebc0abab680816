package blob

import (
	"errors"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

func TestRemove(t *testing.T) {
	b, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ref, err := b.Put(t.Context(), strings.NewReader("one of its kind"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := b.Remove(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if there, err := b.Has(t.Context(), ref); there || err != nil {
			t.Errorf("there %v, %v", there, err)
		}
	}
	if err := b.Remove(t.Context(), desk.BlobRef{Digest: "../../etc"}); !errors.Is(err, desk.ErrNotFound) {
		t.Errorf("a path is taken for a digest: %v", err)
	}
	if again, err := b.Put(t.Context(), strings.NewReader("one of its kind")); err != nil || again != ref {
		t.Errorf("put again: %v %v", again, err)
	}
}
