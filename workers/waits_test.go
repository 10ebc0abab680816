package workers

import (
	"slices"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker/brokertest"
)

// onesteps take a draft in, and run its receipt once and say what became of it.
func onesteps(t *testing.T, w *watched, i *Intake) (accept func(*desk.Draft) []desk.ReceiptID, look func([]desk.ReceiptID, desk.State) desk.Receipt) {
	accept = func(d *desk.Draft) []desk.ReceiptID {
		t.Helper()
		ids, err := i.accept(t.Context(), nil, []*desk.Draft{d})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	look = func(ids []desk.ReceiptID, want desk.State) desk.Receipt {
		t.Helper()
		if err := i.Process(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		r, err := w.Receipt(t.Context(), ids[0])
		if err != nil || r.State != want {
			t.Fatalf("%s is %s (%s), want %s; %v", r.ExternalID, r.State, r.Reason, want, err)
		}
		return r
	}
	return accept, look
}

// After an outage a reply is older than any patience before it is first looked at.
// It waits for its parent all the same, which is in another task; but not for ever.
func TestAReplyWaitsForItsParentAfterAnOutage(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i.now = func() time.Time { return at }
	accept, look := onesteps(t, w, i)
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

// What waits is in the queue, in ever new tasks: no sweep takes it for forgotten while
// somebody brings it, and every sweep does when nobody does any more.
func TestWhatWaitsIsNotTakenForForgotten(t *testing.T) {
	w := openBooks(t)
	_, d := queued(t, brokertest.Embedded(t))
	i := intake(t, w, d)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i.now = func() time.Time { return at }
	var ids []desk.ReceiptID
	for _, m := range []*desk.Draft{mail("reply", "c@b.example", "Re: hello", "parent"), mail("parent", "a@b.example", "hello")} {
		got, err := i.accept(t.Context(), nil, []*desk.Draft{m})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got[0])
	}
	reply := ids[:1]
	forgotten := func() bool {
		t.Helper()
		got, err := w.Stale(t.Context(), "support", at.Add(-i.set.SweepAfter), at.Add(-min(i.set.SweepAgain, 2*i.set.SweepAfter)), at, 1)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Equal(got, reply)
	}
	for range int(i.set.ParentWait / time.Second) {
		if err := i.Process(t.Context(), reply); err != nil {
			t.Fatal(err)
		}
		if forgotten() {
			t.Fatalf("taken for forgotten while it is brought again and again")
		}
		at = at.Add(time.Second)
	}
	if r, err := w.Receipt(t.Context(), reply[0]); err != nil || r.State != desk.Accepted {
		t.Fatalf("the reply is %s, %v", r.State, err)
	}
	if at = at.Add(3 * i.set.SweepAfter); !forgotten() {
		t.Error("not found when nobody brings it any more")
	}
}
