package desk

import (
	"encoding/json"
	"time"

	"switchboard/pipeline/hours"
	"switchboard/pipeline/match"
)

// AppendTrail appends the decisions of a message, in the short form of the
// books. It is a JSON list; each of its members is one of
//
//	7                       the phrase of that number, without blanks
//	[7, fill..., facts]     with what fills its blanks, and facts if there are any
//	{"stage": ...}          a [Note] as encoding/json writes it without escaping HTML
//
// A fill is a text, or an instant in Unix seconds that the phrase shows in UTC.
// Facts are an object, or a list whose form the phrase tells:
//
//	[1, "clause", ["clause", "why"]]         when: 1 joins by and, 2 by or; in brackets what did not match
//	["calendar", "zone", offset, n, n, n...] counted: the first span begins n seconds after the
//	                                         last instant among the fills, its length, the gap to
//	                                         the next, and so on; without names they are those before
//
// [ReadTrail] reads it, and makes of it what encoding/json would of the long
// form. The error is of a value no JSON holds.
func AppendTrail(b []byte, trail []Note) ([]byte, error) {
	w := trailWriter{jsonWriter: jsonWriter{b: b}}
	if trail == nil {
		return w.null(), nil
	}
	w.list(len(trail), func(i int) {
		if !w.short(&trail[i]) {
			w.long(&trail[i])
		}
	})
	return w.b, w.err
}

type trailWriter struct {
	jsonWriter
	place place
}

// place is where working time was last counted.
type place struct{ calendar, zone string }

func (w *trailWriter) long(n *Note) {
	w.open()
	w.text("stage", n.Stage)
	w.text("text", n.Text)
	if len(n.Data) > 0 {
		w.key("data").fields(n.Data)
	}
	w.close()
}

// short writes a note as a phrase, if it is one.
func (w *trailWriter) short(n *Note) bool {
	var fill [maxBlanks]string
	for _, number := range phrasesOf[n.Stage] {
		p := &phrases[number]
		if !p.said(n.Text, &fill) {
			continue
		}
		if p.data == byKeys && !p.told(n.Data, &fill) {
			return false
		}
		facts := len(n.Data) > 0 && p.data != byKeys
		if p.blanks() == 0 && !facts {
			w.number(int64(number))
			return true
		}
		w.b = append(w.b, '[')
		w.number(int64(number))
		var at int64
		for _, s := range fill[:p.blanks()] {
			w.b = append(w.b, ',')
			if second, ok := secondOf(s); ok {
				w.number(second)
				at = second
			} else {
				w.string(s)
			}
		}
		if facts {
			w.b = append(w.b, ',')
			w.facts(p, n.Data, at)
		}
		w.b = append(w.b, ']')
		return true
	}
	return false
}

// secondOf is the instant a text shows, if it shows nothing else and in this
// form.
func secondOf(s string) (int64, bool) {
	const form = "2006-01-02T15:04:05Z"
	if len(s) != len(form) || s[10] != 'T' || s[19] != 'Z' {
		return 0, false
	}
	number := func(from, to int) (n int) {
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				return -1
			}
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), time.Month(number(5, 7)), number(8, 10)
	hour, minute, second := number(11, 13), number(14, 16), number(17, 19)
	at := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	y, mo, d := at.Date()
	h, mi, sec := at.Clock()
	same := y == year && mo == month && d == day && h == hour && mi == minute && sec == second // else there is no such time
	return at.Unix(), same && s[4] == '-' && s[7] == '-' && s[13] == ':' && s[16] == ':' && inYears(at.Unix())
}

func (w *trailWriter) facts(p *phrase, data map[string]any, at int64) {
	switch p.data {
	case clauses:
		if when, ok := data["when"].([]match.Clause); ok && len(data) == 1 && w.clauses(when) {
			return
		}
	case counted:
		spans, ok := data["counted"].(Spans)
		calendar, named := data["calendar"].(string)
		zone, zoned := data["zone"].(string)
		if ok && named && zoned && len(data) == 3 && w.spans(spans, place{calendar, zone}, at) {
			return
		}
	}
	w.fields(data)
}

// joints are how clauses are joined, by number.
var joints = []string{"", "and", "or"}

// clauses writes a condition short, or nothing when it cannot be.
func (w *trailWriter) clauses(when []match.Clause) bool {
	if len(when) == 0 {
		return false
	}
	joint := 0
	for joint < len(joints) && joints[joint] != when[0].Joint {
		joint++
	}
	for i := range when {
		if c := &when[i]; joint == len(joints) || c.Joint != joints[joint] || c.Match && c.Reason != "" {
			return false
		}
	}
	w.b = append(w.b, '[')
	w.number(int64(joint))
	for i := range when {
		w.b = append(w.b, ',')
		switch c := &when[i]; {
		case c.Match:
			w.string(c.Source)
		case c.Reason == "":
			w.list(1, func(int) { w.string(c.Source) })
		default:
			w.list(2, func(i int) { w.string([]string{c.Source, c.Reason}[i]) })
		}
	}
	w.b = append(w.b, ']')
	return true
}

// spans writes spans of one UTC offset short, or nothing when there are two: the
// clock changed.
func (w *trailWriter) spans(s Spans, in place, at int64) bool {
	if s != nil && len(s) == 0 {
		return false
	}
	var offset int
	for i, x := range s.named() {
		_, from := x.From.Zone()
		_, to := x.To.Zone()
		if i == 0 {
			offset = from
		}
		if from != offset || to != offset || !inYears(x.From.Unix()) || !inYears(x.To.Unix()) || offset%60 != 0 {
			return false
		}
	}
	w.b = append(w.b, '[')
	begin := len(w.b)
	comma := func() {
		if len(w.b) > begin {
			w.b = append(w.b, ',')
		}
	}
	if in != w.place || len(s) == 0 {
		w.string(in.calendar)
		w.b = append(w.b, ',')
		w.string(in.zone)
		w.place = in
	}
	for i, x := range s.named() {
		if i == 0 {
			comma()
			w.number(int64(offset))
		}
		from, to := x.From.Unix(), x.To.Unix()
		comma()
		w.number(from - at)
		comma()
		w.number(to - from)
		at = to
	}
	w.b = append(w.b, ']')
	return true
}

// Spans are the stretches of working time that were counted, for an explanation.
// As JSON they are texts, "from to to" in RFC 3339 with the calendar's offset, of
// the first few; "..." stands for others.
type Spans []hours.Interval

// maxSpans is how many stretches an explanation names.
const maxSpans = 10

func (s Spans) named() Spans { return s[:min(len(s), maxSpans)] }

// MarshalJSON writes the texts.
func (s Spans) MarshalJSON() ([]byte, error) {
	var w jsonWriter
	w.texted(s)
	return w.b, nil
}

var _ json.Marshaler = Spans(nil)

func (w *jsonWriter) texted(s Spans) {
	if s == nil {
		w.null()
		return
	}
	s = s.named()
	w.b = append(w.b, '[')
	for i, x := range s {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(appendSpan(append(w.b, '"'), x), '"')
	}
	if len(s) == maxSpans {
		w.b = append(w.b, `,"..."`...)
	}
	w.b, w.owed = append(w.b, ']'), true
}

func appendSpan(b []byte, x hours.Interval) []byte {
	b = append(x.From.AppendFormat(b, time.RFC3339), " to "...)
	return x.To.AppendFormat(b, time.RFC3339)
}
