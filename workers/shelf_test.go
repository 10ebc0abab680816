package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

func recordedAsIs(r *desk.Receipt) (desk.Receipt, bool) { return *r, true }

func shelvedReceipts(n int, text string) (rs []desk.Receipt, ids []desk.ReceiptID) {
	for k := range n {
		d := mail(fmt.Sprint(k), "a@b.example", "x")
		d.Text = text
		r := desk.NewReceipt(d, time.Unix(int64(k), 0))
		rs, ids = append(rs, r), append(ids, r.ID)
	}
	return rs, ids
}

func TestTheShelfGivesEachReceiptOnce(t *testing.T) {
	s := &shelf{most: 1 << 20, recorded: recordedAsIs}
	rs, ids := shelvedReceipts(3, "x")
	s.put(rs, ids)
	if found, rest := s.take(ids); len(found) != 0 || !slices.Equal(rest, ids) {
		t.Fatalf("nobody takes from the shelf, and it holds %v", found)
	}
	closed := s.opened()
	answered := slices.Clone(ids)
	answered[1] = "the first of this message"
	s.put(rs, answered)
	found, rest := s.take(ids)
	if len(found) != 2 || found[0].ID != ids[0] || found[1].ID != ids[2] || !slices.Equal(rest, ids[1:2]) {
		t.Errorf("found %v, rest %v; want the first and the third, the second was a repetition", found, rest)
	}
	if found, rest := s.take(ids); len(found) != 0 || len(rest) != 3 || s.bytes != 0 {
		t.Errorf("taken twice: %v; %d bytes are left", found, s.bytes)
	}
	s.put(rs, ids)
	closed()
	if found, _ := s.take(ids); len(found) != 0 || s.bytes != 0 {
		t.Errorf("a shelf that was closed holds %v", found)
	}
}

func TestTheShelfIsBounded(t *testing.T) {
	rs, ids := shelvedReceipts(5000, strings.Repeat("x", 1000))
	each := weigh(rs[0].Draft)
	s := &shelf{most: 10 * each, recorded: recordedAsIs}
	defer s.opened()()
	s.put(rs, ids)
	if len(s.at) != 10 || s.bytes != 10*each || len(s.order) > 2000 {
		t.Errorf("%d receipts, %d bytes, %d IDs; want 10 receipts of %d", len(s.at), s.bytes, len(s.order), each)
	}
	found, rest := s.take(ids[4980:])
	if len(found) != 10 || found[0].ID != ids[4990] || len(rest) != 10 {
		t.Errorf("%d found from %s on, want the last 10", len(found), found[0].ID)
	}
	// What came within seconds of the first finds no room.
	at := rs[0].AcceptedAt
	for n := range rs[:20] {
		rs[n].AcceptedAt = at.Add(time.Duration(n) * time.Millisecond)
	}
	s.put(rs[:20], ids[:20])
	if found, rest := s.take(ids[:20]); len(found) != 10 || !slices.Equal(rest, ids[10:20]) || s.bytes != 0 {
		t.Errorf("%d found and %d bytes left, want the first ten: what stands there is wanted first", len(found), s.bytes)
	}
	// One that nobody takes keeps the others' IDs from piling up.
	s.put(rs[:1], ids[:1])
	for n := range rs[1:] {
		s.put(rs[n+1:n+2], ids[n+1:n+2])
		s.take(ids[n+1 : n+2])
	}
	if len(s.at) != 1 || s.bytes != each || len(s.order) > 2000 {
		t.Errorf("%d receipts, %d bytes, %d IDs; want one", len(s.at), s.bytes, len(s.order))
	}
	big, id := shelvedReceipts(1, strings.Repeat("x", int(s.most)))
	if s.put(big, id); s.at[id[0]].bytes != 0 || len(s.at) != 1 {
		t.Error("what is larger than the shelf pushed others off")
	}
	off := &shelf{recorded: recordedAsIs}
	defer off.opened()()
	if off.put(rs, ids); len(off.at) != 0 {
		t.Error("a shelf of size 0 holds something")
	}
}

func TestTheShelfIsForManyAtOnce(t *testing.T) {
	s := &shelf{most: 100 << 10, recorded: recordedAsIs}
	defer s.opened()()
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := map[desk.ReceiptID]int{}
	for range 4 {
		all.Go(func() {
			rs, ids := shelvedReceipts(500, "x")
			for n := 0; n < len(rs); n += 10 {
				s.put(rs[n:n+10], ids[n:n+10])
				for range 2 {
					all.Go(func() {
						found, _ := s.take(ids[n : n+10])
						mu.Lock()
						defer mu.Unlock()
						for _, r := range found {
							taken[r.ID]++
						}
					})
				}
			}
		})
	}
	all.Wait()
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	if len(taken) == 0 {
		t.Error("nothing was taken")
	}
}

// asked is a store that remembers for which receipts it was asked.
type asked struct {
	*watched
	ids []desk.ReceiptID
}

func (a *asked) Unsettled(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error) {
	a.ids = append(a.ids, ids...)
	return a.Store.Unsettled(ctx, ids)
}

func TestOnlyTheFirstTaskOfAReceiptTakesFromTheShelf(t *testing.T) {
	w := openBooks(t)
	i, a := intake(t, w, nil), &asked{watched: w}
	i.books = a
	defer i.shelf.opened()()
	accept := func(id string) []desk.ReceiptID {
		ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail(id, id+"@b.example", "x")})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	run := func(task task) error { return i.gather(t.Context(), Normal, task) }

	first := accept("first")
	if again := accept("first"); again[0] != first[0] || len(i.shelf.at) != 1 {
		t.Errorf("%d on the shelf after a repetition, want one", len(i.shelf.at))
	}
	if err := run(task{Receipts: first, Fresh: true}); err != nil || len(a.ids) != 0 {
		t.Errorf("the ledger was asked for %v, %v", a.ids, err)
	}
	if err := run(task{Receipts: first, Fresh: true}); err != nil || !slices.Equal(a.ids, first) {
		t.Errorf("the same task again asked the ledger for %v, want %v; %v", a.ids, first, err)
	}

	// Trouble: the next try sees what the ledger says.
	a.ids = nil
	broken := errors.New("broken")
	w.breakWith(func([]*desk.Filing) error { return broken })
	second := accept("second")
	if err := run(task{Receipts: second, Fresh: true}); err != nil || len(a.ids) != 0 {
		t.Errorf("the ledger was asked for %v, %v", a.ids, err)
	}
	w.breakWith(nil)
	if r, err := w.Receipt(t.Context(), second[0]); err != nil || r.Attempts != 1 || r.State != desk.Accepted {
		t.Errorf("%v after %d attempts, %v", r.State, r.Attempts, err)
	}
	if err := run(task{Receipts: second}); err != nil || !slices.Equal(a.ids, second) {
		t.Errorf("a task of the sweep asked the ledger for %v, want %v; %v", a.ids, second, err)
	}

	// Somebody else settled it while it stood on the shelf.
	third := accept("third")
	if err := w.Fail(t.Context(), third[0], "by hand", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := run(task{Receipts: third, Fresh: true}); err != nil {
		t.Error(err)
	}
	if r, err := w.Receipt(t.Context(), third[0]); err != nil || r.State != desk.Failed || r.Reason != "by hand" {
		t.Errorf("%v %q, %v", r.State, r.Reason, err)
	}

	// What is not fresh leaves the shelf alone and sees the ledger.
	fourth := accept("fourth")
	if err := w.Fail(t.Context(), fourth[0], "by hand", time.Now()); err != nil {
		t.Fatal(err)
	}
	a.ids = nil
	if err := i.Process(t.Context(), fourth); err != nil || !slices.Equal(a.ids, fourth) {
		t.Errorf("the ledger was asked for %v, want %v; %v", a.ids, fourth, err)
	}
	if tickets, messages := everything(t, w); tickets != 2 || messages != 2 {
		t.Errorf("%d tickets with %d messages, want two with one each", tickets, messages)
	}
}
