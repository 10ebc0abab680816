package pipeline

import (
	"context"

	"switchboard/pipeline/desk"
)

// Route picks the team of a new ticket: the one an authenticated sender named,
// else a rule's, else the first matching route's, else the source's, else the
// house's default.
func Route() Stage {
	return Stage{
		Name: "route",
		Doc:  "pick the team",
		Run: func(ctx context.Context, p *Pass) error {
			if p.Joined {
				p.Note("stays with team %s", p.Ticket.TeamID)
				return nil
			}
			t := p.Ticket
			if a := p.Draft.Ask; a != nil && a.TeamID != "" {
				t.TeamID = a.TeamID
				p.Note("team %s: named by the sender", t.TeamID)
				return newTeam(ctx, p)
			}
			if t.TeamID != "" {
				p.Note("team %s: set by rule %q", t.TeamID, t.AssignedBy.Rule)
				return nil
			}
			for _, r := range p.Policy.Routes {
				ok, why, err := p.matches(r.When)
				if err != nil {
					p.Note("route %q could not be evaluated: %v", r.Name, err)
					continue
				}
				if ok {
					t.TeamID, t.AssignedBy.Route = r.Team, r.Name
					p.NoteData(why, "team %s: route %q is the first that matches", r.Team, r.Name)
					return nil
				}
			}
			if s, ok := p.Policy.Sources[p.Draft.Source]; ok && s.Team != "" {
				t.TeamID, t.AssignedBy.Route = s.Team, "source "+s.Name
				p.Note("team %s: no route matches, the source's team", s.Team)
				return nil
			}
			t.TeamID, t.AssignedBy.Route = p.Policy.DefaultTeam, "default"
			p.Note("team %s: no route matches, the default team", t.TeamID)
			return nil
		},
	}
}

// newTeam notes a team the books have not heard of; the sender's right to name
// one was checked at the door.
func newTeam(ctx context.Context, p *Pass) error {
	id := p.Ticket.TeamID
	if _, ok := p.Policy.Team(id); ok {
		return nil
	}
	known, err := p.Books.HasTeam(ctx, id)
	if err != nil || known {
		return err
	}
	p.NewTeam = &desk.Team{ID: id, Name: string(id)}
	p.Note("team %s is new", id)
	return nil
}
