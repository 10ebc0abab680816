package hours

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrNever means that a calendar does not offer the working time asked for
// within ten years.
var ErrNever = errors.New("not reached within ten years")

// horizon bounds every search forward, in days.
const horizon = 3653

// Open reports whether the instant lies in an opening window. The first
// instant of a window is open, its end is not.
func (c *Calendar) Open(at time.Time) bool {
	opening, found := c.opening(at, 1)
	return found && opening.Equal(at)
}

// NextOpening returns the first open instant at or after the given one: the
// instant itself while open. It is false if there is none within ten years.
// The result is in the calendar's location.
func (c *Calendar) NextOpening(at time.Time) (time.Time, bool) {
	return c.opening(at, horizon)
}

func (c *Calendar) opening(at time.Time, days int64) (time.Time, bool) {
	w := c.walkFrom(at, days)
	for {
		from, to, ok := w.next()
		if !ok {
			return time.Time{}, false
		}
		if at.Unix() < to {
			return c.later(at, from), true
		}
	}
}

// Add returns the instant at which the given working time has passed since
// start, in the calendar's location. Time that runs out exactly at a closing
// time is due then, not at the next opening. Nothing to add (zero or less)
// is due at once while open and at the next opening while closed. The error
// wraps ErrNever.
func (c *Calendar) Add(start time.Time, d time.Duration) (time.Time, error) {
	w := c.walkFrom(start, horizon)
	for left := max(d, 0); ; {
		from, to, ok := w.next()
		if !ok {
			return time.Time{}, fmt.Errorf("hours: calendar %q: %s of working time after %s: %w",
				c.Name, d, start.Format(time.RFC3339), ErrNever)
		}
		if to <= start.Unix() {
			continue
		}
		begin := c.later(start, from)
		length := time.Unix(to, 0).Sub(begin)
		if left <= length {
			return begin.Add(left), nil
		}
		left -= length
	}
}

// Between returns the working time from start to end: zero if end is not
// after start, never negative. Add is its inverse: Between(start, due) is d
// for every due that Add(start, d) returned with d at least zero.
func (c *Calendar) Between(start, end time.Time) time.Duration {
	var total time.Duration
	for interval := range c.intervals(start, end) {
		length := interval.Duration()
		if total > math.MaxInt64-length {
			return math.MaxInt64 // 292 years
		}
		total += length
	}
	return total
}

// later returns the later of an instant and an edge in Unix seconds, in the
// calendar's location and without a monotonic clock reading.
func (c *Calendar) later(at time.Time, edge int64) time.Time {
	if at.Unix() >= edge {
		return at.Round(0).In(c.location())
	}
	return time.Unix(edge, 0).In(c.location())
}
