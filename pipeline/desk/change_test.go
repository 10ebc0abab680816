package desk

import (
	"errors"
	"slices"
	"testing"
	"time"

	"switchboard/pipeline/hours"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a Monday

// office is open Monday to Friday 09:00 to 17:00 UTC.
func office(t *testing.T) *Policy {
	t.Helper()
	cal := &hours.Calendar{Name: "office", Location: time.UTC}
	for d := time.Monday; d <= time.Friday; d++ {
		cal.Week[d] = []hours.Window{{From: 9 * 60, To: 17 * 60}}
	}
	if err := cal.Validate(); err != nil {
		t.Fatal(err)
	}
	p := NewPolicy()
	p.Calendars["office"] = cal
	p.SLAs = []SLA{{Name: "standard", Calendar: "office", PauseOn: []Category{CategoryPending, CategoryOnHold}, Targets: []Target{
		{Metric: FirstResponse, Default: 2 * time.Hour},
		{Metric: NextResponse, Default: time.Hour},
		{Metric: Resolution, By: map[Priority]time.Duration{High: 4 * time.Hour, Urgent: 2 * time.Hour}, Default: 10 * time.Hour},
	}}}
	return p
}

func newTicket(t *testing.T, p *Policy, pr Priority, at time.Time) *Ticket {
	t.Helper()
	tk := &Ticket{ID: NewID[TicketID](at), Status: StatusNew, Priority: pr, Tags: []string{}, Custom: map[string]any{}, CreatedAt: at}
	if err := tk.StartClocks(p, p.SLAs[0], at); err != nil {
		t.Fatal(err)
	}
	return tk
}

func (t *Ticket) clockOf(m Metric) *Clock {
	for i := range t.Clocks {
		if t.Clocks[i].Metric == m {
			return &t.Clocks[i]
		}
	}
	return nil
}

func apply(t *testing.T, tk *Ticket, p *Policy, c Change) []Event {
	t.Helper()
	events, err := tk.Apply(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func kinds(events []Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

func ptr[T any](v T) *T { return &v }

// The vendor's worked example: hours 9 to 17, ten working hours from Monday
// 10:00 end Tuesday 12:00.
func TestResolutionDueInWorkingTime(t *testing.T) {
	tk := newTicket(t, office(t), Medium, monday.Add(time.Hour))
	want := monday.Add(27 * time.Hour)
	if got := tk.clockOf(Resolution).DueAt; !got.Equal(want) {
		t.Errorf("due %s, want %s", got, want)
	}
}

// High 4 h, made Urgent 2 h after one hour: breach one hour later.
func TestPriorityChangeKeepsTimeUsed(t *testing.T) {
	p := office(t)
	tk := newTicket(t, p, High, monday)
	apply(t, tk, p, Change{At: monday.Add(time.Hour), Priority: ptr(Urgent)})
	if got, want := tk.clockOf(Resolution).DueAt, monday.Add(2*time.Hour); !got.Equal(want) {
		t.Errorf("due %s, want %s", got, want)
	}
	// Three hours in, the new target is long used up: due at once, one breach.
	late := newTicket(t, p, High, monday)
	apply(t, late, p, Change{At: monday.Add(3 * time.Hour), Priority: ptr(Urgent)})
	if got, want := late.clockOf(Resolution).DueAt, monday.Add(3*time.Hour); !got.Equal(want) {
		t.Errorf("due %s, want %s", got, want)
	}
	now := monday.Add(3*time.Hour + time.Minute)
	if n := len(slices.DeleteFunc(late.Breach(now), func(e Event) bool { return e.Data["metric"] != Resolution })); n != 1 {
		t.Errorf("%d breaches, want 1", n)
	}
	if n := len(late.Breach(now.Add(time.Hour))); n != 0 {
		t.Errorf("breached again %d times", n)
	}
}

func TestPauseMovesDueByWorkingTime(t *testing.T) {
	p := office(t)
	tk := newTicket(t, p, High, monday) // due 13:00
	apply(t, tk, p, Change{At: monday.Add(time.Hour), Status: ptr(StatusPending)})
	if c := tk.clockOf(Resolution); c.State != ClockPaused || !c.DueAt.IsZero() {
		t.Fatalf("not paused: %+v", c)
	}
	if c := tk.clockOf(FirstResponse); c.State != ClockRunning {
		t.Errorf("first response must not pause: %s", c.State)
	}
	// Paused Monday 10:00 to Tuesday 09:00: seven working hours.
	apply(t, tk, p, Change{At: monday.Add(24 * time.Hour), Status: ptr(StatusOpen)})
	if got, want := tk.clockOf(Resolution).DueAt, monday.Add(27*time.Hour); !got.Equal(want) {
		t.Errorf("due %s, want %s", got, want)
	}
	// A pause outside working hours adds nothing.
	tk = newTicket(t, p, High, monday.Add(7*time.Hour)) // 16:00, due Tuesday 12:00
	apply(t, tk, p, Change{At: monday.Add(9 * time.Hour), Status: ptr(StatusOnHold)})
	apply(t, tk, p, Change{At: monday.Add(20 * time.Hour), Status: ptr(StatusOpen)})
	if got, want := tk.clockOf(Resolution).DueAt, monday.Add(27*time.Hour); !got.Equal(want) {
		t.Errorf("due %s, want %s", got, want)
	}
}

func TestNextResponseRounds(t *testing.T) {
	p := office(t)
	tk := newTicket(t, p, Medium, monday)
	says := func(after time.Duration, by ActorKind, public bool) {
		apply(t, tk, p, Change{At: monday.Add(after), By: Actor{Kind: by}, Said: &Said{By: by, Public: public}})
	}
	says(5*time.Minute, ByCustomer, true)
	if tk.clockOf(NextResponse) != nil {
		t.Fatal("a next-response clock before the first response")
	}
	says(8*time.Minute, ByAgent, false)
	if tk.clockOf(FirstResponse).State != ClockRunning {
		t.Fatal("an internal note answered the customer")
	}
	says(10*time.Minute, ByAgent, true)
	if tk.clockOf(FirstResponse).State != ClockMet || tk.FirstResponseAt == nil {
		t.Fatal("first response not met")
	}
	if tk.Status != StatusOpen {
		t.Errorf("status %s after the first answer, want OPEN", tk.Status)
	}
	says(40*time.Minute, ByCustomer, true)
	says(50*time.Minute, ByCustomer, true) // keeps the first start
	if got, want := tk.clockOf(NextResponse).DueAt, monday.Add(100*time.Minute); !got.Equal(want) {
		t.Errorf("next response due %s, want %s", got, want)
	}
	says(55*time.Minute, ByAgent, true)
	if tk.clockOf(NextResponse).State != ClockMet {
		t.Error("next response not met")
	}
	says(60*time.Minute, ByCustomer, true)
	if c := tk.clockOf(NextResponse); c.State != ClockRunning || !c.StartedAt.Equal(monday.Add(time.Hour)) {
		t.Errorf("a new round must run from the new message: %+v", c)
	}
}

func TestResolveReopenClose(t *testing.T) {
	p := office(t)
	tk := newTicket(t, p, High, monday)
	apply(t, tk, p, Change{At: monday.Add(time.Hour), Status: ptr(StatusResolved)})
	if tk.ResolvedAt == nil || tk.clockOf(Resolution).State != ClockMet || tk.clockOf(FirstResponse).State != ClockCancelled {
		t.Fatalf("resolved: %+v", tk.Clocks)
	}
	// The customer writes again two hours later: reopened, the clock counts on.
	ev := apply(t, tk, p, Change{At: monday.Add(3 * time.Hour), By: Actor{Kind: ByCustomer}, Said: &Said{By: ByCustomer, Public: true}})
	if tk.Status != StatusOpen || tk.ReopenCount != 1 || tk.ResolvedAt != nil {
		t.Fatalf("not reopened: %s %d", tk.Status, tk.ReopenCount)
	}
	if got, want := tk.clockOf(Resolution).DueAt, monday.Add(6*time.Hour); !got.Equal(want) {
		t.Errorf("due %s, want %s: one hour was used", got, want)
	}
	if !slices.Contains(kinds(ev), EventStatus) {
		t.Errorf("no status event in %v", kinds(ev))
	}
	// An automatic reply reopens nothing.
	apply(t, tk, p, Change{At: monday.Add(4 * time.Hour), Status: ptr(StatusClosed)})
	apply(t, tk, p, Change{At: monday.Add(5 * time.Hour), Said: &Said{By: ByCustomer, Public: true, Auto: true}})
	if tk.Status != StatusClosed || tk.ClosedAt == nil {
		t.Errorf("an automatic reply reopened the ticket: %s", tk.Status)
	}
}

// A clock that ran out is breached, though something else happens to it before
// anybody marks it; it is marked once.
func TestWhatRanOutIsNotHidden(t *testing.T) {
	p := office(t)
	now := monday.Add(4*time.Hour + 3*time.Second)
	for _, c := range []struct {
		name   string
		change Change
		marks  []any
	}{
		{"paused", Change{Status: ptr(StatusPending)}, []any{Resolution}},
		{"a new target", Change{Priority: ptr(Low)}, []any{Resolution}},
		{"answered", Change{Said: &Said{By: ByAgent, Public: true}}, []any{FirstResponse}},
		{"closed", Change{Status: ptr(StatusClosed)}, []any{Resolution, FirstResponse}},
		{"called something else", Change{Title: ptr("x")}, nil},
	} {
		tk := newTicket(t, p, High, monday) // first response due 11:00, resolution 13:00
		marked := func(events []Event) (out []any) {
			for _, e := range events {
				if e.Kind == EventBreached {
					out = append(out, e.Data["metric"])
				}
			}
			return out
		}
		c.change.At, c.change.By = now, Actor{Kind: ByAgent, ID: "ann"}
		got := marked(apply(t, tk, p, c.change))
		if !slices.Equal(got, c.marks) {
			t.Errorf("%s: marked %v, want %v", c.name, got, c.marks)
		}
		if all := append(got, marked(tk.Breach(now.Add(time.Second)))...); len(all) != 2 {
			t.Errorf("%s: marked in all %v, want each once", c.name, all)
		}
		apply(t, tk, p, Change{At: now.Add(time.Hour), Status: ptr(StatusClosed)})
		if r := tk.clockOf(Resolution); r.State != ClockBreached || !r.BreachedAt.Equal(monday.Add(4*time.Hour)) {
			t.Errorf("%s: resolution is %s, breached at %s", c.name, r.State, r.BreachedAt)
		}
	}
}

func TestNextResponseWaitsWhereClocksPause(t *testing.T) {
	p := office(t)
	for name, c := range map[string]Change{"as it is": {}, "told so again": {Status: ptr(StatusOnHold)}} {
		tk := newTicket(t, p, Medium, monday)
		apply(t, tk, p, Change{At: monday, Said: &Said{By: ByAgent, Public: true}})
		apply(t, tk, p, Change{At: monday, Status: ptr(StatusOnHold)})
		c.At, c.Said = monday.Add(time.Hour), &Said{By: ByCustomer, Public: true}
		apply(t, tk, p, c)
		if c := tk.clockOf(NextResponse); c.State != ClockPaused || !c.DueAt.IsZero() {
			t.Errorf("%s: on hold, the clock is %s, due %s", name, c.State, c.DueAt)
		}
		apply(t, tk, p, Change{At: monday.Add(3 * time.Hour), Status: ptr(StatusOpen)})
		if c := tk.clockOf(NextResponse); c.State != ClockRunning || !c.DueAt.Equal(monday.Add(4*time.Hour)) {
			t.Errorf("%s: open again, the clock is %s, due %s", name, c.State, c.DueAt)
		}
	}
}

// What became urgent after it was resolved is urgent when it is opened again.
func TestReopeningCountsToTheTargetOfThePriority(t *testing.T) {
	p := office(t)
	for name, changes := range map[string][]Change{
		"before":   {{Priority: ptr(Urgent)}, {Status: ptr(StatusOpen)}},
		"together": {{Priority: ptr(Urgent), Status: ptr(StatusOpen)}},
	} {
		tk := newTicket(t, p, High, monday)
		apply(t, tk, p, Change{At: monday.Add(time.Hour), Status: ptr(StatusResolved)})
		for _, c := range changes {
			c.At = monday.Add(3 * time.Hour)
			apply(t, tk, p, c)
		}
		if got, want := tk.clockOf(Resolution).DueAt, monday.Add(4*time.Hour); !got.Equal(want) {
			t.Errorf("%s: due %s, want %s: one hour of two was used", name, got, want)
		}
	}
}

func TestApplySaysNothingWhenNothingChanges(t *testing.T) {
	p := office(t)
	tk := newTicket(t, p, High, monday)
	tk.Tags = []string{"a"}
	tk.Custom = map[string]any{"x": 1.0}
	ev := apply(t, tk, p, Change{At: monday, Priority: ptr(High), Status: ptr(StatusNew), AddTags: []string{"A"},
		CustomFields: map[string]any{"x": 1.0, "gone": nil}})
	if len(ev) != 0 {
		t.Errorf("events %v for nothing", kinds(ev))
	}
}

func TestEventsAreGapless(t *testing.T) {
	p := office(t)
	tk := newTicket(t, p, Low, monday)
	all := []Event{tk.Opened(Actor{}, monday)}
	all = append(all, apply(t, tk, p, Change{At: monday, Title: ptr("new"), Tags: &[]string{"b"}, Team: ptr(TeamID("x")),
		Agent: ptr(AgentID("y")), CustomFields: map[string]any{"k": "v"}, Escalation: ptr(2), AddHandling: time.Minute})...)
	all = append(all, apply(t, tk, p, Change{At: monday, Delete: true})...)
	for i, e := range all {
		if e.Seq != i+1 {
			t.Errorf("event %d has seq %d", i+1, e.Seq)
		}
	}
	if _, err := tk.Apply(p, Change{At: monday, Title: ptr("x")}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted ticket changed: %v", err)
	}
	if tk.Handling != 60 {
		t.Errorf("handling time %d", tk.Handling)
	}
}

func TestTakeTurnGoesRound(t *testing.T) {
	got := map[AgentID]int{}
	for n := range int64(10) {
		f := &Filing{Ticket: &Ticket{}, Turn: &Turn{Team: "a", Candidates: []AgentID{"x", "y"}}}
		f.Take(n)
		got[f.Ticket.AgentID]++
	}
	if got["x"] != 5 || got["y"] != 5 {
		t.Errorf("unfair: %v", got)
	}
}

// What was decided before another change and comes after it does not take back when the
// ticket was changed last.
func TestALateChangeTakesNoTimeBack(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tk := &Ticket{ID: "t", CreatedAt: now.Add(-time.Hour), UpdatedAt: now}
	title := "late"
	events, err := tk.Apply(NewPolicy(), Change{At: now.Add(-time.Minute), Title: &title})
	if err != nil || len(events) != 1 || tk.Title != title || !tk.UpdatedAt.Equal(now) {
		t.Errorf("%q, changed last at %s, %d events, %v", tk.Title, tk.UpdatedAt, len(events), err)
	}
	tk.Touch(now.Add(time.Second))
	if !tk.UpdatedAt.Equal(now.Add(time.Second)) {
		t.Errorf("changed last at %s", tk.UpdatedAt)
	}
}
