package storetest

import (
	"errors"
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

	out, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience)
	h.must(err)
	if out.Was != desk.SendQueued || out.Source != "mail" || out.Tries != 1 || out.Reply.Message.ID != m.ID {
		h.Fatalf("got %+v", out)
	}
	h.equal("to", out.Reply.To, []desk.Party{{Name: "Ann", Handle: "ann@example.com"}})
	_, err = h.s.TakeToSend(h.ctx, m.ID, h.now.Add(time.Second), patience)
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
	_, err = h.s.TakeToSend(h.ctx, m.ID, h.now, patience)
	h.refused(err, desk.ErrSettled)
	ids, err = h.s.Unsent(h.ctx, later, later.Add(time.Hour), later, 10)
	h.must(err)
	h.equal("nothing is left", len(ids), 0)
	note := h.comment(id, "")
	_, _, err = h.s.AddMessage(h.ctx, note, nil)
	h.must(err)
	_, err = h.s.TakeToSend(h.ctx, note.ID, h.now, patience)
	h.refused(err, desk.ErrSettled)
	_, err = h.s.TakeToSend(h.ctx, "unknown", h.now, patience)
	h.refused(err, desk.ErrNotFound)
	h.refused(h.s.Delivered(h.ctx, "unknown", desk.Proof{}), desk.ErrNotFound)
}

func answerRace(h *house) {
	m := h.answer(h.opened("a").ID)
	var won atomic.Int32
	h.atOnce(8, func(int) error {
		_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience)
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
	_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience)
	h.must(err)
	out, err := h.s.TakeToSend(h.ctx, m.ID, h.now.Add(patience), patience) // who took it is gone
	h.must(err)
	if out.Was != desk.SendUnknown || out.Tries != 2 {
		h.Fatalf("got %+v", out)
	}
	h.must(h.s.Undelivered(h.ctx, m.ID, desk.SendUnknown, "connection reset", nil))
	out, err = h.s.TakeToSend(h.ctx, m.ID, h.now.Add(patience), patience)
	h.must(err)
	h.equal("state", out.Was, desk.SendUnknown)
	h.must(h.s.Undelivered(h.ctx, m.ID, desk.SendQueued, "was not there", nil))
	out, err = h.s.TakeToSend(h.ctx, m.ID, h.now.Add(patience), patience)
	h.must(err)
	h.equal("state", out.Was, desk.SendQueued)
}

func answerFails(h *house) {
	t := h.opened("a")
	m := h.answer(t.ID)
	_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience)
	h.must(err)
	up := 1
	loud := func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, Escalation: &up})
	}
	h.must(h.s.Undelivered(h.ctx, m.ID, desk.SendFailed, "no such mailbox", loud))
	h.equal("escalation", h.ticket(t.ID).Escalation, 1)
	up = 2
	h.refused(h.s.Undelivered(h.ctx, m.ID, desk.SendFailed, "again", loud), desk.ErrSettled)
	h.equal("escalation", h.ticket(t.ID).Escalation, 1)
	got, err := h.s.Message(h.ctx, m.ID)
	h.must(err)
	h.equal("state", got.Send, desk.SendFailed)
	h.refused(h.s.Undelivered(h.ctx, "unknown", desk.SendFailed, "", nil), desk.ErrNotFound)
}
