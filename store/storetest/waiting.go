package storetest

import (
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// A flood of one source hides nothing of another.
func waiting(h *house) {
	none, err := h.s.Waiting(h.ctx, 10)
	h.must(err)
	h.equal("nothing waits", len(none), 0)
	start := h.now
	var flood []*desk.Draft
	for i := range 30 {
		flood = append(flood, h.draft(fmt.Sprint(i)))
	}
	first := h.accept(flood...)
	h.now = start.Add(time.Minute)
	other := h.draft("other")
	other.Source = "another"
	second := h.accept(other)
	h.filed(h.opens(first[0]))
	got, err := h.s.Waiting(h.ctx, 10)
	h.must(err)
	h.equal("waiting", got, []desk.Backlog{
		{Source: "another", Count: 1, Oldest: start.Add(time.Minute)},
		{Source: flood[0].Source, Count: 10, Oldest: start},
	})
	later := start.Add(time.Hour)
	ids, err := h.s.Stale(h.ctx, "another", later, later, later, 10)
	h.must(err)
	h.equal("the other's", ids, []desk.ReceiptID{second[0].ID})
	h.must(h.s.Claim(h.ctx, []desk.ReceiptID{first[1].ID, "unknown"}, later))
	ids, err = h.s.Stale(h.ctx, flood[0].Source, later, later, later, 2)
	h.must(err)
	h.equal("the claimed one is passed over", ids, []desk.ReceiptID{first[2].ID, first[3].ID})
	h.filed(h.opens(second[0]))
	got, err = h.s.Waiting(h.ctx, 100)
	h.must(err)
	h.equal("one source is left", got, []desk.Backlog{{Source: flood[0].Source, Count: 29, Oldest: start}})
}

// What ends its process each time is failed by its count, alone.
func attempts(h *house) {
	rs := h.accept(h.draft("bad"), h.draft("good"), h.draft("waits"))
	all := []desk.ReceiptID{rs[0].ID, rs[1].ID, rs[2].ID}
	open, ended, err := h.s.Attempt(h.ctx, all, 2, "why", h.now)
	h.must(err)
	h.equal("all are open", len(open), 3)
	h.equal("none ended", len(ended), 0)
	h.filed(h.opens(rs[1]))
	h.must(h.s.Survived(h.ctx, all[1:]))
	h.equal("the filed one keeps its count", h.receipt(all[1]).Attempts, 1)
	h.equal("the waiting one has none", h.receipt(all[2]).Attempts, 0)
	open, ended, err = h.s.Attempt(h.ctx, all[:1], 2, "why", h.now)
	h.must(err)
	h.equal("its second", open, all[:1])
	h.equal("not yet", len(ended), 0)
	open, ended, err = h.s.Attempt(h.ctx, all, 2, "no\x00 more", h.now)
	h.must(err)
	h.equal("open", open, all[2:])
	h.equal("ended", ended, all[:1])
	r := h.receipt(all[0])
	if r.State != desk.Failed || r.Reason != "no more" || r.Attempts != 2 || !r.SettledAt.Equal(h.now) {
		h.Fatalf("got %+v", r)
	}
	open, ended, err = h.s.Attempt(h.ctx, all[:2], 2, "why", h.now)
	h.must(err)
	h.equal("settled ones are left out", len(open)+len(ended), 0)
}
