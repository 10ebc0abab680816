package storetest

import (
	"time"

	"switchboard/pipeline/desk"
)

// begun fails unless so many took an answer and told no end.
func (h *house) begun(id desk.MessageID, want int) {
	h.Helper()
	n, err := h.s.Begun(h.ctx, id)
	h.must(err)
	h.equal("begun", n, want)
}

func answerAbandoned(h *house) {
	held, other, none := h.answer(h.opened("a").ID), h.answer(h.opened("b").ID), h.answer(h.opened("c").ID)
	waits := h.answer(held.TicketID)
	for id, holder := range map[desk.MessageID]string{held.ID: "dead", other.ID: "alive", none.ID: ""} {
		_, err := h.s.TakeToSend(h.ctx, id, h.now, patience, holder)
		h.must(err)
	}
	sent := h.answer(h.opened("d").ID)
	_, err := h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "dead")
	h.must(err)
	h.must(h.s.Delivered(h.ctx, sent.ID, desk.Proof{ExternalID: "<d>", At: h.now}))

	ids, err := h.s.Abandoned(h.ctx, "dead")
	h.must(err)
	h.equal("abandoned", ids, []desk.MessageID{held.ID})
	for _, holder := range []string{"dead", "", "nobody"} {
		ids, err = h.s.Abandoned(h.ctx, holder)
		h.must(err)
		h.equal("abandoned by "+holder, len(ids), 0)
	}
	for id, want := range map[desk.MessageID]desk.SendState{held.ID: desk.SendUnknown, other.ID: desk.SendSending, none.ID: desk.SendSending, sent.ID: desk.SendSent,
		waits.ID: desk.SendQueued} {
		m, err := h.s.Message(h.ctx, id)
		h.must(err)
		h.equal("state", m.Send, want)
	}
	later := h.now.Add(time.Second) // the sweep need not wait to find it either
	ids, err = h.s.Unsent(h.ctx, later, h.now.Add(-time.Hour), later, 10)
	h.must(err)
	h.equal("found", ids, []desk.MessageID{held.ID, waits.ID})
	_, err = h.s.TakeToSend(h.ctx, waits.ID, h.now, patience, "")
	h.refused(err, desk.ErrBusy)
	out, err := h.s.TakeToSend(h.ctx, held.ID, h.now, patience, "next")
	h.must(err)
	if out.Was != desk.SendUnknown || out.Tries != 2 || out.Begun != 2 || !out.CutOff.Equal(h.now) {
		h.Fatalf("got %+v", out)
	}

	// Who sent nothing puts it back as it was, until the dead one's time is up.
	until := h.now.Add(patience)
	h.must(h.s.PutBack(h.ctx, held.ID, out.Tries, until))
	h.refused(h.s.PutBack(h.ctx, held.ID, out.Tries, until), desk.ErrSettled)
	h.begun(held.ID, 1)
	_, err = h.s.TakeToSend(h.ctx, held.ID, until.Add(-time.Second), patience, "early")
	h.refused(err, desk.ErrBusy)
	out, err = h.s.TakeToSend(h.ctx, held.ID, until, patience, "next")
	h.must(err)
	if out.Was != desk.SendUnknown || out.Tries != 3 || out.Begun != 2 || !out.CutOff.IsZero() {
		h.Fatalf("got %+v", out)
	}

	// Who cannot be seen, and says so, is not taken for dead.
	h.must(h.s.Unwatched(h.ctx, "next"))
	ids, err = h.s.Abandoned(h.ctx, "next")
	h.must(err)
	h.equal("unwatched", len(ids), 0)
	_, err = h.s.TakeToSend(h.ctx, held.ID, until.Add(time.Second), patience, "")
	h.refused(err, desk.ErrBusy)

	// So is what was sent and is being changed on the other side.
	_, err = h.s.Revise(h.ctx, sent.TicketID, desk.Revision{Message: sent.ID, Act: desk.ActEdit, Text: "better", At: h.now}, desk.Actor{Kind: desk.ByAgent, ID: "bob"}, nil)
	h.must(err)
	_, err = h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "editor")
	h.must(err)
	_, err = h.s.Abandoned(h.ctx, "editor")
	h.must(err)
	out, err = h.s.TakeToSend(h.ctx, sent.ID, h.now, patience, "")
	h.must(err)
	if out.Was != desk.SendSent || out.Begun != 2 {
		h.Fatalf("got %+v", out)
	}
}

// answerFenced has one that was only paused go on while another has its answer.
func answerFenced(h *house) {
	t := h.opened("a")
	m := h.answer(t.ID)
	paused, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "paused")
	h.must(err)
	holds := func(try int, want bool) {
		h.Helper()
		mine, err := h.s.Holds(h.ctx, m.ID, try)
		h.must(err)
		h.equal("holds", mine, want)
	}
	holds(paused.Tries, true)
	_, err = h.s.Abandoned(h.ctx, "paused")
	h.must(err)
	holds(paused.Tries, false)
	other, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "other")
	h.must(err)
	holds(paused.Tries, false)
	holds(other.Tries, true)

	h.refused(h.s.Postpone(h.ctx, m.ID, paused.Tries, desk.SendQueued, "late", h.now), desk.ErrSettled)
	up := 1
	h.refused(h.s.Undelivered(h.ctx, m.ID, paused.Tries, desk.SendFailed, "late", func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, Escalation: &up})
	}), desk.ErrSettled)
	h.equal("escalation", h.ticket(t.ID).Escalation, 0)
	h.begun(m.ID, 2)
	_, err = h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "third")
	h.refused(err, desk.ErrBusy)

	// Both had sent it: the first to say so is believed, answers to either thread.
	h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "<first>", At: h.now}))
	h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "<second>", At: h.now.Add(time.Minute)}))
	got, err := h.s.Message(h.ctx, m.ID)
	h.must(err)
	if got.Send != desk.SendSent || got.ExternalID != "<first>" || got.SentAt != h.now {
		h.Fatalf("got %+v", got)
	}
	h.equal("an answer to the first", h.owner("<first>"), t.ID)
	h.equal("an answer to the second", h.owner("<second>"), t.ID)
	h.begun(m.ID, 0)
}

func answerBegun(h *house) {
	m := h.answer(h.opened("a").ID)
	take := func(begun int) *desk.Outgoing {
		h.Helper()
		h.now = h.now.Add(patience) // who took it before is gone
		out, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "")
		h.must(err)
		h.equal("begun", out.Begun, begun)
		h.begun(m.ID, begun)
		return out
	}
	h.begun(m.ID, 0)
	take(1)
	take(2)
	out := take(3)
	h.must(h.s.Postpone(h.ctx, m.ID, out.Tries, desk.SendUnknown, "cut off", h.now))
	h.begun(m.ID, 0)
	take(1)
	out = take(2)
	h.must(h.s.Undelivered(h.ctx, m.ID, out.Tries, desk.SendQueued, "refused", nil))
	take(1)
	h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{ExternalID: "<1>", At: h.now}))
	h.begun(m.ID, 0)
	h.begun("unknown", 0)
}
