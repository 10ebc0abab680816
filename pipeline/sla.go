package pipeline

import (
	"context"
	"time"

	"switchboard/pipeline/hours"
)

// SLA starts the clocks of a new ticket: the first SLA whose condition matches
// gives the targets, in working time of its calendar. A target that can never
// be reached (a calendar without openings ahead) starts no clock, and the
// explanation says so: the ticket matters more than its clock.
func SLA() Stage {
	return Stage{
		Name: "sla",
		Doc:  "start the clocks",
		Run: func(ctx context.Context, p *Pass) error {
			t := p.Ticket
			if p.Joined {
				p.Note("its clocks run on")
				return nil
			}
			if p.Policy.Statuses.Category(t.Status).Done() {
				p.Note("no clock: it arrives %s", t.Status)
				return nil
			}
			for _, s := range p.Policy.SLAs {
				ok, why, err := p.matches(s.When)
				if err != nil {
					p.Note("SLA %q could not be evaluated: %v", s.Name, err)
					continue
				}
				if !ok {
					continue
				}
				p.NoteData(why, "SLA %q is the first that matches", s.Name)
				if err := t.StartClocks(p.Policy, s, p.Now); err != nil {
					p.Note("no clock: %v", err)
				}
				explainClocks(p)
				return nil
			}
			p.Note("no SLA matches: no clock")
			return nil
		},
	}
}

// explainClocks says for each clock which working intervals were counted.
func explainClocks(p *Pass) {
	for _, c := range p.Ticket.Clocks {
		cal := p.Policy.Calendar(c.Calendar)
		p.NoteData(map[string]any{"counted": spans(cal.Explain(c.StartedAt, c.Target)), "calendar": c.Calendar, "zone": cal.Location.String()},
			"%s due %s: %s of working time from %s at priority %s", c.Metric, c.DueAt.Format(time.RFC3339), c.Target,
			c.StartedAt.Format(time.RFC3339), p.Ticket.Priority)
	}
}

// maxSpans is how many intervals an explanation names.
const maxSpans = 10

// spans writes intervals out, as parts of one text.
func spans(intervals []hours.Interval) []string {
	if len(intervals) == 0 {
		return nil
	}
	named := intervals[:min(len(intervals), maxSpans)]
	all := make([]byte, 0, len(named)*len("2006-01-02T15:04:05-07:00 to 2006-01-02T15:04:05-07:00"))
	var ends [maxSpans]int
	for i, x := range named {
		all = append(x.From.AppendFormat(all, time.RFC3339), " to "...)
		all = x.To.AppendFormat(all, time.RFC3339)
		ends[i] = len(all)
	}
	text, begin := string(all), 0
	out := make([]string, 0, len(named)+1)
	for _, end := range ends[:len(named)] {
		out = append(out, text[begin:end])
		begin = end
	}
	if len(named) == maxSpans {
		out = append(out, "...")
	}
	return out
}
