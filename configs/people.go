package configs

import (
	"regexp"

	"switchboard/pipeline/desk"
)

// people compiles agents, teams and the default team.
func (k *compiler) people() {
	c, at := k.c, place{"agents"}
	for i := range c.Agents {
		a := &c.Agents[i]
		if a.Name == "" {
			a.Name = string(a.ID)
		}
		a.Email = desk.Handle("email", a.Email)
		if a.Email != "" && !isAddress(a.Email) {
			k.path(at.of(i, "email"), "%s is not a mail address", quote(a.Email))
		}
	}
	named(k, at, "id", "an agent", c.Agents, func(a desk.Agent) string { return string(a.ID) })
	twice(c.Agents, func(a desk.Agent) string { return a.Email }, func(i, first int) {
		k.path(at.of(i, "email"), "the agent %s has this mail address too", quote(c.Agents[first].ID))
	})
	k.agents = namesOf(c.Agents, func(a desk.Agent) desk.AgentID { return a.ID })

	at = place{"teams"}
	named(k, at, "id", "a team", c.Teams, func(t desk.Team) string { return string(t.ID) })
	k.teams = namesOf(c.Teams, func(t desk.Team) desk.TeamID { return t.ID })
	for i := range c.Teams {
		k.team(at.of(i), &c.Teams[i])
	}
	if len(c.Teams) == 0 {
		k.key(at, "there must be at least one team; leave the key out to have the team support")
	}
	switch {
	case c.DefaultTeam != "":
		refer(k, place{"defaultTeam"}, "team", c.DefaultTeam, k.teams)
	case len(c.Teams) > 0:
		c.DefaultTeam = c.Teams[0].ID
	}
	k.p.Agents, k.p.Teams, k.p.DefaultTeam = c.Agents, c.Teams, c.DefaultTeam
}

func (k *compiler) team(p place, t *desk.Team) {
	if t.Name == "" {
		t.Name = string(t.ID)
	}
	for j, m := range t.Members {
		refer(k, p.of("members", j), "agent", m, k.agents)
	}
	twice(t.Members, func(m desk.AgentID) string { return string(m) }, func(j, _ int) {
		k.path(p.of("members", j), "the agent %s is in the team twice", quote(t.Members[j]))
	})
	refer(k, p.of("calendar"), "calendar", t.Calendar, k.calendars)
	if t.Strategy == "" {
		t.Strategy = desk.Manual
	}
	if t.Strategy == desk.RoundRobin && len(t.Members) == 0 && !k.refused(p.of("members")) {
		k.path(p.of("strategy"), "a team that deals its tickets out in turn (round_robin) needs members")
	}
}

// slas compiles the SLAs.
func (k *compiler) slas() {
	at := place{"slas"}
	named(k, at, "name", "an SLA", k.c.SLAs, func(s SLA) string { return s.Name })
	for i, s := range k.c.SLAs {
		p := at.of(i)
		out := desk.SLA{Name: s.Name, When: k.condition(p.of("when"), s.When), Calendar: s.Calendar, PauseOn: s.PauseOn}
		refer(k, p.of("calendar"), "calendar", s.Calendar, k.calendars)
		for _, t := range []struct {
			metric desk.Metric
			target Target
		}{
			{desk.FirstResponse, s.Targets.FirstResponse},
			{desk.NextResponse, s.Targets.NextResponse},
			{desk.Resolution, s.Targets.Resolution},
		} {
			if target, ok := t.target.target(t.metric); ok {
				out.Targets = append(out.Targets, target)
			}
		}
		if len(out.Targets) == 0 && !k.unread(p.of("targets")) {
			k.path(p, "an SLA needs at least one target: firstResponse, nextResponse or resolution")
		}
		for j, c := range s.PauseOn {
			if c.Done() || c == desk.CategoryNew {
				k.path(p.of("pauseOn", j), "clocks cannot pause while a ticket is %s; name pending, on_hold or open", c)
			}
		}
		k.p.SLAs = append(k.p.SLAs, out)
	}
}

var addressForm = regexp.MustCompile(`^[^\s@<>,;"]+@[^\s@<>,;"]+$`)

// isAddress is a plausibility check of a mail address that somebody wrote by
// hand, not RFC 5322 section 3.4.1.
func isAddress(s string) bool { return addressForm.MatchString(s) }
