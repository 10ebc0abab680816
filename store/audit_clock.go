package store

import (
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// ticketClocks looks at the promises of a page of tickets.
func (a *auditor) ticketClocks(rows []ticketRow) error {
	clocks, due, breach := a.check("ticket.clocks", 0), a.check("ticket.due", len(rows)), a.check("ticket.breach", 0)
	for _, r := range rows {
		var u unpacker
		t := &desk.Ticket{DeletedAt: r.DeletedAt}
		if u.clocks(r.Clocks, &t.Clocks); u.err != nil {
			clocks.bad(r.ID, "the clocks of ticket %d cannot be read: %v", r.Number, u.err)
			continue
		}
		live := map[desk.Metric]int{}
		for i := range t.Clocks {
			c := &t.Clocks[i]
			clocks.Looked++
			if c.Live() {
				live[c.Metric]++
			}
			switch why := a.clockWrong(c); {
			case why != "":
				clocks.bad(r.ID, "ticket %d, %s: %s", r.Number, c.Metric, why)
			case live[c.Metric] > 1:
				clocks.bad(r.ID, "ticket %d: two clocks of %s run", r.Number, c.Metric)
			case c.Metric == desk.Resolution && c.State == desk.ClockRunning && r.ResolvedAt != nil:
				clocks.bad(r.ID, "ticket %d is resolved and its clock runs", r.Number)
			}
			if c.State == desk.ClockRunning && r.DeletedAt == nil {
				breach.Looked++
				if c.BreachedAt.IsZero() && a.old(c.DueAt) {
					breach.bad(r.ID, "ticket %d, %s: due %s and not marked", r.Number, c.Metric, stamp(c.DueAt))
				}
			}
		}
		if want := nextDue(t); !sameTime(want, r.NextDueAt) {
			due.bad(r.ID, "ticket %d is due next at %s, its clocks say %s", r.Number, stampp(r.NextDueAt), stampp(want))
		}
	}
	return nil
}

// clockWrong says what is impossible about a clock, "" when nothing is.
func (a *auditor) clockWrong(c *desk.Clock) string {
	if c.StartedAt.IsZero() || c.Target <= 0 || c.Used < 0 {
		return fmt.Sprintf("started at %s, target %s, used %s", stamp(c.StartedAt), c.Target, c.Used)
	}
	end := c.StoppedAt
	if end.IsZero() {
		end = a.o.Now
	}
	// Working time is never longer than time.
	if wall := end.Sub(c.StartedAt) + a.o.Skew; c.Used > max(wall, 0) {
		return fmt.Sprintf("used %s of working time within %s", c.Used, wall)
	}
	running := !c.RunningAt.IsZero() && !c.DueAt.IsZero() && !c.DueAt.Before(c.StartedAt)
	stopped := !c.StoppedAt.IsZero() && !c.StoppedAt.Before(c.StartedAt.Add(-a.o.Skew))
	good := false
	switch c.State {
	case desk.ClockRunning:
		good = running && c.StoppedAt.IsZero()
	case desk.ClockPaused:
		good = c.RunningAt.IsZero() && c.DueAt.IsZero() && c.StoppedAt.IsZero()
	case desk.ClockMet:
		good = stopped && c.BreachedAt.IsZero()
	case desk.ClockBreached:
		good = stopped && !c.BreachedAt.IsZero()
	case desk.ClockCancelled:
		good = stopped
	}
	if !good {
		return fmt.Sprintf("%s, started %s, runs since %s, due %s, stopped %s, breached %s", c.State, stamp(c.StartedAt), stamp(c.RunningAt),
			stamp(c.DueAt), stamp(c.StoppedAt), stamp(c.BreachedAt))
	}
	return ""
}

func sameTime(x, y *time.Time) bool {
	return x == nil && y == nil || x != nil && y != nil && x.Equal(*y)
}
