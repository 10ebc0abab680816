package store

import (
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
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

// What comes in by a handle while it is split off goes with it. Only PostgreSQL
// writes two things at once.
func TestSplitTakesWhatCameMeanwhile(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h := newAuditHouse(t, s) // customer3 was merged into customer2
	old := desk.CustomerID(h.names["customer2"])
	f := h.opens(h.accepts("mail", "late", func(d *desk.Draft) { d.From.Handle = "case3@example.com" }))
	f.Customer, f.NewCustomer, f.Account, f.Identities, f.Ticket.CustomerID, f.Message.Author.ID = nil, false, nil, nil, old, string(old)
	meanwhile(t, s, `FROM "tickets"`, func() { h.filed(f) })
	handle := []desk.Identity{{Kind: "email", Handle: "case3@example.com"}}
	split, err := s.SplitCustomer(t.Context(), old, handle, desk.Actor{Kind: desk.ByAgent, ID: "ada"}, h.now)
	h.must(err)
	for _, id := range []string{h.names["ticket3"], string(f.Ticket.ID)} {
		ticket, err := s.Ticket(t.Context(), id)
		h.must(err)
		if ticket.CustomerID != split.Customer.ID {
			t.Errorf("ticket %d is %s's, want %s's", ticket.Number, ticket.CustomerID, split.Customer.ID)
		}
	}
}
