package desk

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/hours"
)

// ReadTrail reads the decisions of a message, in the short form of
// [AppendTrail] or as a list of notes. A phrase of a later version is a note that
// says so.
func ReadTrail(text string) ([]Note, error) {
	var trail []Note
	r := trailReader{jsonReader: jsonReader{text: text}}
	if readList(&r.jsonReader, &trail, r.note) && r.done() {
		return trail, nil
	}
	return byLibrary[[]Note](text)
}

type trailReader struct {
	jsonReader
	place place
}

func (r *trailReader) note(n *Note) bool {
	var fill [maxBlanks]string
	if r.at == len(r.text) {
		return false
	}
	if r.text[r.at] == '{' {
		return r.long(n)
	}
	list := r.next('[')
	var number int64
	if !r.number(&number) || number < 0 {
		return false
	}
	if number >= int64(len(phrases)) {
		n.Stage, n.Text = "?", fmt.Sprintf("phrase %d of a later version", number)
		return !list || r.rest()
	}
	p := &phrases[number]
	if !list && p.blanks() > 0 {
		return false
	}
	var at int64
	for i := range p.blanks() {
		if !r.next(',') || !r.filled(&fill[i], &at) {
			return false
		}
	}
	n.Stage, n.Text = p.stage, p.fill(&fill)
	if !list {
		return true
	}
	if p.data == byKeys {
		n.Data = p.facts(&fill)
	} else if r.next(',') && !r.facts(p, n, at) {
		return false
	}
	return r.next(']')
}

// rest passes over what is left of a list.
func (r *trailReader) rest() bool {
	for r.next(',') {
		var v any
		if !r.value(&v, 0) {
			return false
		}
	}
	return r.next(']')
}

// long reads a note as encoding/json writes it.
func (r *trailReader) long(n *Note) bool {
	begin := r.at
	if r.plainNote(n) {
		return true
	}
	*n, r.at = Note{}, begin
	return r.byLibrary(n)
}

func (r *trailReader) plainNote(n *Note) bool {
	return r.object(func(key string) bool {
		switch key {
		case "stage":
			return r.string(&n.Stage)
		case "text":
			return r.string(&n.Text)
		case "data":
			return r.fields(&n.Data, 0)
		}
		return false
	})
}

// byLibrary lets encoding/json read one object of the trail.
func (r *trailReader) byLibrary(into any) bool {
	var value json.RawMessage
	return r.raw(&value) && json.Unmarshal(value, into) == nil
}

// filled reads what fills a blank; at becomes the instant, if it is one.
func (r *trailReader) filled(into *string, at *int64) bool {
	if r.at < len(r.text) && r.text[r.at] == '"' {
		return r.string(into)
	}
	if !r.number(at) || !inYears(*at) {
		return false
	}
	*into = time.Unix(*at, 0).UTC().Format(time.RFC3339)
	return true
}

// inYears reports whether an instant lies in the years that texts show.
func inYears(second int64) bool { return -62135596800 <= second && second < 253402300800 }

func (r *trailReader) facts(p *phrase, n *Note, at int64) bool {
	switch {
	case strings.HasPrefix(r.text[r.at:], "{"):
		begin := r.at
		if r.fields(&n.Data, 0) {
			return true
		}
		n.Data, r.at = nil, begin
		return r.byLibrary(&n.Data)
	case p.data == clauses:
		return r.clauses(n)
	case p.data == counted:
		return r.spans(n, at)
	}
	return false
}

func (r *trailReader) clauses(n *Note) bool {
	var joint int64
	if !r.next('[') || !r.number(&joint) || joint < 0 || joint >= int64(len(joints)) {
		return false
	}
	var when []any
	for r.next(',') {
		var said []string
		match := !strings.HasPrefix(r.text[r.at:], "[")
		if match {
			said = make([]string, 1)
			if !r.string(&said[0]) {
				return false
			}
		} else if !readList(&r.jsonReader, &said, r.string) || len(said) == 0 || len(said) > 2 {
			return false
		}
		clause := map[string]any{"source": said[0], "match": match}
		if joint > 0 {
			clause["joint"] = joints[joint]
		}
		if len(said) > 1 {
			clause["reason"] = said[1]
		}
		when = append(when, clause)
	}
	n.Data = map[string]any{"when": when}
	return r.next(']')
}

// maxOffset is more than any zone is away from UTC, in seconds.
const maxOffset = 48 * 60 * 60

func (r *trailReader) spans(n *Note, at int64) bool {
	if !r.next('[') {
		return false
	}
	named := strings.HasPrefix(r.text[r.at:], `"`)
	if named && (!r.string(&r.place.calendar) || !r.next(',') || !r.string(&r.place.zone)) {
		return false
	}
	n.Data = map[string]any{"counted": nil, "calendar": r.place.calendar, "zone": r.place.zone}
	if named && !r.next(',') {
		return r.next(']')
	}
	var offset int64
	if !r.number(&offset) || offset < -maxOffset || offset > maxOffset {
		return false
	}
	zone := time.FixedZone("", int(offset))
	var spans []any
	for r.next(',') {
		var gap, length int64
		if !r.number(&gap) || !r.next(',') || !r.number(&length) || !inYears(at+gap) || !inYears(at+gap+length) {
			return false
		}
		from := time.Unix(at+gap, 0).In(zone)
		at += gap + length
		spans = append(spans, string(appendSpan(nil, hours.Interval{From: from, To: time.Unix(at, 0).In(zone)})))
	}
	if len(spans) == maxSpans {
		spans = append(spans, "...")
	}
	n.Data["counted"] = spans
	return len(spans) > 0 && r.next(']')
}
