package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

func (h *house) acquire(name, holder string) (int64, bool) {
	h.Helper()
	token, ok, err := h.s.Acquire(h.ctx, name, holder, h.now, time.Minute)
	h.must(err)
	return token, ok
}

func leaseHasOneHolder(h *house) {
	one, ok := h.acquire("inbox", "one")
	if !ok {
		h.Fatal("free lease refused")
	}
	if _, ok := h.acquire("inbox", "two"); ok {
		h.Fatal("held lease given away")
	}
	if token, ok := h.acquire("inbox", "one"); !ok || token != one {
		h.Fatalf("renewed: %v, token %d, was %d", ok, token, one)
	}
	if _, ok := h.acquire("other", "two"); !ok {
		h.Fatal("leases are not apart")
	}
	h.now = h.now.Add(time.Minute)
	two, ok := h.acquire("inbox", "two")
	if !ok || two <= one {
		h.Fatalf("ended lease: %v, token %d after %d", ok, two, one)
	}
	h.must(h.s.Release(h.ctx, "inbox", "one")) // not theirs any more
	if _, ok := h.acquire("inbox", "one"); ok {
		h.Fatal("somebody else's lease was released")
	}
	h.must(h.s.Release(h.ctx, "inbox", "two"))
	three, ok := h.acquire("inbox", "one")
	if !ok || three <= two {
		h.Fatalf("released lease: %v, token %d after %d", ok, three, two)
	}
}

func leaseRace(h *house) {
	var won atomic.Int32
	h.atOnce(8, func(i int) error {
		_, ok, err := h.s.Acquire(h.ctx, "inbox", string(rune('a'+i)), h.now, time.Minute)
		if ok {
			won.Add(1)
		}
		return err
	})
	h.equal("holders", won.Load(), 1)
}

// cursor is how far INBOX was read under a token.
func cursor(token int64, validity, uid uint32) *desk.Cursor {
	return &desk.Cursor{Source: "mail", Folder: "INBOX", UIDValidity: validity, LastUID: uid, Lease: "inbox", Token: token}
}

func (h *house) lastUID() (validity, uid uint32) {
	h.Helper()
	c, err := h.s.Cursor(h.ctx, "mail", "INBOX")
	h.must(err)
	return c.UIDValidity, c.LastUID
}

func cursorMovesWithReceipts(h *house) {
	token, _ := h.acquire("inbox", "one")
	if v, uid := h.lastUID(); v != 0 || uid != 0 {
		h.Fatal("never read is not zero")
	}
	ids, err := h.s.Accept(h.ctx, cursor(token, 7, 42), []desk.Receipt{desk.NewReceipt(h.draft("a"), h.now)})
	h.must(err)
	h.receipt(ids[0])
	if v, uid := h.lastUID(); v != 7 || uid != 42 {
		h.Fatalf("cursor %d %d", v, uid)
	}
	bad := h.draft("b")
	bad.Thread.Address = []byte("{broken")
	_, err = h.s.Accept(h.ctx, cursor(token, 7, 43), []desk.Receipt{desk.NewReceipt(bad, h.now)})
	if err == nil || !desk.IsPermanent(err) {
		h.Fatalf("broken JSON: %v", err)
	}
	if _, uid := h.lastUID(); uid != 42 {
		h.Fatalf("the cursor moved to %d without its receipt", uid)
	}
	_, err = h.s.Accept(h.ctx, cursor(token, 7, 44), nil) // a folder may hold nothing for us
	h.must(err)
	if _, uid := h.lastUID(); uid != 44 {
		h.Fatalf("cursor alone: %d", uid)
	}
}

func lostLease(h *house) {
	old, _ := h.acquire("inbox", "one")
	h.now = h.now.Add(time.Hour)
	fresh, _ := h.acquire("inbox", "two")
	for name, c := range map[string]*desk.Cursor{
		"an older token":   cursor(old, 7, 99),
		"a future token":   cursor(fresh+1, 7, 99),
		"an unknown lease": {Source: "mail", Folder: "INBOX", UIDValidity: 7, LastUID: 99, Lease: "unknown", Token: 1},
	} {
		_, err := h.s.Accept(h.ctx, c, []desk.Receipt{desk.NewReceipt(h.draft(name), h.now)})
		h.refused(err, desk.ErrLeaseLost)
	}
	if _, ok, err := h.s.ReceiptOf(h.ctx, "mail", "an older token"); ok || err != nil {
		h.Fatal("the receipt of a lost lease was written", err)
	}
	if _, uid := h.lastUID(); uid != 0 {
		h.Fatalf("a lost lease moved the cursor to %d", uid)
	}
	_, err := h.s.Accept(h.ctx, cursor(fresh, 7, 1), []desk.Receipt{desk.NewReceipt(h.draft("a"), h.now)})
	h.must(err)
	h.must(h.s.Release(h.ctx, "inbox", "two"))
	_, err = h.s.Accept(h.ctx, cursor(fresh, 7, 2), nil)
	h.refused(err, desk.ErrLeaseLost)
}

func cursorMovesForward(h *house) {
	token, _ := h.acquire("inbox", "one")
	for _, step := range []struct{ validity, uid, wantValidity, want uint32 }{
		{7, 10, 7, 10}, {7, 5, 7, 10}, {7, 11, 7, 11}, {8, 3, 8, 3}, {8, 4_294_967_295, 8, 4_294_967_295},
	} {
		_, err := h.s.Accept(h.ctx, cursor(token, step.validity, step.uid), nil)
		h.must(err)
		if v, uid := h.lastUID(); v != step.wantValidity || uid != step.want {
			h.Fatalf("after %+v: %d %d", step, v, uid)
		}
	}
}

// An accept that began under a lease either ends before the lease is taken over
// or is refused: the new holder reads a cursor that nobody moves any more.
func fencedForGood(h *house) {
	const rounds = 20
	token, _ := h.acquire("inbox", "0")
	uid := uint32(0)
	for round := range rounds {
		h.now = h.now.Add(time.Hour)
		var fresh int64
		var read desk.Cursor
		h.atOnce(3, func(i int) error {
			if i == 0 {
				var ok bool
				var err error
				if fresh, ok, err = h.s.Acquire(h.ctx, "inbox", fmt.Sprint(round+1), h.now, time.Minute); err != nil || !ok {
					return fmt.Errorf("acquire: %v, %w", ok, err)
				}
				read, err = h.s.Cursor(h.ctx, "mail", "INBOX")
				return err
			}
			for k := range uint32(50) {
				r := desk.NewReceipt(h.draft(fmt.Sprint(round, "-", i, "-", k)), h.now)
				_, err := h.s.Accept(h.ctx, cursor(token, 7, uid+k+1), []desk.Receipt{r})
				if errors.Is(err, desk.ErrLeaseLost) {
					return nil
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		now, err := h.s.Cursor(h.ctx, "mail", "INBOX")
		h.must(err)
		h.equal("cursor", now, read)
		token, uid = fresh, now.LastUID
	}
}

// oneClock: the books tell the time, which goes on.
func oneClock(h *house) {
	first, err := h.s.Clock(h.ctx)
	h.must(err)
	second, err := h.s.Clock(h.ctx)
	h.must(err)
	if second.Before(first) || time.Until(first).Abs() > time.Minute {
		h.Fatalf("the books say it is %s, then %s; it is %s", first, second, time.Now())
	}
	h.equal("whose clock", h.s.HasClock(), h.s.Dialect() == store.Postgres)
}
