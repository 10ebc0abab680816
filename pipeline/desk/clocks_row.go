package desk

import (
	"slices"
	"strings"
	"time"
)

// AppendClocks appends the clocks of a ticket, in the short form of the books: a
// JSON list of its version, an instant, and the clocks with what they are called
// before them, as in
//
//	[1, 1772452800.123456, "standard", "office", [0, 0, 14400, 0, 18000], [2, 0, 57600, 0, 180000]]
//
// The instant is the start of the first clock. The two texts are the SLA and the
// calendar of the clocks behind them, up to the next two. A clock is a list of
//
//	metric    its number in clockMetrics
//	state     its number in clockStates
//	target
//	started   after the instant in front
//	due       after the clock started; null for none
//	used
//	stopped   after the clock started; null for none
//	running   since, after the clock started; null for not
//	breached  after the clock started; null for none
//
// and ends before the first of those that are as in [0, 0, 14400, 0, null, 0,
// null, 0, null] from there on. Instants and durations are seconds, with up to nine
// digits behind the point: none is lost.
//
// Clocks this cannot say, which are those with another metric or state, without a
// start, or with an instant that is not in UTC, are written as encoding/json does
// without escaping HTML. [ReadClocks] reads both. The error is of a time no JSON
// holds.
func AppendClocks(b []byte, clocks []Clock) ([]byte, error) {
	w := jsonWriter{b: b}
	if clocks == nil {
		return w.null(), nil
	}
	if !w.shortClocks(clocks) {
		w.b = w.b[:len(b)]
		w.longClocks(clocks)
	}
	return w.b, w.err
}

// ReadClocks reads the clocks of a ticket in either form of [AppendClocks].
func ReadClocks(text string) ([]Clock, error) {
	r := jsonReader{text: text}
	if strings.HasPrefix(text, shortClocks) {
		if list, ok := r.shortClocks(); ok && r.done() {
			return list, nil
		}
		return byLibrary[[]Clock](text)
	}
	var list []Clock
	if readList(&r, &list, r.longClock) && r.done() {
		return list, nil
	}
	return byLibrary[[]Clock](text)
}

// shortClocks is how the short form begins. Nothing encoding/json reads as clocks
// begins like this, so a version that does not know the form cannot mistake it.
const shortClocks = "[1,"

// What clocks measure and where they stand is known by number in the books, from
// 0: both lists only ever grow, at the end.
var (
	clockMetrics = []Metric{FirstResponse, NextResponse, Resolution}
	clockStates  = []ClockState{ClockRunning, ClockPaused, ClockMet, ClockBreached, ClockCancelled}
)

func (w *jsonWriter) shortClocks(clocks []Clock) bool {
	if len(clocks) == 0 {
		return false
	}
	start := clocks[0].StartedAt
	w.b = append(w.b, shortClocks...)
	w.seconds(lengthOf(start, time.Unix(0, 0)))
	for i := range clocks {
		c := &clocks[i]
		if i == 0 || c.SLA != clocks[i-1].SLA || c.Calendar != clocks[i-1].Calendar {
			w.b = append(w.b, ',')
			w.string(c.SLA)
			w.b = append(w.b, ',')
			w.string(c.Calendar)
		}
		w.b = append(w.b, ',')
		if !w.shortClock(c, start) {
			return false
		}
	}
	w.b = append(w.b, ']')
	return true
}

func (w *jsonWriter) shortClock(c *Clock, start time.Time) bool {
	metric, state := slices.Index(clockMetrics, c.Metric), slices.Index(clockStates, c.State)
	if metric < 0 || state < 0 || c.StartedAt.IsZero() {
		return false
	}
	for _, t := range [...]time.Time{c.StartedAt, c.RunningAt, c.DueAt, c.StoppedAt, c.BreachedAt} {
		if _, offset := t.Zone(); offset != 0 || !inYears(t.Unix()) {
			return false
		}
	}
	w.b = append(w.b, '[')
	w.number(int64(metric))
	w.b = append(w.b, ',')
	w.number(int64(state))
	w.b = append(w.b, ',')
	w.seconds(secondsOf(c.Target))
	end := len(w.b) // of what must be said
	say := func(at time.Time, after time.Time, unsaid bool) {
		w.b = append(w.b, ',')
		if at.IsZero() {
			w.null()
		} else {
			w.seconds(lengthOf(at, after))
		}
		if !unsaid {
			end = len(w.b)
		}
	}
	say(c.StartedAt, start, c.StartedAt.Equal(start))
	say(c.DueAt, c.StartedAt, c.DueAt.IsZero())
	w.b = append(w.b, ',')
	if w.seconds(secondsOf(c.Used)); c.Used != 0 {
		end = len(w.b)
	}
	say(c.StoppedAt, c.StartedAt, c.StoppedAt.IsZero())
	say(c.RunningAt, c.StartedAt, c.RunningAt.Equal(c.StartedAt))
	say(c.BreachedAt, c.StartedAt, c.BreachedAt.IsZero())
	w.b = append(w.b[:end], ']')
	return true
}

// maxClocks bounds the memory made for clocks before they are read.
const maxClocks = 8

func (r *jsonReader) shortClocks() (list []Clock, ok bool) {
	r.at = len(shortClocks)
	var since length
	if !r.seconds(&since) {
		return nil, false
	}
	start, ok := since.after(time.Unix(0, 0))
	if !ok {
		return nil, false
	}
	list = make([]Clock, 0, min(strings.Count(r.text, "[")-1, maxClocks))
	sla, calendar, named := "", "", false
	for r.next(',') {
		if strings.HasPrefix(r.text[r.at:], `"`) {
			named = true
			if !r.string(&sla) || !r.next(',') || !r.string(&calendar) || !r.next(',') {
				return nil, false
			}
		}
		list = append(list, Clock{SLA: sla, Calendar: calendar})
		if !named || !r.shortClock(&list[len(list)-1], start) {
			return nil, false
		}
	}
	return list, len(list) > 0 && r.next(']')
}

func (r *jsonReader) shortClock(c *Clock, start time.Time) bool {
	var metric, state int64
	if !r.next('[') || !r.number(&metric) || metric < 0 || metric >= int64(len(clockMetrics)) ||
		!r.next(',') || !r.number(&state) || state < 0 || state >= int64(len(clockStates)) ||
		!r.next(',') || !r.duration(&c.Target) {
		return false
	}
	c.Metric, c.State, c.StartedAt = clockMetrics[metric], clockStates[state], start
	if r.next(',') && !r.since(start, &c.StartedAt) {
		return false
	}
	if c.RunningAt = c.StartedAt; c.StartedAt.IsZero() {
		return false
	}
	for item := 0; r.next(','); item++ {
		ok := false
		switch item {
		case 0:
			ok = r.since(c.StartedAt, &c.DueAt)
		case 1:
			ok = r.duration(&c.Used)
		case 2:
			ok = r.since(c.StartedAt, &c.StoppedAt)
		case 3:
			ok = r.since(c.StartedAt, &c.RunningAt)
		case 4:
			ok = r.since(c.StartedAt, &c.BreachedAt)
		}
		if !ok {
			return false
		}
	}
	return r.next(']')
}

// since reads an instant told by what lies between it and another one.
func (r *jsonReader) since(t time.Time, into *time.Time) (ok bool) {
	if strings.HasPrefix(r.text[r.at:], "null") {
		r.at += len("null")
		*into = time.Time{}
		return true
	}
	var l length
	if !r.seconds(&l) {
		return false
	}
	*into, ok = l.after(t)
	return ok
}

func (r *jsonReader) duration(into *time.Duration) (ok bool) {
	var l length
	if !r.seconds(&l) {
		return false
	}
	*into, ok = l.duration()
	return ok
}
