package hours

import (
	"math"
	"time"
)

const (
	// offsetSpread is more than any two UTC offsets of one zone ever differed
	// (a zone that crosses the date line differs by a day), in seconds.
	offsetSpread = 26 * 60 * 60

	quarter = 15 * 60 // seconds

	// forever stands for "no change of offset before (or after)" in seconds,
	// far enough inside int64 for sums not to overflow.
	forever = math.MaxInt64 / 4
)

// walk yields the opening intervals of a calendar in ascending order, day by
// day. Instants are Unix seconds. It lives on the caller's stack.
type walk struct {
	calendar *Calendar
	location *time.Location

	day     int64    // the local day whose windows are being yielded, see dateOf
	last    int64    // the last day to look at
	windows []Window // what is left of the day

	offset      int64 // seconds east of UTC ...
	since, upTo int64 // ... valid in [since, upTo)
}

// walkFrom starts at the local day of an instant and looks at the given
// number of days after it. Intervals that ended before are yielded too.
func (c *Calendar) walkFrom(start time.Time, days int64) walk {
	w := walk{calendar: c, location: c.location()}
	w.enter(start.Unix())
	w.day = floorDiv(start.Unix()+w.offset, secondsPerDay)
	w.last = w.day + days
	w.windows = c.windowsOn(w.day)
	return w
}

// next returns the next interval [from, to), or false when the days are used
// up. Intervals that a clock change swallowed are left out.
func (w *walk) next() (from, to int64, ok bool) {
	for {
		for len(w.windows) == 0 {
			if w.day >= w.last {
				return 0, 0, false
			}
			w.day++
			w.windows = w.calendar.windowsOn(w.day)
		}
		window := w.windows[0]
		w.windows = w.windows[1:]
		from, to = w.instant(window.From), w.instant(window.To)
		if from < to {
			return from, to, true
		}
	}
}

// instant returns the first instant at which the local clock shows the given
// minute of the current day or anything later. That one rule covers both
// clock changes: a minute that is skipped becomes the instant of the change,
// a minute that is shown twice its first showing. It never goes backwards
// over ascending minutes, so windows that touch never overlap or leave a gap.
func (w *walk) instant(minute int) int64 {
	wall := w.day*secondsPerDay + int64(minute)*60
	if at := wall - w.offset; at >= w.since+offsetSpread && at < w.upTo {
		return at // no clock change near: nearly every call ends here
	}
	w.enter(wall - offsetSpread)
	for {
		switch at := wall - w.offset; {
		case at <= w.since:
			return w.since
		case at < w.upTo:
			return at
		}
		w.enter(w.upTo)
	}
}

// enter makes the offset in force at an instant the current one.
func (w *walk) enter(at int64) {
	local := time.Unix(at, 0).In(w.location)
	_, offset := local.Zone()
	begin, end := local.ZoneBounds()
	w.offset, w.since, w.upTo = int64(offset), -forever, forever
	if !begin.IsZero() {
		w.since = begin.Unix()
	}
	if !end.IsZero() {
		w.upTo = end.Unix()
	}
	if w.upTo <= at {
		// ZoneBounds takes every year of a zone's closing rule for 365 days long,
		// so on the last day of a leap year it names an end that has passed. No
		// rule changes the clock off the quarter of an hour.
		w.upTo = (floorDiv(at, quarter) + 1) * quarter
	}
}

func (c *Calendar) location() *time.Location {
	if c.Location == nil {
		return time.UTC
	}
	return c.Location
}
