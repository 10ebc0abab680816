package workers

import (
	"context"
	"errors"
	"testing"

	"switchboard/pipeline/desk"
)

// away are books that do not answer for a while.
type away struct {
	*watched
	left int // calls of Survived that get no answer
}

func (a *away) Survived(ctx context.Context, ids []desk.ReceiptID) error {
	if a.left--; a.left >= 0 {
		return desk.ErrUnavailable
	}
	return a.watched.Survived(ctx, ids)
}

// While the books are away nobody dies: a suspect that cannot be filed meanwhile keeps
// the attempts it had, however often it is tried.
func TestBooksThatAreAwayAreNoDeath(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	books := &away{watched: w}
	s := newSuspects(i, books)
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("m", "a@b.example", "help")})
	if err != nil {
		t.Fatal(err)
	}
	w.breakWith(func([]*desk.Filing) error { return desk.ErrUnavailable })
	for range i.set.Attempts + 1 {
		books.left = 1
		if err := s.process(t.Context(), task{Receipts: ids, Deaths: apart}, func() {}); !errors.Is(err, desk.ErrUnavailable) {
			t.Fatalf("the queue is told %v", err)
		}
		if r, err := w.Receipt(t.Context(), ids[0]); err != nil || r.State != desk.Accepted || r.Attempts != 0 {
			t.Fatalf("%s after %d attempts, %v", r.State, r.Attempts, err)
		}
	}
	w.breakWith(nil)
	if err := s.process(t.Context(), task{Receipts: ids, Deaths: apart}, func() {}); err != nil {
		t.Fatal(err)
	}
	if r, err := w.Receipt(t.Context(), ids[0]); err != nil || r.State != desk.Filed {
		t.Errorf("%s, %v", r.State, err)
	}
}
