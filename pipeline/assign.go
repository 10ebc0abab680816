package pipeline

import (
	"context"
	"strings"

	"switchboard/pipeline/desk"
)

// Assign picks the agent of a new ticket: the one an authenticated sender or a
// rule named, else by the team's strategy. For round robin the line names the
// candidates and the store gives the turn in the filing's own transaction, so
// that no turn is lost or given twice.
func Assign() Stage {
	return Stage{
		Name: "assign",
		Doc:  "pick the agent",
		Run: func(ctx context.Context, p *Pass) error {
			t := p.Ticket
			if p.Joined {
				p.Note("stays with %s", orNobody(t.AgentID))
				return nil
			}
			if a := p.Draft.Ask; a != nil && a.AgentID != "" {
				t.AgentID, t.AssignedBy.Agent = a.AgentID, "named by the sender"
				p.Note("%s: named by the sender", t.AgentID)
				return nil
			}
			if t.AgentID != "" {
				t.AssignedBy.Agent = "rule " + t.AssignedBy.Rule
				p.Note("%s: set by rule %q", t.AgentID, t.AssignedBy.Rule)
				return nil
			}
			team, ok := p.Policy.Team(t.TeamID)
			if !ok || team.Strategy != desk.RoundRobin {
				p.Note("nobody: team %s is assigned by hand", t.TeamID)
				return nil
			}
			var turn, away []string
			for _, id := range team.Members {
				if a, _ := p.Policy.Agent(id); a.Away {
					away = append(away, string(id))
					continue
				}
				turn = append(turn, string(id))
			}
			if len(away) > 0 {
				p.Note("away: %s", strings.Join(away, ", "))
			}
			if len(turn) == 0 {
				p.Note("nobody: team %s has no agent to take a turn", team.ID)
				return nil
			}
			p.Turn = &desk.Turn{Team: team.ID}
			for _, id := range turn {
				p.Turn.Candidates = append(p.Turn.Candidates, desk.AgentID(id))
			}
			return nil
		},
	}
}

func orNobody(id desk.AgentID) string {
	if id == "" {
		return "nobody"
	}
	return string(id)
}
