package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// canaryTurns: of many who would send a source's canary one does.
func canaryTurns(h *house) {
	s := h.s
	for turn := int64(5); turn < 8; turn++ {
		var got atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				ok, err := s.CanaryTurn(h.ctx, "mail", turn, h.now)
				if err != nil {
					h.Error(err)
				}
				if ok {
					got.Add(1)
				}
			})
		}
		all.Wait()
		h.equal("who got the turn", got.Load(), int64(1))
	}
	ok, err := s.CanaryTurn(h.ctx, "mail", 6, h.now)
	h.must(err)
	h.equal("an earlier turn", ok, false)
	ok, err = s.CanaryTurn(h.ctx, "form", 1, h.now)
	h.must(err)
	h.equal("another source's turn", ok, true)
}

// canariesHeard: the youngest counts, in whatever order they end.
func canariesHeard(h *house) {
	s := h.s
	for turn := range 2 {
		_, err := s.CanaryTurn(h.ctx, "mail", int64(1+turn), h.now.Add(time.Duration(turn)*time.Minute))
		h.must(err)
	}
	young, old := h.now.Add(2*time.Second), h.now.Add(time.Second)
	h.must(s.CanaryHeard(h.ctx, "mail", young, young.Add(time.Second), "a"))
	h.must(s.CanaryHeard(h.ctx, "mail", old, young.Add(2*time.Second), "b"))
	h.must(s.CanaryHeard(h.ctx, "chat", old, old, "c")) // sent by a house that forgot it
	got, err := s.Canaries(h.ctx)
	h.must(err)
	h.equal("canaries", got, []desk.Canary{{Source: "chat", Since: old, HeardAt: old, SettledAt: old},
		{Source: "mail", Since: h.now, SentAt: h.now.Add(time.Minute), HeardAt: young, SettledAt: young.Add(time.Second)}})
}

// canariesAhead: what was noted while the clock was far ahead is no word about now.
func canariesAhead(h *house) {
	s, ahead := h.s, h.now.Add(365*24*time.Hour)
	_, err := s.CanaryTurn(h.ctx, "mail", 9, ahead)
	h.must(err)
	h.must(s.CanaryHeard(h.ctx, "mail", ahead, ahead, "a"))
	ok, err := s.CanaryTurn(h.ctx, "mail", 5, h.now)
	h.must(err)
	h.equal("the turn", ok, true)
	got, err := s.Canaries(h.ctx)
	h.must(err)
	h.equal("sent", got, []desk.Canary{{Source: "mail", Since: h.now, SentAt: h.now}})
	h.must(s.CanaryHeard(h.ctx, "mail", h.now, h.now.Add(time.Second), "b"))
	got, err = s.Canaries(h.ctx)
	h.must(err)
	h.equal("heard", got, []desk.Canary{{Source: "mail", Since: h.now, SentAt: h.now, HeardAt: h.now, SettledAt: h.now.Add(time.Second)}})
}

// canariesForgotten: what ended as a canary leaves the ledger, and nothing else.
func canariesForgotten(h *house) {
	s := h.s
	var rs []desk.Receipt
	for _, id := range []string{"one", "two", "real", "open", "young"} {
		d := h.draft(id)
		d.Raw = desk.BlobRef{Digest: id, Size: 3}
		rs = append(rs, desk.NewReceipt(d, h.now))
	}
	ids, err := s.Accept(h.ctx, nil, rs)
	h.must(err)
	for i, reason := range []string{desk.CanaryReason, desk.CanaryReason, "automatic reply", "", desk.CanaryReason} {
		if reason != "" {
			results, err := s.File(h.ctx, []*desk.Filing{{Receipt: ids[i], At: h.now, Verdict: desk.Dropped, Reason: reason}})
			h.must(err)
			h.must(results[0].Err)
		}
		at := h.now
		if i == 4 {
			at = h.now.Add(time.Hour)
		}
		h.must(s.CanaryHeard(h.ctx, "mail", h.now, at, ids[i])) // of whatever a caller says it is
	}
	var raw []desk.BlobRef
	for range 4 {
		some, _, err := s.ForgetCanaries(h.ctx, h.now.Add(time.Minute), 1)
		h.must(err)
		raw = append(raw, some...)
		h.equal("forgotten at once", len(some) <= 1, true)
	}
	h.equal("raw messages left behind", len(raw), 2)
	left, err := s.Receipts(h.ctx, ids)
	h.must(err)
	var states []desk.State
	for _, r := range left {
		states = append(states, r.State)
	}
	h.equal("left", states, []desk.State{desk.Dropped, desk.Accepted, desk.Dropped})
	// A message that is handed over again is a message again.
	again, err := s.Accept(h.ctx, nil, []desk.Receipt{desk.NewReceipt(rs[0].Draft, h.now)})
	h.must(err)
	h.equal("a new receipt", again[0] != ids[0], true)
}
