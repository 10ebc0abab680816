package pipeline

import (
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// A clock that begins paused is due at no time yet, and the trail gives it none.
func TestAClockThatBeginsPaused(t *testing.T) {
	p := house(t)
	p.SLAs[0].PauseOn = []desk.Category{desk.CategoryPending}
	p.Rules = []desk.Rule{{Name: "waits", Then: desk.Action{Status: desk.StatusPending}}}
	_, f := run(t, newShelf(), p, mail("m", "a@b.example", "x", "y"), noon)
	if got := trail(f); strings.Contains(got, "0001") || !strings.Contains(got, "RESOLUTION waits while the ticket is PENDING: 8h0m0s of working time") {
		t.Error(got)
	}
}

// An SLA that promises nothing but the next response keeps that.
func TestNothingButTheNextResponse(t *testing.T) {
	s, p := newShelf(), house(t)
	p.SLAs[0].Targets = []desk.Target{{Metric: desk.NextResponse, Default: time.Hour}}
	d := mail("root@acme", "alice@acme.example", "Printer on fire", "it burns")
	_, f := run(t, s, p, d, noon)
	if due, ok := f.Ticket.NextDue(); ok || !strings.Contains(trail(f), "NEXT_RESPONSE starts when the customer writes after an answer: 1h0m0s") {
		t.Errorf("a new ticket is due %s\n%s", due, trail(f))
	}
	tk := s.tickets[s.file(t, d, f)]
	if _, err := tk.Apply(p, desk.Change{At: noon.Add(time.Hour), Said: &desk.Said{By: desk.ByAgent, Public: true}}); err != nil {
		t.Fatal(err)
	}
	d = mail("r1", "alice@acme.example", "Re: Printer on fire", "still", "root@acme")
	_, f = run(t, s, p, d, noon.Add(2*time.Hour))
	s.file(t, d, f)
	if due, ok := tk.NextDue(); !ok || !due.Equal(noon.Add(3*time.Hour)) {
		t.Errorf("after the customer's answer due %v %s, want 15:00: %+v\n%s", ok, due, tk.Clocks, trail(f))
	}
}
