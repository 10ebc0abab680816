package hours

import (
	"iter"
	"slices"
	"time"
)

// Interval is a stretch of open time [From, To) in the calendar's location.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Duration returns the real elapsed time of the interval.
func (i Interval) Duration() time.Duration { return i.To.Sub(i.From) }

// longest is the longest span that is counted, in days: 400 years, more than
// a time.Duration holds, so that a zero time.Time cannot stall the caller.
const longest = 146097

// Closure is a holiday that a count passed over.
type Closure struct {
	Date Date   `json:"date"`
	Name string `json:"name"`
}

// Explain returns the intervals that Add counts from start until the working
// time is used up, ascending; stretches that touch are one. Their durations
// add up to d, or to less where Add returns an error.
func (c *Calendar) Explain(start time.Time, d time.Duration) []Interval {
	counted := make([]Interval, 0, 4)
	end := start.AddDate(0, 0, horizon)
	for interval := range c.intervals(start, end) {
		if d <= 0 {
			break
		}
		if length := interval.Duration(); length > d {
			interval.To = interval.From.Add(d)
		}
		d -= interval.Duration()
		if n := len(counted); n > 0 && counted[n-1].To.Equal(interval.From) {
			counted[n-1].To = interval.To
			continue
		}
		counted = append(counted, interval)
	}
	if len(counted) == 0 {
		return nil
	}
	return counted
}

// First returns the first of what Explain counted, until d is used up: what it
// counts for d when that is less. It may share memory with the given.
func First(counted []Interval, d time.Duration) []Interval {
	for i, interval := range counted {
		if d <= 0 {
			return nil
		}
		length := interval.Duration()
		if length >= d {
			first := slices.Clone(counted[:i+1])
			first[i].To = interval.From.Add(d)
			return first
		}
		d -= length
	}
	return counted
}

// Closures returns the holidays from the local day of start to that of end,
// for at most ten years: what to name when a deadline lies later than
// expected. A weekday that is never open is not a holiday.
func (c *Calendar) Closures(start, end time.Time) []Closure {
	var closures []Closure
	first := dayOf(DateOf(start.In(c.location())))
	last := min(dayOf(DateOf(end.In(c.location()))), first+horizon)
	for day := first; day <= last; day++ {
		if len(c.Week[weekdayOf(day)]) == 0 {
			continue
		}
		if name, closed := c.HolidayOn(dateOf(day)); closed {
			closures = append(closures, Closure{dateOf(day), name})
		}
	}
	return closures
}

// intervals yields the open stretches between two instants, cut to them.
func (c *Calendar) intervals(start, end time.Time) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		if !end.After(start) {
			return
		}
		w := c.walkFrom(start, min((end.Unix()-start.Unix())/secondsPerDay+2, longest))
		for {
			from, to, ok := w.next()
			if !ok || from > end.Unix() {
				return
			}
			if to <= start.Unix() {
				continue
			}
			interval := Interval{From: c.later(start, from), To: time.Unix(to, 0).In(c.location())}
			if interval.To.After(end) {
				interval.To = end.Round(0).In(c.location())
			}
			if interval.From.Before(interval.To) && !yield(interval) {
				return
			}
		}
	}
}
