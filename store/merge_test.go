package store

import (
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// A ticket that was filed while its customer was merged names the record that is
// no more: its answers go to the person all the same, and automatic ones count.
func TestAnswersOfATicketThatTheMergeMissed(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) { // customer3 was merged into customer2
		h.must(h.s.w.Exec("UPDATE tickets SET customer_id = ? WHERE id = ?", h.names["customer3"], h.names["ticket3"]).Error)
		h.must(h.s.Delivered(t.Context(), desk.MessageID(h.names["sending"]), desk.Proof{ExternalID: "earlier", At: h.now}))
		answer := func(ticket string) *desk.Outgoing {
			h.now = h.now.Add(time.Second)
			m := &desk.Message{ID: desk.NewID[desk.MessageID](h.now), TicketID: desk.TicketID(h.names[ticket]), Direction: desk.Outbound, Public: true, Channel: desk.API,
				Source: "api", Scope: "EMAIL", Text: "we got it", Send: desk.SendQueued, Auto: desk.Auto{Kind: desk.AutoReply}, CreatedAt: h.now}
			_, _, err := h.s.AddMessage(t.Context(), m, nil)
			h.must(err)
			out, err := h.s.TakeToSend(t.Context(), m.ID, h.now, time.Minute, "")
			h.must(err)
			h.must(h.s.Delivered(t.Context(), m.ID, desk.Proof{ExternalID: string(m.ID), At: h.now}))
			return out
		}
		for n, ticket := range []string{"ticket3", "ticket2", "ticket3"} {
			out := answer(ticket)
			if to := out.Reply.To; len(to) != 2 || to[0].Handle != "case2@example.com" || to[1].Handle != "case3@example.com" || to[0].Name != "Ann" {
				t.Errorf("%s: it goes to %+v", ticket, to)
			}
			if out.Automatic != n {
				t.Errorf("%s: %d automatic answers before, want %d", ticket, out.Automatic, n)
			}
		}
		if handles, err := h.s.Identities(t.Context(), desk.CustomerID(h.names["customer3"])); err != nil || len(handles) != 2 {
			t.Errorf("handles by the old name: %v, %v", handles, err)
		}
	})
}
