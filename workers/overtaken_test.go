package workers

import (
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// An edit that comes before its message waits for it, and the message does not wait
// for the edit, which is in its conversation and was accepted before.
func TestAnEditThatOvertookItsMessage(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i.now = func() time.Time { return at }
	said := func(id, text string) *desk.Draft {
		return &desk.Draft{Source: "shop", Channel: desk.Chat, Scope: "CHAT", ExternalID: id, Fingerprint: desk.Fingerprint(id, text),
			From: desk.Party{Handle: "shop:7"}, Text: text, ReceivedAt: at, Thread: desk.Thread{Key: "shop:c1"}}
	}
	accept, look := onesteps(t, w, i)
	change := said("e1", "the printer smokes")
	change.Act, change.Target = desk.ActEdit, "m1"
	edit := accept(change)
	look(edit, desk.Accepted)
	at = at.Add(time.Minute) // a file of the message took so long to fetch
	look(edit, desk.Accepted)
	message := accept(said("m1", "the printer burns"))
	look(edit, desk.Accepted)
	opened := look(message, desk.Filed)
	if r := look(edit, desk.Filed); r.TicketID != opened.TicketID {
		t.Error("the edit is on another ticket")
	}
	m, err := w.Message(t.Context(), opened.MessageID)
	if err != nil || m.Text != "the printer smokes" {
		t.Errorf("it says %q, %v", m.Text, err)
	}
}
