package workers

import (
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// After an outage a reply is older than any patience before it is first looked at.
// It waits for its parent all the same, which is in another task; but not for ever.
func TestAReplyWaitsForItsParentAfterAnOutage(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i.now = func() time.Time { return at }
	accept := func(d *desk.Draft) []desk.ReceiptID {
		t.Helper()
		ids, err := i.accept(t.Context(), nil, []*desk.Draft{d})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	look := func(ids []desk.ReceiptID, want desk.State) desk.Receipt {
		t.Helper()
		if err := i.Process(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		r, err := w.Receipt(t.Context(), ids[0])
		if err != nil || r.State != want {
			t.Fatalf("%s is %s, want %s; %v", r.ExternalID, r.State, want, err)
		}
		return r
	}
	parent := accept(mail("parent", "a@b.example", "hello"))
	reply := accept(mail("reply", "c@b.example", "Re: hello", "parent"))
	left := accept(mail("left", "d@b.example", "Re: other", "stuck"))
	accept(mail("stuck", "e@b.example", "other"))
	at = at.Add(time.Hour) // the outage
	look(reply, desk.Accepted)
	look(left, desk.Accepted)
	at = at.Add(i.set.ParentWait / 2)
	look(reply, desk.Accepted)
	look(left, desk.Accepted)
	opened := look(parent, desk.Filed)
	if joined := look(reply, desk.Filed); joined.TicketID != opened.TicketID {
		t.Errorf("the reply is on another ticket")
	}
	ticket, err := w.Ticket(t.Context(), string(opened.TicketID))
	if err != nil || ticket.Title != "hello" {
		t.Errorf("the ticket is about %q, want what its first message says; %v", ticket.Title, err)
	}
	at = at.Add(i.set.ParentWait/2 + time.Second)
	look(left, desk.Filed)
	if n := i.waits.n.Load(); n != 0 {
		t.Errorf("%d waits are remembered when nothing waits", n)
	}
}

func TestWaitsOfWhatOthersFiledAreForgotten(t *testing.T) {
	var w waits
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w.goesOn("a", at, at)
	w.goesOn("b", at, at.Add(waitGone/2))
	if got := w.since("a", at.Add(time.Minute)); !got.Equal(at) {
		t.Errorf("a waits since %s", got)
	}
	w.goesOn("b", at, at.Add(waitGone+time.Second))
	if n := w.n.Load(); n != 1 {
		t.Errorf("%d are remembered, want one", n)
	}
	w.ended("b")
	if now := at.Add(time.Hour); w.n.Load() != 0 || !w.since("b", now).Equal(now) {
		t.Error("b still waits")
	}
}
