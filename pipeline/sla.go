package pipeline

import (
	"context"
	"time"

	"switchboard/pipeline/desk"
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

// explainClocks says for each clock which working intervals were counted. The
// clocks of a new ticket begin together in one calendar: they are counted once,
// for the longest.
func explainClocks(p *Pass) {
	clocks := p.Ticket.Clocks
	if len(clocks) == 0 {
		return
	}
	longest := clocks[0].Target
	for _, c := range clocks[1:] {
		longest = max(longest, c.Target)
	}
	cal, begin := p.Policy.Calendar(clocks[0].Calendar), clocks[0].StartedAt.Format(time.RFC3339)
	counted := cal.Explain(clocks[0].StartedAt, longest)
	var calendar, zone any = clocks[0].Calendar, cal.Location.String()
	for _, c := range clocks {
		if !c.Begun() {
			p.Note("%s starts when the customer writes after an answer: %s of working time at priority %s", c.Metric, c.Target, p.Ticket.Priority)
			continue
		}
		if c.State == desk.ClockPaused {
			p.NoteData(map[string]any{"calendar": calendar, "zone": zone}, "%s waits while the ticket is %s: %s of working time at priority %s",
				c.Metric, p.Ticket.Status, c.Target, p.Ticket.Priority)
			continue
		}
		text := append(make([]byte, 0, 128), c.Metric...)
		text = c.DueAt.AppendFormat(append(text, " due "...), time.RFC3339)
		text = append(append(text, ": "...), c.Target.String()...)
		text = append(append(text, " of working time from "...), begin...)
		text = append(append(text, " at priority "...), p.Ticket.Priority...)
		p.say(map[string]any{"counted": desk.Spans(hours.First(counted, c.Target)), "calendar": calendar, "zone": zone}, string(text))
	}
}
