package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// Rules evaluates the house's rules in order and does what the matching ones
// say. Each rule sees what the ones before it did. A condition that fails while
// it runs does not match, and the explanation says so: one bad rule stops no
// mail.
func Rules() Stage {
	return Stage{
		Name: "rules",
		Doc:  "run the rules whose condition matches",
		Run: func(ctx context.Context, p *Pass) error {
			var missed []string
			for i := range p.Policy.Rules {
				r := &p.Policy.Rules[i]
				if !concerns(r, p) {
					continue
				}
				ok, why, err := p.matches(r.When)
				if err != nil {
					p.Note("rule %q could not be evaluated: %v", r.Name, err)
					continue
				}
				if !ok {
					if missed == nil {
						missed = make([]string, 0, len(p.Policy.Rules))
					}
					missed = append(missed, r.Name)
					continue
				}
				p.NoteData(why, "rule %q matches: %s", r.Name, act(p, r))
				if p.Ended() {
					return nil
				}
				if r.Stop {
					p.Note("rule %q stops here", r.Name)
					break
				}
			}
			if len(missed) > 0 {
				p.Note("no match: %s", strings.Join(missed, ", "))
			}
			return nil
		},
	}
}

// concerns reports whether the rule is to be evaluated for this kind of
// message.
func concerns(r *desk.Rule, p *Pass) bool {
	switch r.On {
	case desk.OnAny:
		return true
	case desk.OnReply:
		return p.Joined
	}
	return !p.Joined
}

// act does what the rule says, on the new ticket or as a change of the joined
// one, and returns it in words.
func act(p *Pass, r *desk.Rule) string {
	a := r.Then
	if a.Drop != "" {
		p.Drop(fmt.Sprintf("rule %q: %s", r.Name, a.Drop))
		return "drop"
	}
	if a.Hold != "" {
		p.Hold(fmt.Sprintf("rule %q: %s", r.Name, a.Hold))
		return "hold"
	}
	a = possible(p, a, r.Name)
	var did []string
	say := func(format string, args ...any) { did = append(did, fmt.Sprintf(format, args...)) }
	if p.Joined {
		alter(&p.Change, a, r.Name)
	} else {
		fill(p, a, r.Name)
	}
	p.env = nil // the next condition sees the change
	if a.Priority != "" {
		say("priority %s", a.Priority)
	}
	if a.Type != "" {
		say("type %s", a.Type)
	}
	if a.Status != "" {
		say("status %s", a.Status)
	}
	if a.Team != "" {
		say("team %s", a.Team)
	}
	if a.Agent != "" {
		say("agent %s", a.Agent)
	}
	if len(a.Tags) > 0 {
		say("tags %s", strings.Join(a.Tags, ", "))
	}
	if len(a.Untag) > 0 {
		say("without tags %s", strings.Join(a.Untag, ", "))
	}
	if len(a.Fields) > 0 {
		say("%d fields", len(a.Fields))
	}
	if a.Escalate > 0 {
		say("escalation level %d", a.Escalate)
	}
	if len(did) == 0 {
		return "nothing to do"
	}
	return strings.Join(did, "; ")
}

// possible is what of an action is to be done. A ticket that is joined keeps its
// status where it cannot move to the rule's: the message would be refused with
// it. An escalation level is raised, never lowered.
func possible(p *Pass, a desk.Action, rule string) desk.Action {
	level := p.Ticket.Escalation
	if up := p.Change.Escalation; up != nil {
		level = *up
	}
	if a.Escalate <= level {
		a.Escalate = 0
	}
	if !p.Joined {
		return unasked(p, a, rule)
	}
	if a.Status != "" {
		if err := p.Policy.Statuses.Move(p.Ticket.Status, a.Status); err != nil {
			p.Note("rule %q sets no status: %v", rule, err)
			a.Status = ""
		}
	}
	return a
}

// unasked is an action without what an authenticated sender asked for, which
// stands. Tags add up.
func unasked(p *Pass, a desk.Action, rule string) desk.Action {
	ask := p.Draft.Ask
	if ask == nil {
		return a
	}
	var stands []string
	stand := func(name string, asked bool) bool {
		if asked {
			stands = append(stands, name)
		}
		return asked
	}
	if stand("priority", a.Priority != "" && ask.Priority != "") {
		a.Priority = ""
	}
	if stand("type", a.Type != "" && ask.Type != "") {
		a.Type = ""
	}
	if stand("status", a.Status != "" && ask.Status != "") {
		a.Status = ""
	}
	if stand("team", a.Team != "" && ask.TeamID != "") {
		a.Team = ""
	}
	if stand("agent", a.Agent != "" && ask.AgentID != "") {
		a.Agent = ""
	}
	fields := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(a.Fields)) {
		if _, asked := ask.CustomFields[name]; !stand("field "+name, asked) {
			fields[name] = a.Fields[name]
		}
	}
	a.Fields = fields
	if len(stands) > 0 {
		p.Note("rule %q leaves what the sender asked for: %s", rule, strings.Join(stands, ", "))
	}
	return a
}

// fill does a rule's action on a ticket being made.
func fill(p *Pass, a desk.Action, rule string) {
	t := p.Ticket
	if a.Priority != "" {
		t.Priority = a.Priority
	}
	if a.Type != "" {
		t.Type = a.Type
	}
	if a.Status != "" {
		t.Status = a.Status
		finish(p)
	}
	if a.Team != "" {
		t.TeamID, t.AssignedBy.Rule = a.Team, rule
	}
	if a.Agent != "" {
		t.AgentID, t.AssignedBy.Rule = a.Agent, rule
	}
	t.Tags = desk.AddTags(t.Tags, a.Tags...)
	t.Tags = desk.RemoveTags(t.Tags, a.Untag...)
	for k, v := range a.Fields {
		t.Custom[k] = v
	}
	t.Escalation = max(t.Escalation, a.Escalate)
}

// alter writes a rule's action into the change of a joined ticket.
func alter(c *desk.Change, a desk.Action, rule string) {
	if a.Priority != "" {
		c.Priority = &a.Priority
	}
	if a.Type != "" {
		c.Type = &a.Type
	}
	if a.Status != "" {
		c.Status = &a.Status
	}
	if a.Team != "" {
		c.Team = &a.Team
	}
	if a.Agent != "" {
		c.Agent = &a.Agent
	}
	if a.Team != "" || a.Agent != "" {
		c.AssignedBy = &desk.AssignedBy{Rule: rule}
	}
	c.AddTags = desk.AddTags(c.AddTags, a.Tags...)
	c.RemoveTags = desk.RemoveTags(c.RemoveTags, a.Tags...) // the rule that comes last has the last word
	c.AddTags = desk.RemoveTags(c.AddTags, a.Untag...)
	c.RemoveTags = desk.AddTags(c.RemoveTags, a.Untag...)
	for k, v := range a.Fields {
		if c.CustomFields == nil {
			c.CustomFields = map[string]any{}
		}
		c.CustomFields[k] = v
	}
	if a.Escalate > 0 {
		c.Escalation = &a.Escalate
	}
}
