package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// answer is a comment that waits to be sent.
func (h *house) answer(id desk.TicketID) *desk.Message {
	h.Helper()
	m := h.comment(id, "")
	m.Send = desk.SendQueued
	_, saved, err := h.s.AddMessage(h.ctx, m, h.said(m))
	h.must(err)
	return saved
}

const patience = time.Minute

func answerSent(h *house) {
	f := h.from(h.opens(h.accept(h.draft("a"))[0]), "ann@example.com")
	f.Thread = desk.Thread{Key: "k", Address: []byte(`{"to":"ann"}`)}
	id := h.filed(f)[0].Ticket
	m := h.answer(id)
	later := h.now.Add(time.Hour)
	ids, err := h.s.Unsent(h.ctx, later, later, later, 10)
	h.must(err)
	h.equal("unsent", ids, []desk.MessageID{m.ID})
	ids, err = h.s.Unsent(h.ctx, later, later, later, 10)
	h.must(err)
	h.equal("claimed", len(ids), 0)

	_, err = h.s.SendsBy(h.ctx, "unknown")
	h.refused(err, desk.ErrNotFound)
	out := h.take(m.ID)
	if out.Was != desk.SendQueued || out.Source != "mail" || out.Tries != 1 || out.Reply.Message.ID != m.ID {
		h.Fatalf("got %+v", out)
	}
	h.equal("to", out.Reply.To, []desk.Party{{Name: "Ann", Handle: "ann@example.com"}})
	_, err = h.s.TakeToSend(h.ctx, m.ID, h.now.Add(time.Second), patience, "")
	h.refused(err, desk.ErrBusy)
	at := h.now.Add(time.Second)
	for range 2 { // it may be told twice
		h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "<out@desk>", At: at}))
	}
	sent, err := h.s.Message(h.ctx, m.ID)
	h.must(err)
	if sent.Send != desk.SendSent || sent.ExternalID != "<out@desk>" || sent.SentAt != at {
		h.Fatalf("sent %+v", sent)
	}
	h.equal("an answer to it threads", h.owner("<out@desk>"), id)
	_, err = h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.refused(err, desk.ErrSettled)
	ids, err = h.s.Unsent(h.ctx, later, later.Add(time.Hour), later, 10)
	h.must(err)
	h.equal("nothing is left", len(ids), 0)
	note := h.comment(id, "")
	_, _, err = h.s.AddMessage(h.ctx, note, nil)
	h.must(err)
	_, err = h.s.TakeToSend(h.ctx, note.ID, h.now, patience, "")
	h.refused(err, desk.ErrSettled)
	_, err = h.s.TakeToSend(h.ctx, "unknown", h.now, patience, "")
	h.refused(err, desk.ErrNotFound)
	h.refused(h.s.Delivered(h.ctx, "unknown", desk.Proof{}), desk.ErrNotFound)
}

func answerRace(h *house) {
	m := h.answer(h.opened("a").ID)
	var won atomic.Int32
	h.atOnce(8, func(int) error {
		_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
		if errors.Is(err, desk.ErrBusy) {
			return nil
		}
		won.Add(1)
		return err
	})
	h.equal("takers", won.Load(), 1)
}

func answerProbed(h *house) {
	m := h.answer(h.opened("a").ID)
	_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.must(err)
	out, err := h.s.TakeToSend(h.ctx, m.ID, h.now.Add(patience), patience, "") // who took it is gone
	h.must(err)
	if out.Was != desk.SendUnknown || out.Tries != 2 {
		h.Fatalf("got %+v", out)
	}
	h.must(h.s.Undelivered(h.ctx, m.ID, 2, desk.SendUnknown, "connection reset", nil))
	out, err = h.s.TakeToSend(h.ctx, m.ID, h.now.Add(patience), patience, "")
	h.must(err)
	h.equal("state", out.Was, desk.SendUnknown)
	h.must(h.s.Undelivered(h.ctx, m.ID, 3, desk.SendQueued, "was not there", nil))
	out, err = h.s.TakeToSend(h.ctx, m.ID, h.now.Add(patience), patience, "")
	h.must(err)
	h.equal("state", out.Was, desk.SendQueued)
}

func answerFails(h *house) {
	t := h.opened("a")
	m := h.answer(t.ID)
	_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.must(err)
	up := 1
	loud := func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, Escalation: &up})
	}
	h.must(h.s.Undelivered(h.ctx, m.ID, 1, desk.SendFailed, "no such mailbox", loud))
	h.equal("escalation", h.ticket(t.ID).Escalation, 1)
	up = 2
	h.refused(h.s.Undelivered(h.ctx, m.ID, 1, desk.SendFailed, "again", loud), desk.ErrSettled)
	h.equal("escalation", h.ticket(t.ID).Escalation, 1)
	got, err := h.s.Message(h.ctx, m.ID)
	h.must(err)
	h.equal("state", got.Send, desk.SendFailed)
	h.refused(h.s.Undelivered(h.ctx, "unknown", 1, desk.SendFailed, "", nil), desk.ErrNotFound)
}

// noteNeverSent forces an internal note and a note of a customer into the
// outbox, as a bug might.
func noteNeverSent(h *house) {
	t := h.opened("a")
	for _, spoil := range []func(*desk.Message){
		func(m *desk.Message) { m.Public, m.Direction = false, desk.Internal },
		func(m *desk.Message) { m.Public = false },
		func(m *desk.Message) { m.Direction = desk.Internal },
		func(m *desk.Message) { m.Direction = desk.Inbound },
	} {
		m := h.comment(t.ID, "")
		m.Send = desk.SendQueued
		spoil(m)
		_, _, err := h.s.AddMessage(h.ctx, m, nil)
		h.must(err)
		_, err = h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
		h.refused(err, desk.ErrSettled)
	}
	later := h.now.Add(time.Hour)
	ids, err := h.s.Unsent(h.ctx, later, later, later, 10)
	h.must(err)
	h.equal("unsent", len(ids), 0)
	if id, ok, err := h.s.NextToSend(h.ctx, t.ID, later); ok || err != nil {
		h.Fatal(id, err)
	}
}

func answersInOrder(h *house) {
	t := h.opened("a")
	one := h.answer(t.ID)
	h.now = h.now.Add(time.Second)
	two := h.answer(t.ID)
	_, err := h.s.TakeToSend(h.ctx, two.ID, h.now, patience, "")
	h.refused(err, desk.ErrBusy)
	_, err = h.s.TakeToSend(h.ctx, one.ID, h.now, patience, "")
	h.must(err)
	_, err = h.s.TakeToSend(h.ctx, two.ID, h.now, patience, "")
	h.refused(err, desk.ErrBusy)
	h.must(h.s.Delivered(h.ctx, one.ID, desk.Proof{ExternalID: "<1>", At: h.now}))
	next, ok, err := h.s.NextToSend(h.ctx, t.ID, h.now)
	h.must(err)
	if !ok || next != two.ID {
		h.Fatal(next, ok)
	}
	_, err = h.s.TakeToSend(h.ctx, two.ID, h.now, patience, "")
	h.must(err)
	h.must(h.s.Undelivered(h.ctx, two.ID, 1, desk.SendFailed, "gone", nil)) // who failed is in nobody's way
	three := h.answer(t.ID)
	_, err = h.s.TakeToSend(h.ctx, three.ID, h.now, patience, "")
	h.must(err)
}

func answerPostponed(h *house) {
	m := h.answer(h.opened("a").ID)
	_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
	h.must(err)
	until := h.now.Add(time.Hour)
	h.must(h.s.Postpone(h.ctx, m.ID, 1, desk.SendUnknown, "cut off", until))
	got, err := h.s.Message(h.ctx, m.ID)
	h.must(err)
	if got.Send != desk.SendUnknown || got.SendError != "cut off" {
		h.Fatalf("got %+v", got)
	}
	soon := until.Add(-time.Second)
	_, err = h.s.TakeToSend(h.ctx, m.ID, soon, patience, "")
	h.refused(err, desk.ErrBusy)
	ids, err := h.s.Unsent(h.ctx, soon, soon, soon, 10)
	h.must(err)
	h.equal("not due", len(ids), 0)
	if _, ok, err := h.s.NextToSend(h.ctx, m.TicketID, soon); ok || err != nil {
		h.Fatal(ok, err)
	}
	ids, err = h.s.Unsent(h.ctx, until, until, until, 10)
	h.must(err)
	h.equal("due", ids, []desk.MessageID{m.ID})
	out, err := h.s.TakeToSend(h.ctx, m.ID, until, patience, "")
	h.must(err)
	if out.Was != desk.SendUnknown || out.Tries != 2 {
		h.Fatalf("got %+v", out)
	}
	h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "<1>", At: until}))
	h.refused(h.s.Postpone(h.ctx, m.ID, 2, desk.SendQueued, "late", until), desk.ErrSettled)
}

func automaticAnswers(h *house) {
	f := h.from(h.opens(h.accept(h.draft("a"))[0]), "ann@example.com")
	f.Message.Auto = desk.Auto{Kind: desk.AutoGenerated, Reason: "a monitor"}
	id := h.filed(f)[0].Ticket
	auto := func() *desk.Outgoing {
		h.Helper()
		h.now = h.now.Add(time.Minute)
		m := h.comment(id, "")
		m.Send, m.Auto = desk.SendQueued, desk.Auto{Kind: desk.AutoReply}
		_, _, err := h.s.AddMessage(h.ctx, m, nil)
		h.must(err)
		out, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
		h.must(err)
		h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: string(m.ID), At: h.now}))
		return out
	}
	one := auto()
	if one.Automatic != 0 || one.Answers.Kind != desk.AutoGenerated {
		h.Fatalf("got %+v", one)
	}
	h.equal("two", auto().Automatic, 1)
	h.equal("three", auto().Automatic, 2)
	h.now = h.now.Add(25 * time.Hour)
	h.equal("a day later", auto().Automatic, 0)
	out, err := h.s.TakeToSend(h.ctx, h.answer(id).ID, h.now, patience, "")
	h.must(err)
	h.equal("a person's answer", out.Automatic, 0)
}

// automaticAtOnce: the budget of one customer is not spent by each of many answers
// that are taken at the same time, on tickets of their own.
func automaticAtOnce(h *house) {
	const n = 8
	ids, counted := make([]desk.MessageID, n), make([]int, n)
	var ann desk.CustomerID
	for i := range ids {
		f := h.opens(h.accept(h.draft(fmt.Sprint(i)))[0])
		if i == 0 {
			f = h.from(f, "ann@example.com")
			ann = f.Customer.ID
		}
		f.Ticket.CustomerID, f.Message.Author.ID, f.Events[0].Actor.ID = ann, string(ann), string(ann)
		m := h.comment(h.filed(f)[0].Ticket, "")
		m.Send, m.Auto = desk.SendQueued, desk.Auto{Kind: desk.AutoReply}
		_, _, err := h.s.AddMessage(h.ctx, m, nil)
		h.must(err)
		ids[i] = m.ID
	}
	h.atOnce(n, func(i int) error {
		out, err := h.s.TakeToSend(h.ctx, ids[i], h.now, patience, "")
		if err == nil {
			counted[i] = out.Automatic
		}
		return err
	})
	slices.Sort(counted)
	h.equal("automatic answers before each", counted, []int{0, 1, 2, 3, 4, 5, 6, 7})
}
