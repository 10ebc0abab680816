package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"switchboard/pipeline/desk"
)

func (h *house) link(from, to *desk.Ticket, kind desk.LinkType) error {
	return h.s.Link(h.ctx, desk.Link{From: from.ID, To: to.ID, Type: kind, By: desk.Actor{Kind: desk.ByAgent, ID: "ann"}, Reason: "why", CreatedAt: h.now})
}

func links(h *house) {
	a, b, c := h.opened("a"), h.opened("b"), h.opened("c")
	h.must(h.link(b, a, desk.Blocks))
	h.refused(h.link(b, a, desk.Blocks), desk.ErrConflict)
	h.refused(h.link(a, b, desk.Blocks), desk.ErrInvalid) // both cannot block each other
	h.must(h.link(a, c, desk.Relates))
	h.refused(h.link(c, a, desk.Relates), desk.ErrConflict)
	h.must(h.link(b, a, desk.Duplicates))
	h.refused(h.link(a, a, desk.Relates), desk.ErrInvalid)
	h.refused(h.link(a, &desk.Ticket{ID: "unknown"}, desk.Relates), desk.ErrNotFound)
	h.refused(h.link(&desk.Ticket{ID: "unknown"}, a, desk.Relates), desk.ErrNotFound)

	got, err := h.s.Links(h.ctx, a.ID)
	h.must(err)
	h.equal("links of a", len(got), 3)
	got, err = h.s.Links(h.ctx, c.ID)
	h.must(err)
	want := desk.Link{From: a.ID, To: c.ID, Type: desk.Relates, By: desk.Actor{Kind: desk.ByAgent, ID: "ann"}, Reason: "why", CreatedAt: h.now}
	h.equal("links of c", got, []desk.Link{want})

	for t, words := range map[*desk.Ticket][]string{a: {"BLOCKED_BY", "RELATES", "DUPLICATED_BY"}, b: {"BLOCKS", "DUPLICATES"}, c: {"RELATES"}} {
		events := h.events(t.ID)[1:]
		var said []string
		for _, e := range events {
			h.equal("kind", e.Kind, desk.EventLinked)
			said = append(said, e.Data["type"].(string))
		}
		h.equal("events", said, words)
		h.equal("event count", h.ticket(t.ID).EventCount, len(events)+1)
	}
	h.must(h.s.Unlink(h.ctx, c.ID, a.ID, desk.Relates))
	h.refused(h.s.Unlink(h.ctx, c.ID, a.ID, desk.Relates), desk.ErrNotFound)
	h.must(h.link(c, a, desk.Relates))
}

func noCircles(h *house) {
	a, b, c, d := h.opened("a"), h.opened("b"), h.opened("c"), h.opened("d")
	h.must(h.link(a, b, desk.Parent))
	h.must(h.link(b, c, desk.Parent))
	h.must(h.link(a, d, desk.Parent))
	h.must(h.link(d, c, desk.Parent)) // two ways down are no circle
	for _, pair := range [][2]*desk.Ticket{{b, a}, {c, a}, {c, d}} {
		err := h.link(pair[0], pair[1], desk.Parent)
		var invalid *desk.Invalid
		if !errors.As(err, &invalid) || invalid.Field != "ticketId" {
			h.Errorf("circle: %v", err)
		}
	}
	h.must(h.link(c, a, desk.Blocks)) // another order
	if err := h.link(a, c, desk.Blocks); !errors.Is(err, desk.ErrInvalid) {
		h.Errorf("two tickets that block each other: %v", err)
	}
}

// Two links that share no ticket close a circle together with two that are
// there.
func circleRace(h *house) {
	for round := range 20 {
		var t [4]*desk.Ticket
		for i := range t {
			t[i] = h.opened(fmt.Sprint(round, "-", i))
		}
		h.must(h.link(t[1], t[2], desk.Parent))
		h.must(h.link(t[3], t[0], desk.Parent))
		var refused atomic.Int32
		h.atOnce(2, func(i int) error {
			err := h.link(t[2*i], t[2*i+1], desk.Parent)
			if errors.Is(err, desk.ErrInvalid) {
				refused.Add(1)
				return nil
			}
			return err
		})
		h.equal("refused", refused.Load(), 1)
	}
}
