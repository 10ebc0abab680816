package store

import (
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// A vendor's clock need not go by ours: what it says of a contact, or of the message
// that began a conversation, is no difference.
func TestAuditOfOtherClocks(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		h.must(h.s.KeepContact(ctx, desk.Contact{Source: "teams", Kind: desk.Person, Handle: "bob", Address: []byte("{}"), At: time.Now().Add(time.Minute)}))
		ticket := desk.TicketID(h.names["ticket3"])
		tk, err := h.s.Ticket(ctx, string(ticket))
		h.must(err)
		m := &desk.Message{ID: desk.NewID[desk.MessageID](h.now), TicketID: ticket, Direction: desk.Outbound, Public: true, Send: desk.SendQueued, Channel: desk.API,
			Source: "api", Scope: "SLACK", Author: desk.Actor{Kind: desk.ByAgent, ID: "ada"}, Text: "hello", CreatedAt: h.now, Via: &desk.Via{Source: "slack"}}
		_, _, err = h.s.AddMessage(ctx, m, func(t *desk.Ticket) ([]desk.Event, error) {
			return t.Apply(h.policy(), desk.Change{At: h.now, By: m.Author, Said: &desk.Said{Message: m.ID, By: desk.ByAgent, Public: true}})
		})
		h.must(err)
		_, err = h.s.TakeToSend(ctx, m.ID, h.now, time.Minute, "")
		h.must(err)
		h.must(h.s.Delivered(ctx, m.ID, desk.Proof{ExternalID: "theirs", At: tk.CreatedAt.Add(-10 * time.Second),
			Begun: &desk.Begun{Handle: "U1", Thread: desk.Thread{Key: "theirs"}}}))
		h.clean("with other clocks")
	})
}
