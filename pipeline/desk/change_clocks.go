package desk

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// The clock effects of a change. Each works on the live clocks of the ticket
// and records what it did as one event a clock.

func (a *applying) clock(c *Clock, what string) {
	data := map[string]any{"metric": c.Metric, "what": what}
	if !c.DueAt.IsZero() {
		data["dueAt"] = c.DueAt
	}
	a.add(EventClock, data)
}

// mark notes that a clock has run out, before something else happens to it that
// would hide it.
func (a *applying) mark(c *Clock) {
	if e, breached := a.t.breach(c, a.c.At); breached {
		a.events = append(a.events, e)
	}
}

func (a *applying) stop(metrics ...Metric) {
	for i := range a.t.Clocks {
		c := &a.t.Clocks[i]
		if !slices.Contains(metrics, c.Metric) {
			continue
		}
		a.mark(c)
		if c.stop(a.p.Calendar(c.Calendar), a.c.At) {
			a.clock(c, "stopped: "+string(c.State))
		}
	}
}

func (a *applying) cancel(metrics ...Metric) {
	for i := range a.t.Clocks {
		c := &a.t.Clocks[i]
		if !slices.Contains(metrics, c.Metric) {
			continue
		}
		a.mark(c)
		if c.cancel(a.c.At) {
			a.clock(c, "cancelled")
		}
	}
}

// retarget gives live clocks the target of the new priority and keeps the time
// used. A metric without a target for the priority keeps running as it was.
func (a *applying) retarget() {
	for i := range a.t.Clocks {
		c := &a.t.Clocks[i]
		sla, _ := a.p.SLA(c.SLA)
		for _, target := range sla.Targets {
			if target.Metric != c.Metric {
				continue
			}
			d, ok := target.For(a.t.Priority)
			if !ok || d == c.Target {
				continue
			}
			a.mark(c)
			if c.retarget(a.p.Calendar(c.Calendar), d, a.c.At) {
				a.clock(c, "new target")
			}
		}
	}
}

func (a *applying) pauseOrResume(is Category) {
	for i := range a.t.Clocks {
		c := &a.t.Clocks[i]
		if c.Metric == FirstResponse {
			continue
		}
		sla, _ := a.p.SLA(c.SLA)
		cal := a.p.Calendar(c.Calendar)
		if slices.Contains(sla.PauseOn, is) {
			a.mark(c)
			if c.pause(cal, a.c.At) {
				a.clock(c, "paused")
			}
		} else if c.resume(cal, a.c.At) {
			a.clock(c, "resumed")
		}
	}
}

// restartResolution lets a finished resolution clock count on after a reopen, to
// the target of the priority the ticket has by now; the time between does not
// count.
func (a *applying) restartResolution() {
	for i := range a.t.Clocks {
		c := &a.t.Clocks[i]
		if c.Metric != Resolution || c.State != ClockMet && c.State != ClockBreached {
			continue
		}
		was := *c
		c.State, c.StoppedAt, c.RunningAt = ClockRunning, time.Time{}, a.c.At
		sla, _ := a.p.SLA(c.SLA)
		for _, target := range sla.Targets {
			if d, ok := target.For(a.t.Priority); ok && target.Metric == Resolution {
				c.Target = d
			}
		}
		if c.schedule(a.p.Calendar(c.Calendar)) != nil {
			*c = was
			continue
		}
		a.clock(c, "resumed by reopening")
	}
}

// startNextResponse starts a next-response clock when the customer speaks after
// a first response and none runs: two messages in a row keep the first start. In
// a status that pauses it, it waits.
func (a *applying) startNextResponse() {
	t := a.t
	if t.FirstResponseAt == nil {
		return
	}
	var name string
	kept := t.Clocks[:0:0]
	for _, c := range t.Clocks {
		name = c.SLA
		if c.Metric == NextResponse {
			if c.Live() {
				return
			}
			continue // an ended round makes room for the next; its event remains
		}
		kept = append(kept, c)
	}
	sla, ok := a.p.SLA(name)
	if !ok {
		return
	}
	for _, target := range sla.Targets {
		d, ok := target.For(t.Priority)
		if target.Metric != NextResponse || !ok {
			continue
		}
		cal := a.p.CalendarFor(sla, t.TeamID)
		c, err := startClock(NextResponse, sla.Name, cal, d, a.c.At)
		if err != nil {
			continue
		}
		if slices.Contains(sla.PauseOn, a.p.Statuses.Category(t.Status)) {
			c.pause(cal, a.c.At)
		}
		t.Clocks = append(kept, c)
		a.clock(&t.Clocks[len(t.Clocks)-1], "started")
		return
	}
}

// StartClocks gives a new ticket the clocks of its SLA: first response and
// resolution, for the targets its priority has. With neither, a clock of the next
// response that is not begun keeps which SLA promises one. The error says which
// target can never be reached in its calendar.
func (t *Ticket) StartClocks(p *Policy, sla SLA, at time.Time) error {
	cal := p.CalendarFor(sla, t.TeamID)
	for _, target := range sla.Targets {
		d, ok := target.For(t.Priority)
		if !ok || target.Metric == NextResponse {
			continue
		}
		c, err := startClock(target.Metric, sla.Name, cal, d, at)
		if err != nil {
			return err
		}
		if target.Metric != FirstResponse && slices.Contains(sla.PauseOn, p.Statuses.Category(t.Status)) {
			c.pause(cal, at)
		}
		t.Clocks = append(t.Clocks, c)
	}
	for _, target := range sla.Targets {
		if d, ok := target.For(t.Priority); ok && target.Metric == NextResponse && len(t.Clocks) == 0 {
			t.Clocks = append(t.Clocks, Clock{Metric: NextResponse, SLA: sla.Name, Calendar: cal.Name, Target: d,
				State: ClockCancelled, StartedAt: at, StoppedAt: at})
		}
	}
	return nil
}

// Breach marks running clocks that are past due as of now and returns the
// events. A clock is marked once.
func (t *Ticket) Breach(now time.Time) []Event {
	var events []Event
	for i := range t.Clocks {
		if e, breached := t.breach(&t.Clocks[i], now); breached {
			events = append(events, e)
		}
	}
	if len(events) > 0 {
		t.Touch(now)
	}
	return events
}

func (t *Ticket) breach(c *Clock, now time.Time) (Event, bool) {
	if c.State != ClockRunning || !c.BreachedAt.IsZero() || !now.After(c.DueAt) {
		return Event{}, false
	}
	c.BreachedAt = c.DueAt
	return t.event(EventBreached, Actor{Kind: BySystem, ID: "sla"}, now, map[string]any{"metric": c.Metric, "dueAt": c.DueAt}), true
}

func equalJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
