package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// The history of a ticket is told to its end, however long it is.
func TestExplainLongHistory(t *testing.T) {
	l := live(t, "")
	r := l.mail("From: Ann <ann@shop.example>\nTo: support@desk.example\nSubject: it broke\nMessage-ID: <broke@shop.example>\n\nHelp.\n", nil)
	ticket, err := l.store.Ticket(t.Context(), string(r.TicketID))
	if err != nil {
		t.Fatal(err)
	}
	for i := range desk.MaxPage + 10 {
		title := fmt.Sprint("it broke ", i)
		ticket, err = l.store.Change(t.Context(), ticket.ID, 0, func(t *desk.Ticket) ([]desk.Event, error) {
			return t.Apply(l.policy(), desk.Change{At: l.now(), By: desk.Actor{Kind: desk.BySystem}, Title: &title})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := l.explainTicket(t.Context(), &out, ticket); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\nevent "); n != ticket.EventCount || n <= desk.MaxPage {
		t.Errorf("%d of %d events are told", n, ticket.EventCount)
	}
}
