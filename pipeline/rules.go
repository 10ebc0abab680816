package pipeline

import (
	"context"
	"fmt"
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

// fill does a rule's action on a ticket being made. What an authenticated
// sender asked for stands.
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
