package storetest

import (
	"time"

	"switchboard/pipeline/desk"
)

// unreached fails unless a filter finds just these answers.
func (h *house) unreached(f desk.UnreachedFilter, want ...desk.MessageID) {
	h.Helper()
	found, err := h.s.Unreached(h.ctx, f)
	h.must(err)
	var ids []desk.MessageID
	for _, u := range found {
		ids = append(ids, u.ID)
		if u.Ticket == "" || u.Source == "" || u.Reason == "" {
			h.Errorf("found %+v", u)
		}
	}
	h.equal("found", ids, want)
}

func answerResent(h *house) {
	by := desk.Actor{Kind: desk.BySystem, ID: "resend"}
	fail := func(key, reason string) *desk.Message {
		h.Helper()
		m := h.answer(h.opened(key).ID)
		_, err := h.s.TakeToSend(h.ctx, m.ID, h.now, patience, "worker")
		h.must(err)
		h.must(h.s.Undelivered(h.ctx, m.ID, 1, desk.SendFailed, reason, nil))
		return m
	}
	one, two, gone := fail("a", "given up: 50%_off\\"), fail("b", "no such mailbox: ZOË"), fail("c", "no such mailbox: ZOË")
	waits := h.answer(h.opened("d").ID)
	_, err := h.s.Revise(h.ctx, gone.TicketID, desk.Revision{Message: gone.ID, Act: desk.ActDelete, At: h.now}, by, nil)
	h.must(err)

	h.unreached(desk.UnreachedFilter{}, one.ID, two.ID)
	h.unreached(desk.UnreachedFilter{Limit: 1}, one.ID)
	h.unreached(desk.UnreachedFilter{After: one.ID}, two.ID)
	h.unreached(desk.UnreachedFilter{IDs: []desk.MessageID{two.ID, waits.ID, gone.ID}}, two.ID)
	h.unreached(desk.UnreachedFilter{Reason: "50%_OFF\\"}, one.ID)
	h.unreached(desk.UnreachedFilter{Reason: "50x"})
	h.unreached(desk.UnreachedFilter{Reason: "Zoë"}, two.ID)
	h.unreached(desk.UnreachedFilter{Since: h.now.Add(-time.Hour), Until: h.now.Add(time.Hour)}, one.ID, two.ID)
	h.unreached(desk.UnreachedFilter{Since: h.now.Add(time.Hour)})
	h.unreached(desk.UnreachedFilter{Until: h.now.Add(-time.Hour)})
	found, err := h.s.Unreached(h.ctx, desk.UnreachedFilter{})
	h.must(err)
	h.unreached(desk.UnreachedFilter{Source: found[0].Source}, one.ID, two.ID)
	h.unreached(desk.UnreachedFilter{Source: "nobody"})

	chat := *waits // by a source of its own, and not the ticket's
	chat.ID, chat.Via = desk.NewID[desk.MessageID](h.now.Add(time.Second)), &desk.Via{Source: "chat", To: desk.Party{Handle: "ann"}}
	_, _, err = h.s.AddMessage(h.ctx, &chat, nil)
	h.must(err)
	h.must(h.s.Undelivered(h.ctx, chat.ID, 0, desk.SendFailed, "blocked", nil))
	h.unreached(desk.UnreachedFilter{Source: "chat"}, chat.ID)
	h.unreached(desk.UnreachedFilter{Source: found[0].Source}, one.ID, two.ID)
	h.must(h.s.Resend(h.ctx, chat.ID, by, h.now))

	for _, id := range []desk.MessageID{waits.ID, gone.ID} {
		h.refused(h.s.Resend(h.ctx, id, by, h.now), desk.ErrSettled)
	}
	h.refused(h.s.Resend(h.ctx, "unknown", by, h.now), desk.ErrNotFound)
	h.must(h.s.Resend(h.ctx, two.ID, by, h.now))
	h.refused(h.s.Resend(h.ctx, two.ID, by, h.now), desk.ErrSettled)
	h.unreached(desk.UnreachedFilter{}, one.ID)
	events, err := h.s.Events(h.ctx, two.TicketID, 0, 200)
	h.must(err)
	if last := events[len(events)-1]; last.Kind != desk.EventCommentResent || last.Data["message"] != string(two.ID) {
		h.Errorf("the ticket says %+v", last)
	}
	out, err := h.s.TakeToSend(h.ctx, two.ID, h.now, patience, "worker") // at once, to be probed, with tries of its own
	h.must(err)
	if out.Was != desk.SendUnknown || out.Tries != 1 || out.Begun != 1 || !out.CutOff.IsZero() {
		h.Errorf("taken %+v", out)
	}
}
