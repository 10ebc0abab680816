package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// comment is a public answer of an agent.
func (h *house) comment(id desk.TicketID, externalID string) *desk.Message {
	return &desk.Message{ID: desk.NewID[desk.MessageID](h.now), TicketID: id, Direction: desk.Outbound, Public: true,
		Author: desk.Actor{Kind: desk.ByAgent, ID: "ann", Name: "Ann"}, Channel: desk.Email, Source: "mail", Scope: scope,
		ExternalID: externalID, Text: "try again", Mentions: []string{"bob"}, CreatedAt: h.now}
}

// said is the change a comment makes.
func (h *house) said(m *desk.Message) func(*desk.Ticket) ([]desk.Event, error) {
	return func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, By: m.Author, Said: &desk.Said{Message: m.ID, By: m.Author.Kind, Public: m.Public}})
	}
}

func comments(h *house) {
	t := h.opened("a")
	h.now = h.now.Add(time.Minute)
	m := h.comment(t.ID, "")
	got, saved, err := h.s.AddMessage(h.ctx, m, h.said(m))
	h.must(err)
	h.equal("ticket", *got, *h.ticket(t.ID))
	h.equal("message", *saved, *m)
	if got.MessageCount != 2 || got.FirstResponseAt == nil || !got.FirstResponseAt.Equal(h.now) || got.Status != desk.StatusOpen {
		h.Fatalf("ticket %+v", got)
	}
	one, err := h.s.Message(h.ctx, m.ID)
	h.must(err)
	h.equal("message by ID", *one, *m)
	_, err = h.s.Message(h.ctx, "unknown")
	h.refused(err, desk.ErrNotFound)

	stop := errors.New("stop")
	n := h.comment(t.ID, "")
	_, _, err = h.s.AddMessage(h.ctx, n, func(*desk.Ticket) ([]desk.Event, error) { return nil, stop })
	h.refused(err, stop)
	h.equal("messages", len(h.messages(t.ID)), 2)
	_, _, err = h.s.AddMessage(h.ctx, h.comment("unknown", ""), nil)
	h.refused(err, desk.ErrNotFound)
	_, _, err = h.s.AddMessage(h.ctx, n, nil)
	h.must(err)
	h.equal("messages", len(h.messages(t.ID)), 3)
}

func sameComment(h *house) {
	t, other := h.opened("a"), h.opened("b")
	m := h.comment(t.ID, "idempotency-key")
	_, _, err := h.s.AddMessage(h.ctx, m, h.said(m))
	h.must(err)
	again := h.comment(other.ID, "idempotency-key")
	got, saved, err := h.s.AddMessage(h.ctx, again, h.said(again))
	h.refused(err, desk.ErrSettled)
	h.equal("message", *saved, *m)
	h.equal("ticket", got.ID, t.ID)
	h.equal("messages", len(h.messages(t.ID))+len(h.messages(other.ID)), 3)
	h.equal("the other ticket", h.ticket(other.ID).Version, other.Version)
	changed := h.comment(other.ID, "idempotency-key")
	changed.Fingerprint = "other content"
	_, _, err = h.s.AddMessage(h.ctx, changed, nil)
	h.must(err)
}

func commentRace(h *house) {
	tickets := []*desk.Ticket{h.opened("a"), h.opened("b")}
	var mu sync.Mutex
	ids := map[desk.MessageID]bool{}
	made := 0
	h.atOnce(8, func(i int) error {
		m := h.comment(tickets[i%2].ID, "idempotency-key")
		_, saved, err := h.s.AddMessage(h.ctx, m, h.said(m))
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			made++
		} else if !errors.Is(err, desk.ErrSettled) {
			return err
		}
		ids[saved.ID] = true
		return nil
	})
	h.equal("made", made, 1)
	h.equal("IDs", len(ids), 1)
	h.equal("messages", len(h.messages(tickets[0].ID))+len(h.messages(tickets[1].ID)), 3)
	counted := h.ticket(tickets[0].ID).MessageCount + h.ticket(tickets[1].ID).MessageCount
	h.equal("counted", counted, 3)
}

func messagePages(h *house) {
	t := h.opened("a")
	var want, public []desk.MessageID
	first := h.messages(t.ID)[0].ID
	want, public = append(want, first), append(public, first)
	for i := range 6 {
		h.now = h.now.Add(time.Millisecond)
		m := h.comment(t.ID, fmt.Sprint(i))
		m.Public = i%2 == 0
		_, _, err := h.s.AddMessage(h.ctx, m, nil)
		h.must(err)
		want = append(want, m.ID)
		if m.Public {
			public = append(public, m.ID)
		}
	}
	for _, c := range []struct {
		publicOnly bool
		want       []desk.MessageID
	}{{false, want}, {true, public}} {
		var got []desk.MessageID
		for cursor := ""; ; {
			list, next, err := h.s.Messages(h.ctx, t.ID, 3, cursor, c.publicOnly)
			h.must(err)
			for _, m := range list {
				got = append(got, m.ID)
			}
			if cursor = next; next == "" {
				break
			}
		}
		h.equal("messages", got, c.want)
	}
	list, next, err := h.s.Messages(h.ctx, "unknown", 3, "", false)
	h.must(err)
	if len(list) != 0 || next != "" {
		h.Fatal(list, next)
	}
}
