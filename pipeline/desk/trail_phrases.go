package desk

import "strings"

// phrase is what a stage says often: its text with a % for every blank. Its
// number, which is its place in the list, stands in the books: phrases are only
// ever added, at the end. One that no stage says any more stays, to be read.
type phrase struct {
	stage, text string
	data        phraseData
	keys        string // the facts that are the blanks again: their names, one for each blank; "-" for none
	parts       []string
}

// phraseData says how the facts behind a phrase are kept short.
type phraseData byte

const (
	asTheyAre phraseData = iota
	byKeys               // they are the blanks, by the names of keys
	clauses              // "when": []match.Clause
	counted              // "counted": Spans, "calendar" and "zone"
)

// phrases are known by number, from 0.
var phrases = cut([]phrase{
	{stage: "loop", text: "written by a person, as far as its headers say"},
	{stage: "dedupe", text: "new: nothing with this external ID and content was accepted before"},
	{stage: "revise", text: "a message of its own"},
	{stage: "requester", text: "new customer: this % was never seen"},
	{stage: "requester", text: "customer %, known by this %"},
	{stage: "requester", text: "account % by the mail domain"},
	{stage: "thread", text: "a new ticket"},
	{stage: "thread", text: "joins ticket %: %", data: byKeys, keys: "- signal"},
	{stage: "thread", text: "refused ticket % (%): %", data: byKeys, keys: "candidate signal -"},
	{stage: "fields", text: "titled by the subject, type %, status %"},
	{stage: "fields", text: "titled by the first line of the text, type %, status %"},
	{stage: "fields", text: "titled by %, type %, status %"},
	{stage: "fields", text: "the ticket keeps its fields"},
	{stage: "rules", text: `rule "%" matches: %`, data: clauses},
	{stage: "rules", text: "no match: %"},
	{stage: "route", text: `team %: route "%" is the first that matches`, data: clauses},
	{stage: "route", text: "team %: no route matches, the source's team"},
	{stage: "route", text: "team %: no route matches, the default team"},
	{stage: "route", text: "stays with team %"},
	{stage: "assign", text: "%: round robin of team %, turn % among % agents"},
	{stage: "assign", text: "nobody: team % is assigned by hand"},
	{stage: "assign", text: "stays with %"},
	{stage: "priority", text: "%: nothing says otherwise"},
	{stage: "priority", text: "%: set by a rule"},
	{stage: "priority", text: "%: service level %"},
	{stage: "priority", text: "stays %"},
	{stage: "sla", text: `SLA "%" is the first that matches`, data: clauses},
	{stage: "sla", text: "FIRST_RESPONSE due %: % of working time from % at priority %", data: counted},
	{stage: "sla", text: "RESOLUTION due %: % of working time from % at priority %", data: counted},
	{stage: "sla", text: "its clocks run on"},
})

// maxBlanks is the most blanks a phrase has.
const maxBlanks = 4

// phrasesOf are the numbers of the phrases of each stage.
var phrasesOf = func() map[string][]int {
	of := map[string][]int{}
	for i := range phrases {
		of[phrases[i].stage] = append(of[phrases[i].stage], i)
	}
	return of
}()

func cut(list []phrase) []phrase {
	for i := range list {
		list[i].parts = strings.Split(list[i].text, "%")
	}
	return list
}

func (p *phrase) blanks() int { return len(p.parts) - 1 }

// said finds what fills the blanks in a text; false when it is not this phrase.
// The parts and what is between them are the text again.
func (p *phrase) said(text string, fill *[maxBlanks]string) bool {
	last := p.blanks()
	rest, ok := strings.CutPrefix(text, p.parts[0])
	if !ok || last == 0 {
		return ok && rest == ""
	}
	for i, part := range p.parts[1:last] {
		if fill[i], rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	fill[last-1], ok = strings.CutSuffix(rest, p.parts[last])
	return ok
}

// fill is the text with its blanks filled.
func (p *phrase) fill(with *[maxBlanks]string) string {
	var b strings.Builder
	b.WriteString(p.parts[0])
	for i, part := range p.parts[1:] {
		b.WriteString(with[i])
		b.WriteString(part)
	}
	return b.String()
}

// facts are the data of a phrase with keys.
func (p *phrase) facts(fill *[maxBlanks]string) map[string]any {
	data := map[string]any{}
	for i, key := range strings.Fields(p.keys) {
		if key != "-" {
			data[key] = fill[i]
		}
	}
	return data
}

// told reports whether the blanks are all there is to the data of a phrase with
// keys.
func (p *phrase) told(data map[string]any, fill *[maxBlanks]string) bool {
	n, keys := 0, p.keys
	for i := 0; keys != ""; i++ {
		var key string
		if key, keys, _ = strings.Cut(keys, " "); key == "-" {
			continue
		}
		n++
		var s string
		switch v := data[key].(type) {
		case string:
			s = v
		case TicketID:
			s = string(v)
		default:
			return false
		}
		if s != fill[i] {
			return false
		}
	}
	return n == len(data)
}
