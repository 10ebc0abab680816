// Package hours does arithmetic in business time: when is a team open, when
// is a target of so many working hours due, how much working time lies
// between two instants, and which intervals were counted.
//
// In goes a Calendar (opening windows by weekday, a zone, days off) together
// with time.Time and time.Duration; out come the same two types.
//
// It promises purity: no clock, no I/O (the zone database is compiled in, so
// a bare machine works). A Calendar is never written to by any method and may
// be used by any number of goroutines as long as nobody changes its fields.
// Work grows with the number of days walked, never with minutes.
//
// Windows are wall-clock times of a zone (IANA Time Zone Database, RFC 8536),
// and what is counted is real elapsed time between their edges: on the day
// the clocks go forward 00:00-24:00 is 23 hours long, on the day they go back
// 25. An edge inside a missing hour is the instant of the change; an edge
// inside a repeated hour is its first occurrence.
//
// It may not know what a ticket, a team or an SLA is, and imports nothing of
// ours. Holiday rules of countries come from github.com/rickar/cal.
//
// To add a holiday region: one line in region.go.
package hours

import (
	"errors"
	"fmt"
	"time"

	_ "time/tzdata" // zones without files of the operating system
)

// Calendar says when a team is open. The zero value is never open; fill it,
// call Validate once, then treat it as read-only.
//
// A day is decided by the first of these that knows it: Holidays, HalfDays,
// HolidaysOf, Week.
type Calendar struct {
	Name     string
	Location *time.Location // nil is refused by Validate and read as UTC elsewhere

	Week       [7][]Window               // opening windows in ascending order, by time.Weekday
	Holidays   map[Date]string           // whole local days closed, and their names
	HalfDays   map[Date][]Window         // days with other windows than the week's; empty means closed
	HolidaysOf func(Date) (string, bool) // optional: holidays by rule, see Region
}

// Always returns a calendar that never closes. A nil location means UTC.
func Always(loc *time.Location) *Calendar {
	if loc == nil {
		loc = time.UTC
	}
	c := &Calendar{Name: "24x7", Location: loc}
	for day := range c.Week {
		c.Week[day] = []Window{{From: 0, To: minutesPerDay}}
	}
	return c
}

// Validate reports everything that is wrong with the calendar in words for
// the person who wrote it: no zone, a reversed, overlapping or disordered
// window, a day that is both closed and a half day, or no opening at all. All
// other methods assume that Validate returned nil.
func (c *Calendar) Validate() error {
	var wrong []error
	note := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("hours: calendar %q: "+format, append([]any{c.Name}, args...)...))
	}
	if c.Location == nil {
		note("no time zone")
	}
	opens := false
	for day, windows := range c.Week {
		if err := checkDay(windows); err != nil {
			note("%s: %w", time.Weekday(day), err)
		}
		opens = opens || len(windows) > 0
	}
	for date, windows := range c.HalfDays {
		if err := checkDay(windows); err != nil {
			note("%s: %w", date, err)
		}
		if name, both := c.Holidays[date]; both {
			note("%s is both a holiday (%s) and a half day", date, name)
		} else {
			opens = opens || len(windows) > 0
		}
	}
	switch {
	case !opens:
		note("never open: no weekday has a window")
	case len(wrong) == 0 && c.closedByRule():
		note("never open: its holiday rule closes every day")
	}
	return errors.Join(wrong...)
}

// closedByRule reports whether HolidaysOf leaves no opening in a whole sample
// year, which no real region does.
func (c *Calendar) closedByRule() bool {
	if c.HolidaysOf == nil {
		return false
	}
	first := dayOf(Date{2024, time.January, 1})
	for day := first; day < first+366; day++ {
		if len(c.windowsOn(day)) > 0 {
			return false
		}
	}
	return true
}

// HolidayOn reports whether the local day is closed as a holiday, and the
// holiday's name. A half day is not a holiday.
func (c *Calendar) HolidayOn(date Date) (name string, closed bool) {
	if name, closed = c.Holidays[date]; closed {
		return name, true
	}
	if _, half := c.HalfDays[date]; half || c.HolidaysOf == nil {
		return "", false
	}
	return c.HolidaysOf(date)
}

// windowsOn returns the opening windows of a local day, given as a number of
// days since 1970-01-01. The slice belongs to the calendar.
func (c *Calendar) windowsOn(day int64) []Window {
	usual := c.Week[weekdayOf(day)]
	if len(usual) == 0 && len(c.HalfDays) == 0 {
		return nil
	}
	if len(c.HalfDays) == 0 && len(c.Holidays) == 0 && c.HolidaysOf == nil {
		return usual
	}
	date := dateOf(day)
	if _, closed := c.Holidays[date]; closed {
		return nil
	}
	if windows, half := c.HalfDays[date]; half {
		return windows
	}
	if len(usual) > 0 && c.HolidaysOf != nil {
		if _, closed := c.HolidaysOf(date); closed {
			return nil
		}
	}
	return usual
}
