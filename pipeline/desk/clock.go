package desk

import (
	"time"

	"switchboard/pipeline/hours"
)

// Metric is what a clock measures.
type Metric string

// The metrics. First response runs once, from creation to the first public
// answer by a person; next response from a customer's message to the next such
// answer; resolution from creation until the ticket is resolved.
const (
	FirstResponse Metric = "FIRST_RESPONSE"
	NextResponse  Metric = "NEXT_RESPONSE"
	Resolution    Metric = "RESOLUTION"
)

// ClockState is where a clock stands.
type ClockState string

// The clock states.
const (
	ClockRunning   ClockState = "RUNNING"
	ClockPaused    ClockState = "PAUSED"
	ClockMet       ClockState = "MET"
	ClockBreached  ClockState = "BREACHED" // stopped after it was due
	ClockCancelled ClockState = "CANCELLED"
)

// Clock is one running measurement of working time. All durations are working
// time of the named calendar.
type Clock struct {
	Metric     Metric        `json:"metric"`
	SLA        string        `json:"sla"`
	Calendar   string        `json:"calendar"`
	Target     time.Duration `json:"target"` // nanoseconds of working time
	State      ClockState    `json:"state"`
	StartedAt  time.Time     `json:"startedAt"`
	RunningAt  time.Time     `json:"runningAt,omitzero"` // start of the current run
	Used       time.Duration `json:"used"`               // before the current run
	DueAt      time.Time     `json:"dueAt,omitzero"`
	StoppedAt  time.Time     `json:"stoppedAt,omitzero"`
	BreachedAt time.Time     `json:"breachedAt,omitzero"` // noticed unmet past due
}

// startClock begins a measurement. The due instant is Target of working time
// after at.
func startClock(m Metric, sla string, cal *hours.Calendar, target time.Duration, at time.Time) (Clock, error) {
	c := Clock{Metric: m, SLA: sla, Calendar: cal.Name, Target: target, State: ClockRunning, StartedAt: at, RunningAt: at}
	return c, c.schedule(cal)
}

func (c *Clock) schedule(cal *hours.Calendar) error {
	left := max(c.Target-c.Used, 0)
	due, err := cal.Add(c.RunningAt, left)
	if err != nil {
		return err
	}
	if left == 0 { // the target is used up: due now, not at the next opening
		due = c.RunningAt
	}
	c.DueAt = due.UTC()
	return nil
}

// Live reports whether the clock has not ended.
func (c *Clock) Live() bool { return c.State == ClockRunning || c.State == ClockPaused }

// Begun reports whether the clock ever measured anything. One that did not keeps
// the SLA of a ticket; see [Ticket.StartClocks].
func (c *Clock) Begun() bool {
	return c.Metric != NextResponse || c.State != ClockCancelled || !c.StoppedAt.Equal(c.StartedAt)
}

// pause stops counting; what was used so far is kept.
func (c *Clock) pause(cal *hours.Calendar, at time.Time) bool {
	if c.State != ClockRunning {
		return false
	}
	c.Used += cal.Between(c.RunningAt, at)
	c.State, c.RunningAt, c.DueAt = ClockPaused, time.Time{}, time.Time{}
	return true
}

// resume counts on: the due instant moves by the working time paused.
func (c *Clock) resume(cal *hours.Calendar, at time.Time) bool {
	if c.State != ClockPaused {
		return false
	}
	c.State, c.RunningAt = ClockRunning, at
	if err := c.schedule(cal); err != nil {
		c.State, c.RunningAt = ClockPaused, time.Time{}
		return false
	}
	return true
}

// retarget swaps the target and keeps the time used (a change of priority).
func (c *Clock) retarget(cal *hours.Calendar, target time.Duration, at time.Time) bool {
	if !c.Live() || c.Target == target {
		return false
	}
	c.Target = target
	if c.State == ClockRunning {
		c.Used += cal.Between(c.RunningAt, at)
		c.RunningAt = at
		return c.schedule(cal) == nil
	}
	return true
}

// stop ends the measurement: met when in time, else breached.
func (c *Clock) stop(cal *hours.Calendar, at time.Time) bool {
	if !c.Live() {
		return false
	}
	late := c.State == ClockRunning && at.After(c.DueAt)
	if c.State == ClockRunning {
		c.Used += cal.Between(c.RunningAt, at)
	}
	c.StoppedAt, c.State = at, ClockMet
	if late || !c.BreachedAt.IsZero() {
		c.State = ClockBreached
		if c.BreachedAt.IsZero() {
			c.BreachedAt = c.DueAt
		}
	}
	return true
}

func (c *Clock) cancel(at time.Time) bool {
	if !c.Live() {
		return false
	}
	c.State, c.StoppedAt = ClockCancelled, at
	return true
}
