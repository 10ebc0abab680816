package configs

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"switchboard/pipeline/hours"
)

// The years for which a half day of every year is written out.
const firstHalf, lastHalf = 2000, 2099

// hours compiles the calendars.
func (k *compiler) hours() {
	at := place{"calendars"}
	named(k, at, "name", "a calendar", k.c.Calendars, func(c Calendar) string { return c.Name })
	for i, c := range k.c.Calendars {
		before := len(k.problems)
		compiled := k.calendar(at.of(i), c)
		if c.Name == "" {
			continue
		}
		k.calendars = append(k.calendars, c.Name)
		if len(k.problems) == before {
			k.p.Calendars[c.Name] = compiled
		}
	}
}

func (k *compiler) calendar(at place, c Calendar) *hours.Calendar {
	out := &hours.Calendar{Name: c.Name, Location: k.zone(at, c.TimeZone), Week: c.Hours.week()}
	k.week(at, c)
	k.holidays(at.of("holidays"), c.Holidays, out)
	return out
}

func (k *compiler) zone(at place, name string) *time.Location {
	p := at.of("timezone")
	switch {
	case name == "" && !k.written(p):
		k.path(at, "a calendar needs a timezone, such as Europe/Berlin or UTC")
		return nil
	case name == "":
		if k.bare(p) {
			k.path(p, "the timezone is empty; write one such as Europe/Berlin or UTC")
		}
		return nil
	case name == "Local":
		k.path(p, "the timezone Local depends on the machine; write one such as Europe/Berlin or UTC")
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		k.path(p, "there is no time zone %s; write an IANA name such as Europe/Berlin, America/New_York or UTC", quote(name))
	}
	return zone
}

// week checks the windows, each day where it is written.
func (k *compiler) week(at place, c Calendar) {
	p := at.of("hours")
	open, wrong := false, false
	for _, day := range c.Hours.keys() {
		open = open || len(day.windows) > 0
		if err := checkWindows(day.windows); err != "" {
			k.path(p.of(day.key), "%s: %s", day.key, err)
			wrong = true
		}
	}
	for _, windows := range c.Holidays.HalfDays {
		open = open || len(windows) > 0
	}
	switch {
	case open || wrong:
	case !k.written(p):
		k.path(at, "the calendar %s is never open: it needs hours", quote(c.Name))
	case !k.unread(p):
		k.key(p, "the calendar %s is never open: no day has a window such as \"09:00-17:00\"", quote(c.Name))
	}
}

// unread reports whether something below a place was written and refused, so
// that its emptiness is no news.
func (k *compiler) unread(p place) bool {
	n, ok := k.place(p)
	if !ok {
		return false
	}
	return slices.ContainsFunc(k.problems, func(e Problem) bool {
		return e.Line >= n.line && e.Line <= n.last()
	})
}

// last is the last line a value begins a part on.
func (n *node) last() int {
	line := n.line
	for _, item := range n.items {
		line = max(line, item.last())
	}
	for _, e := range n.entries {
		line = max(line, e.line, e.value.last())
	}
	return line
}

// checkWindows says in words what is wrong with the windows of one day, or "".
func checkWindows(windows []hours.Window) string {
	for i, w := range windows {
		if w == (hours.Window{}) {
			return "" // refused when it was read
		}
		if i > 0 && w.From < windows[i-1].To {
			if w.To <= windows[i-1].From {
				return fmt.Sprintf("the windows %s and %s are not in order", windows[i-1], w)
			}
			return fmt.Sprintf("the windows %s and %s overlap", windows[i-1], w)
		}
	}
	return ""
}

type dayKey struct {
	key     string
	windows []hours.Window
}

func (w Week) keys() []dayKey {
	return []dayKey{{"daily", w.Daily}, {"weekdays", w.Weekdays}, {"weekend", w.Weekend},
		{"monday", w.Monday}, {"tuesday", w.Tuesday}, {"wednesday", w.Wednesday}, {"thursday", w.Thursday},
		{"friday", w.Friday}, {"saturday", w.Saturday}, {"sunday", w.Sunday}}
}

// week is the windows by weekday.
func (w Week) week() (out [7][]hours.Window) {
	own := [7][]hours.Window{w.Sunday, w.Monday, w.Tuesday, w.Wednesday, w.Thursday, w.Friday, w.Saturday}
	for day := range out {
		group := w.Weekdays
		if d := time.Weekday(day); d == time.Saturday || d == time.Sunday {
			group = w.Weekend
		}
		for _, windows := range [][]hours.Window{own[day], group, w.Daily} {
			if windows != nil {
				out[day] = windows
				break
			}
		}
	}
	return out
}

// monthDay is a day of every year.
type monthDay struct {
	month time.Month
	day   int
}

// holidays fills in days off and half days.
func (k *compiler) holidays(at place, h Holidays, out *hours.Calendar) {
	yearly := map[monthDay]string{}
	out.Holidays = map[hours.Date]string{}
	out.HalfDays = map[hours.Date][]hours.Window{}
	for _, s := range slices.Sorted(maps.Keys(h.Dates)) {
		date, every, ok := k.day(at.of("dates", s), s)
		name := h.Dates[s]
		if name == "" {
			name = "holiday"
		}
		if ok && every {
			yearly[monthDay{date.Month, date.Day}] = name
		} else if ok {
			out.Holidays[date] = name
		}
	}
	for _, s := range slices.Sorted(maps.Keys(h.HalfDays)) {
		p := at.of("halfDays", s)
		date, every, ok := k.day(p, s)
		if !ok {
			continue
		}
		windows := h.HalfDays[s]
		if err := checkWindows(windows); err != "" {
			k.path(p, "%s: %s", s, err)
		}
		if _, same := h.Dates[s]; same {
			k.key(p, "%s is both a holiday and a half day", s)
			continue
		}
		half(out, date, every, windows)
	}
	k.byRule(at, h.Region, yearly, out)
}

// half notes a half day; one with a year wins over one of every year, and a
// holiday with a year over both.
func half(out *hours.Calendar, date hours.Date, every bool, windows []hours.Window) {
	if !every {
		out.HalfDays[date] = windows
		return
	}
	for year := firstHalf; year <= lastHalf; year++ {
		on := hours.Date{Year: year, Month: date.Month, Day: date.Day}
		if _, closed := out.Holidays[on]; closed || !real(on) {
			continue
		}
		if _, set := out.HalfDays[on]; !set {
			out.HalfDays[on] = windows
		}
	}
}

// byRule sets the holidays of every year and of the region.
func (k *compiler) byRule(at place, region string, yearly map[monthDay]string, out *hours.Calendar) {
	var rule func(hours.Date) (string, bool)
	if region != "" {
		var err error
		if rule, err = hours.Region(region); err != nil {
			k.path(at.of("region"), "there are no holidays for the region %s%s", quote(region), hint(region, hours.Regions()))
		}
	}
	switch {
	case len(yearly) == 0:
		out.HolidaysOf = rule
	default:
		out.HolidaysOf = func(d hours.Date) (string, bool) {
			if name, ok := yearly[monthDay{d.Month, d.Day}]; ok {
				return name, true
			}
			if rule == nil {
				return "", false
			}
			return rule(d)
		}
	}
}

// day reads "2026-12-24", or "12-24" for every year.
func (k *compiler) day(p place, s string) (date hours.Date, every, ok bool) {
	if len(s) == len("12-24") {
		at, err := time.Parse("2006-01-02", "2024-"+s) // a leap year: 02-29 is a day
		if err == nil {
			return hours.DateOf(at), true, true
		}
		swapped := s[3:] + "-" + s[:2]
		if _, err := time.Parse("2006-01-02", "2024-"+swapped); err == nil {
			k.key(p, "%s is not a day; the month comes first; did you mean %q?", quote(s), swapped)
			return date, false, false
		}
	}
	date, err := hours.ParseDate(s)
	if err != nil {
		k.key(p, "%s is not a day; write 2026-12-24, or 12-24 for every year", quote(s))
	}
	return date, false, err == nil
}

func real(d hours.Date) bool {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Day() == d.Day
}
