package storetest

import (
	"time"

	"switchboard/pipeline/desk"
)

// begins queues a message that goes out by another source.
func (h *house) begins(id desk.TicketID, source, handle string) *desk.Message {
	h.Helper()
	m := h.comment(id, "")
	m.Send, m.Scope = desk.SendQueued, "MS_TEAMS"
	m.Via = &desk.Via{Source: source, To: desk.Party{Name: "Ann", Handle: handle}}
	_, saved, err := h.s.AddMessage(h.ctx, m, h.said(m))
	h.must(err)
	return saved
}

// take takes a message to send it.
func (h *house) take(id desk.MessageID) *desk.Outgoing {
	h.Helper()
	by, err := h.s.SendsBy(h.ctx, id)
	h.must(err)
	out, err := h.s.TakeToSend(h.ctx, id, h.now, patience, "")
	h.must(err)
	h.equal("sends by", by, out.Source)
	return out
}

func conversationBegun(h *house) {
	one, two := h.opened("a").ID, h.opened("b").ID
	begin := func(id desk.TicketID) *desk.Message {
		h.Helper()
		m := h.begins(id, "teams", "ann-aad")
		out := h.take(m.ID)
		if out.Source != "teams" || len(out.Reply.Thread.Address) != 0 || out.Reply.Thread.Key != "" {
			h.Fatalf("it is no first message: %+v", out)
		}
		h.equal("to", out.Reply.To, []desk.Party{{Name: "Ann", Handle: "ann-aad"}})
		b := &desk.Begun{Thread: desk.Thread{Key: "chat", Address: []byte(`{"c":1}`)}, Group: "group", Handle: "ann-aad"}
		for range 2 { // it may be told twice
			h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "chat/" + string(m.ID), At: h.now.Add(time.Second), Begun: b}))
		}
		return m
	}
	first := begin(one)
	v, err := h.s.View(h.ctx, []*desk.Draft{{Scope: "MS_TEAMS", Thread: desk.Thread{Key: "chat"}, Group: "group", ExternalID: "x"}})
	h.must(err)
	owners, err := v.Threads(h.ctx, "MS_TEAMS", []string{"chat", "chat/" + string(first.ID)})
	h.must(err)
	h.equal("owners", owners, map[string]desk.TicketID{"chat": one, "chat/" + string(first.ID): one})
	id, at, ok, err := v.Group(h.ctx, "MS_TEAMS", "group")
	h.must(err)
	if id != one || !ok || !at.Equal(h.now.Add(time.Second)) {
		h.Fatalf("the group is on %s at %s", id, at)
	}
	t := h.ticket(one)
	if t.ThreadSource != "teams" || !t.Has("ann-aad") {
		h.Fatalf("ticket %+v", t)
	}
	events, err := h.s.Events(h.ctx, one, 0, 100)
	h.must(err)
	n := 0
	for _, e := range events {
		if e.Kind == desk.EventThread {
			n++
			h.equal("to", e.Data["to"], any("teams"))
		}
	}
	h.equal("events", n, 1)

	// What follows goes into the conversation, asked for by name or not.
	for _, m := range []*desk.Message{h.answer(one), h.begins(one, "teams", "ann-aad")} {
		out := h.take(m.ID)
		if out.Source != "teams" || out.Reply.Thread.Key != "chat" || string(out.Reply.Thread.Address) != `{"c":1}` {
			h.Fatalf("out %+v", out)
		}
		h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "chat/" + string(m.ID), At: h.now}))
	}
	// Another ticket takes the chat over, and the first message stays where it went.
	begin(two)
	v, err = h.s.View(h.ctx, []*desk.Draft{{Scope: "MS_TEAMS", Thread: desk.Thread{Key: "chat"}, Group: "group", ExternalID: "x"}})
	h.must(err)
	owners, err = v.Threads(h.ctx, "MS_TEAMS", []string{"chat", "chat/" + string(first.ID)})
	h.must(err)
	h.equal("owners", owners, map[string]desk.TicketID{"chat": two, "chat/" + string(first.ID): one})
	_, err = h.s.Revise(h.ctx, one, desk.Revision{Message: first.ID, Act: desk.ActEdit, Text: "better", At: h.now}, desk.Actor{}, nil)
	h.must(err)
	if out := h.take(first.ID); out.Was != desk.SendSent || out.Source != "teams" || string(out.Reply.Thread.Address) != `{"c":1}` {
		h.Fatalf("out %+v", out)
	}
	saved, err := h.s.Message(h.ctx, first.ID)
	h.must(err)
	if saved.Via == nil || saved.Via.Source != "teams" || saved.Via.To.Handle != "ann-aad" {
		h.Fatalf("via %+v", saved.Via)
	}
}

func contactsKept(h *house) {
	at := h.now
	keep := func(kind desk.ContactKind, handle, address, gone string, at time.Time) {
		h.Helper()
		h.must(h.s.KeepContact(h.ctx, desk.Contact{Source: "teams", Kind: kind, Handle: handle, Address: []byte(address), Gone: gone, At: at}))
	}
	keep(desk.Person, "ann", `{"v":1}`, "", at)
	keep(desk.Person, "ann", `{"v":2}`, "", at.Add(time.Minute))
	keep(desk.Person, "ann", `{"v":0}`, "overtaken", at.Add(time.Second))
	got, err := h.s.Contact(h.ctx, "teams", desk.Person, "ann")
	h.must(err)
	h.equal("contact", got, desk.Contact{Source: "teams", Kind: desk.Person, Handle: "ann", Address: []byte(`{"v":2}`), At: at.Add(time.Minute).UTC()})
	_, err = h.s.Contact(h.ctx, "other", desk.Person, "ann")
	h.refused(err, desk.ErrNotFound)
	_, err = h.s.Contact(h.ctx, "teams", desk.Place, "ann")
	h.refused(err, desk.ErrNotFound)
	keep(desk.Place, "one", "{}", "", at)
	keep(desk.Place, "two", "{}", "", at.Add(time.Minute))
	keep(desk.Place, "three", "{}", "", at)
	keep(desk.Place, "three", "{}", "removed", at.Add(time.Hour))
	list, err := h.s.Contacts(h.ctx, "teams", desk.Place, 10)
	h.must(err)
	var names []string
	for _, c := range list {
		names = append(names, c.Handle)
	}
	h.equal("places", names, []string{"two", "one"})
	list, err = h.s.Contacts(h.ctx, "teams", desk.Place, 1)
	h.must(err)
	h.equal("places", len(list), 1)
	got, err = h.s.Contact(h.ctx, "teams", desk.Place, "three")
	h.must(err)
	h.equal("gone", got.Gone, "removed")
}
