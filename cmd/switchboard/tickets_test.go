package main

import (
	"errors"
	"testing"

	"switchboard/pipeline/desk"
)

// A reaction in Slack names the message it is to, and an answer in a thread is
// told by its thread's key alone: it sets the status of its ticket all the same.
func TestStatusByAnyMessageOfATicket(t *testing.T) {
	h := live(t, "sources:\n  - { name: support, channel: email }\n")
	file := func(id, handle string) desk.Receipt {
		t.Helper()
		r, err := h.intake.FileNow(t.Context(), &desk.Draft{Source: "acme", Channel: desk.Slack, Scope: "SLACK", ExternalID: id, Fingerprint: id,
			Thread: desk.Thread{Key: "T1:C1:1.1", Plain: true}, From: desk.Party{Name: "Ada", Handle: handle}, Text: "words of " + id, ReceivedAt: h.now()})
		if err != nil || r.State != desk.Filed {
			t.Fatalf("%+v %v", r, err)
		}
		return r
	}
	ticket := file("T1:C1:1.1", "UADA").TicketID
	if file("T1:C1:1.2", "UBOB").TicketID != ticket {
		t.Fatal("the answer is on another ticket")
	}
	by := desk.Actor{Kind: desk.ByAgent, ID: "UCLEO", Name: "Cleo"}
	for _, c := range []struct {
		id     string
		status desk.Status
	}{{"T1:C1:1.1", desk.StatusInProgress}, {"T1:C1:1.2", desk.StatusResolved}} {
		err := h.SetStatus(t.Context(), "SLACK", c.id, c.status, by)
		k, err2 := h.store.Ticket(t.Context(), string(ticket))
		if err != nil || err2 != nil || k.Status != c.status {
			t.Errorf("by %s: %v %v, it is %s", c.id, err, err2, k.Status)
		}
	}
	for scope, id := range map[string]string{"SLACK": "T1:C1:1.3", "OTHER": "T1:C1:1.2"} {
		if err := h.SetStatus(t.Context(), scope, id, desk.StatusOpen, by); !errors.Is(err, desk.ErrNotFound) {
			t.Errorf("%s in %s: %v", id, scope, err)
		}
	}
}
