package storetest

import (
	"fmt"
	"maps"
	"time"

	"switchboard/pipeline/desk"
)

// pulse: what waits is counted by state, and nothing that ended is.
func pulse(h *house) {
	look := func(what string, oldest time.Time, receipts map[desk.State]int, answers map[desk.SendState]int) {
		h.Helper()
		p, err := h.s.Pulse(h.ctx)
		h.must(err)
		h.equal(what+": oldest", p.Oldest, oldest)
		h.equal(what+": receipts", p.Receipts, receipts)
		h.equal(what+": answers", p.Answers, answers)
	}
	none := map[desk.SendState]int{desk.SendQueued: 0, desk.SendSending: 0, desk.SendUnknown: 0, desk.SendFailed: 0}
	look("empty", time.Time{}, map[desk.State]int{desk.Accepted: 0, desk.Held: 0, desk.Failed: 0}, none)
	first := h.now
	var all []desk.Receipt
	for i := range 5 {
		all = append(all, h.accept(h.draft(fmt.Sprint(i)))[0])
		h.now = h.now.Add(time.Minute)
	}
	look("accepted", first, map[desk.State]int{desk.Accepted: 5, desk.Held: 0, desk.Failed: 0}, none)
	h.must(h.s.Fail(h.ctx, all[0].ID, "broken", h.now))
	filing := h.opens(h.receipt(all[1].ID))
	h.filed(filing)
	look("one failed, one filed", first.Add(2*time.Minute), map[desk.State]int{desk.Accepted: 3, desk.Held: 0, desk.Failed: 1}, none)

	ids := make([]desk.MessageID, 4)
	for i := range ids {
		m := &desk.Message{ID: desk.NewID[desk.MessageID](h.now), TicketID: filing.Ticket.ID, Direction: desk.Outbound, Public: true, Scope: "API",
			ExternalID: fmt.Sprint("answer", i), Send: desk.SendQueued, CreatedAt: h.now, Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
		_, _, err := h.s.AddMessage(h.ctx, m, nil)
		h.must(err)
		ids[i] = m.ID
		h.now = h.now.Add(time.Second)
	}
	out, err := h.s.TakeToSend(h.ctx, ids[0], h.now, time.Minute, "")
	h.must(err)
	h.equal("the answer's trace", out.Reply.Message.Trace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	want := maps.Clone(none)
	want[desk.SendQueued], want[desk.SendSending] = 3, 1
	receipts := map[desk.State]int{desk.Accepted: 3, desk.Held: 0, desk.Failed: 1}
	look("one is sent", first.Add(2*time.Minute), receipts, want)
	h.must(h.s.Undelivered(h.ctx, ids[0], out.Tries, desk.SendFailed, "refused", nil))
	_, err = h.s.TakeToSend(h.ctx, ids[1], h.now, time.Minute, "")
	h.must(err)
	h.must(h.s.Delivered(h.ctx, ids[1], desk.Proof{ExternalID: "x", At: h.now}))
	want[desk.SendQueued], want[desk.SendSending], want[desk.SendFailed] = 2, 0, 1
	look("one failed, one went", first.Add(2*time.Minute), receipts, want)
}
