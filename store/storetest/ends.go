package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

func staleOnce(h *house) {
	var want []desk.ReceiptID
	start := h.now
	for i := range 3 {
		h.now = start.Add(time.Duration(2-i) * time.Minute) // the youngest first
		want = append([]desk.ReceiptID{h.accept(h.draft(fmt.Sprint(i)))[0].ID}, want...)
	}
	h.filed(h.opens(h.receipt(want[1])))
	want = append(want[:1], want[2])
	sweep := func(before, sweptBefore, now time.Time, limit int) []desk.ReceiptID {
		h.Helper()
		ids, err := h.s.Stale(h.ctx, h.draft("").Source, before, sweptBefore, now, limit)
		h.must(err)
		return ids
	}
	later := start.Add(time.Hour)
	h.equal("none is old enough", len(sweep(start, later, later, 10)), 0)
	h.equal("the oldest", sweep(later, later, later, 1), want[:1])
	h.equal("the next", sweep(later, later, later, 10), want[1:])
	h.equal("all are claimed", len(sweep(later, later, later, 10)), 0)
	again := later.Add(time.Minute)
	h.equal("claims run out", sweep(later, again, again, 10), want)
}

func staleRace(h *house) {
	var drafts []*desk.Draft
	for i := range 100 {
		drafts = append(drafts, h.draft(fmt.Sprint(i)))
	}
	h.accept(drafts...)
	later := h.now.Add(time.Hour)
	var mu sync.Mutex
	got := map[desk.ReceiptID]int{}
	h.atOnce(5, func(int) error {
		ids, err := h.s.Stale(h.ctx, h.draft("").Source, later, later, later, 30)
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			got[id]++
		}
		return err
	})
	for id, n := range got {
		if n != 1 {
			h.Errorf("%s was claimed %d times", id, n)
		}
	}
	rest, err := h.s.Stale(h.ctx, h.draft("").Source, later, later, later, 1000)
	h.must(err)
	h.equal("claimed in all", len(got)+len(rest), 100)
}

func troubleCounts(h *house) {
	id := h.accept(h.draft("a"))[0].ID
	for i, want := range []desk.State{desk.Accepted, desk.Accepted, desk.Failed, desk.Failed} {
		state, err := h.s.Trouble(h.ctx, id, 3, fmt.Sprintf("reason %d", i+1), h.now)
		h.must(err)
		h.equal("state", state, want)
	}
	r := h.receipt(id)
	if r.Attempts != 3 || r.Reason != "reason 3" || !r.SettledAt.Equal(h.now) {
		h.Fatalf("got %+v", r)
	}
	_, err := h.s.Trouble(h.ctx, "unknown", 3, "", h.now)
	h.refused(err, desk.ErrNotFound)

	other := h.accept(h.draft("b"))[0].ID
	h.must(h.s.Fail(h.ctx, other, "no\x00 \xffgood", h.now))
	r = h.receipt(other)
	if r.State != desk.Failed || r.Reason != "no \uFFFDgood" {
		h.Fatalf("got %+v", r)
	}
	h.refused(h.s.Fail(h.ctx, other, "again", h.now), desk.ErrSettled)
	h.refused(h.s.Fail(h.ctx, "unknown", "", h.now), desk.ErrNotFound)
}

func reopened(h *house) {
	rs := h.accept(h.draft("failed"), h.draft("held"), h.draft("dropped"), h.draft("filed"), h.draft("waiting"))
	h.must(h.s.Fail(h.ctx, rs[0].ID, "x", h.now))
	h.filed(&desk.Filing{Receipt: rs[1].ID, At: h.now, Verdict: desk.Held, Reason: "h"},
		&desk.Filing{Receipt: rs[2].ID, At: h.now, Verdict: desk.Dropped, Reason: "d"}, h.opens(rs[3]))
	ids, err := h.s.Reopen(h.ctx, desk.ReceiptFilter{State: desk.Held}, h.now)
	h.must(err)
	h.equal("held", ids, []desk.ReceiptID{rs[1].ID})
	ids, err = h.s.Reopen(h.ctx, desk.ReceiptFilter{IDs: []desk.ReceiptID{rs[0].ID, rs[2].ID, rs[3].ID, rs[4].ID}}, h.now)
	h.must(err)
	h.equal("by ID", ids, []desk.ReceiptID{rs[0].ID, rs[2].ID})
	r := h.receipt(rs[0].ID)
	if r.State != desk.Accepted || r.Attempts != 0 || !strings.HasPrefix(r.Reason, "opened again at "+h.now.UTC().Format(time.RFC3339)) || !r.SettledAt.IsZero() {
		h.Fatalf("reopened: %+v", r)
	}
	h.filed(h.opens(r))
	h.equal("filed after all", h.receipt(r.ID).State, desk.Filed)
	ids, err = h.s.Reopen(h.ctx, desk.ReceiptFilter{State: desk.Filed}, h.now)
	h.must(err)
	h.equal("filed ones stay", len(ids), 0)
}

func dismissed(h *house) {
	rs := h.accept(h.draft("failed"), h.draft("held"), h.draft("dropped"), h.draft("filed"), h.draft("waiting"))
	h.must(h.s.Fail(h.ctx, rs[0].ID, "x", h.now))
	h.filed(&desk.Filing{Receipt: rs[1].ID, At: h.now, Verdict: desk.Held, Reason: "h"},
		&desk.Filing{Receipt: rs[2].ID, At: h.now, Verdict: desk.Dropped, Reason: "d"}, h.opens(rs[3]))
	later := h.now.Add(time.Hour)
	ids, err := h.s.Dismiss(h.ctx, desk.ReceiptFilter{State: desk.Held, Reason: "other"}, "nobody wants it", later)
	h.must(err)
	h.equal("of another reason", len(ids), 0)
	ids, err = h.s.Dismiss(h.ctx, desk.ReceiptFilter{}, "nobody\x00 wants it", later)
	h.must(err)
	h.equal("what waits for a person", ids, []desk.ReceiptID{rs[0].ID, rs[1].ID})
	for i, want := range []desk.State{desk.Dropped, desk.Dropped, desk.Dropped, desk.Filed, desk.Accepted} {
		h.equal("state", h.receipt(rs[i].ID).State, want)
	}
	r := h.receipt(rs[1].ID)
	h.equal("reason", r.Reason, "nobody wants it")
	h.equal("settled", r.SettledAt.Equal(later), true)
	h.equal("the others' reason", h.receipt(rs[2].ID).Reason, "d")
	ids, err = h.s.Reopen(h.ctx, desk.ReceiptFilter{IDs: []desk.ReceiptID{rs[1].ID}}, later)
	h.must(err)
	h.equal("and back", ids, []desk.ReceiptID{rs[1].ID})
}

func receiptBooks(h *house) {
	if _, ok, err := h.s.OldestAccepted(h.ctx); ok || err != nil {
		h.Fatal(ok, err)
	}
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"))
	h.now = h.now.Add(time.Minute)
	d := h.draft("d")
	d.Source = "other"
	rs = append(rs, h.accept(d)...)
	h.filed(h.opens(rs[0]))
	h.must(h.s.Fail(h.ctx, rs[1].ID, "rule \"ÄRGER\"", h.now))
	counts, err := h.s.Counts(h.ctx)
	h.must(err)
	h.equal("counts", counts, map[desk.State]int64{desk.Filed: 1, desk.Failed: 1, desk.Accepted: 2})
	at, ok, err := h.s.OldestAccepted(h.ctx)
	h.must(err)
	if !ok || !at.Equal(h.now.Add(-time.Minute)) {
		h.Fatalf("oldest %v %v", ok, at)
	}
	for name, c := range map[string]struct {
		f    desk.ReceiptFilter
		want []desk.Receipt
	}{
		"all":       {desk.ReceiptFilter{}, rs},
		"newest":    {desk.ReceiptFilter{Newest: true, Limit: 2}, []desk.Receipt{rs[3], rs[2]}},
		"page":      {desk.ReceiptFilter{Limit: 2, After: rs[0].ID}, rs[1:3]},
		"page back": {desk.ReceiptFilter{Newest: true, After: rs[2].ID}, []desk.Receipt{rs[1], rs[0]}},
		"source":    {desk.ReceiptFilter{Source: "other"}, rs[3:]},
		"state":     {desk.ReceiptFilter{State: desk.Accepted}, rs[2:]},
		"filed":     {desk.ReceiptFilter{State: desk.Filed}, rs[:1]},
		"by ID":     {desk.ReceiptFilter{IDs: []desk.ReceiptID{rs[3].ID, rs[1].ID}}, []desk.Receipt{rs[1], rs[3]}},
		"reason":    {desk.ReceiptFilter{Reason: "Ärger"}, rs[1:2]},
		"no ID":     {desk.ReceiptFilter{IDs: []desk.ReceiptID{}}, nil},
	} {
		got, err := h.s.ReceiptList(h.ctx, c.f)
		h.must(err)
		h.equal(name, ids(got), ids(c.want))
	}
}

func ids(rs []desk.Receipt) []desk.ReceiptID {
	var out []desk.ReceiptID
	for _, r := range rs {
		out = append(out, r.ID)
	}
	return out
}
