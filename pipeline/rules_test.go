package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// answered files a first mail under a policy without rules, lets change alter the
// ticket, and files an answer under the rules. It returns the ticket after it.
func answered(t *testing.T, rules []desk.Rule, change func(*desk.Ticket)) (*desk.Ticket, *desk.Filing) {
	t.Helper()
	s, p := newShelf(), house(t)
	p.Rules = nil
	tk := opened(t, s, p)
	change(tk)
	for i := range rules {
		rules[i].On = desk.OnReply
	}
	p.Rules = rules
	d := mail("r1", "alice@acme.example", "Re: Printer on fire", "still", "root@acme")
	_, f := run(t, s, p, d, noon.Add(time.Hour))
	return s.tickets[s.file(t, d, f)], f
}

// A status the ticket cannot move to is the rule's trouble, never the message's:
// the filing would be refused with it.
func TestARuleSetsNoStatusThatRefusesTheMessage(t *testing.T) {
	for _, from := range []desk.Status{desk.StatusResolved, desk.StatusClosed} {
		tk, f := answered(t, []desk.Rule{{Name: "waits", Then: desk.Action{Status: desk.StatusPending, Tags: []string{"x"}}}},
			func(tk *desk.Ticket) { tk.Status = from })
		if tk.Status != desk.StatusOpen || !slices.Contains(tk.Tags, "x") || tk.MessageCount != 2 {
			t.Errorf("from %s: %s, tags %v, %d messages, want it open as any answer opens it", from, tk.Status, tk.Tags, tk.MessageCount)
		}
		if !strings.Contains(trail(f), `rule "waits" sets no status`) {
			t.Errorf("not explained:\n%s", trail(f))
		}
	}
}

func TestARuleRaisesTheEscalationLevel(t *testing.T) {
	rules := []desk.Rule{{Name: "two", Then: desk.Action{Escalate: 2}}, {Name: "one", Then: desk.Action{Escalate: 1}}}
	for was, want := range map[int]int{0: 2, 1: 2, 3: 3} {
		if tk, f := answered(t, rules, func(tk *desk.Ticket) { tk.Escalation = was }); tk.Escalation != want {
			t.Errorf("from level %d to %d, want %d\n%s", was, tk.Escalation, want, trail(f))
		}
	}
}

func TestTheLastRuleHasTheLastWordOnATag(t *testing.T) {
	add, remove := desk.Action{Tags: []string{"a"}}, desk.Action{Untag: []string{"A"}}
	for _, was := range [][]string{{}, {"a"}} {
		for _, c := range []struct {
			rules []desk.Rule
			want  bool
		}{
			{[]desk.Rule{{Name: "1", Then: remove}, {Name: "2", Then: add}}, true},
			{[]desk.Rule{{Name: "1", Then: add}, {Name: "2", Then: remove}}, false},
			{[]desk.Rule{{Name: "1", Then: desk.Action{Tags: add.Tags, Untag: remove.Untag}}}, false},
		} {
			tk, f := answered(t, c.rules, func(tk *desk.Ticket) { tk.Tags = slices.Clone(was) })
			if slices.Contains(tk.Tags, "a") != c.want {
				t.Errorf("from %v: tags %v, want the tag %v\n%s", was, tk.Tags, c.want, trail(f))
			}
		}
	}
}

// A ticket that a rule closes is closed since then, or answers would join it for ever.
func TestARuleClosesANewTicket(t *testing.T) {
	p := house(t)
	for status, closed := range map[desk.Status]bool{desk.StatusResolved: false, desk.StatusClosed: true} {
		p.Rules = []desk.Rule{{Name: "done", Then: desk.Action{Status: status}}}
		_, f := run(t, newShelf(), p, mail("m", "a@b.example", "x", "y"), noon)
		tk := f.Ticket
		if tk.ResolvedAt == nil || !tk.ResolvedAt.Equal(noon) || (tk.ClosedAt != nil) != closed || len(tk.Clocks) != 0 {
			t.Errorf("%s: resolved %v, closed %v, %d clocks", status, tk.ResolvedAt, tk.ClosedAt, len(tk.Clocks))
		}
	}
}

// What an authenticated sender asks for is seen by conditions, and no rule
// changes it.
func TestRulesLeaveWhatWasAsked(t *testing.T) {
	p := house(t)
	p.Rules = []desk.Rule{
		{Name: "alarm", When: compile(t, `priority == "urgent" and team == "billing"`), Then: desk.Action{Tags: []string{"alarm"}, Escalate: 1}},
		{Name: "all", Then: desk.Action{Priority: desk.Low, Type: "BUG", Status: desk.StatusOnHold, Team: "support", Agent: "bob",
			Fields: map[string]any{"product": "rule", "place": "rule"}}},
	}
	d := &desk.Draft{Source: "api", Channel: desk.API, Scope: "API", ExternalID: "k1", ReceivedAt: noon, Subject: "Down",
		Ask: &desk.Ask{Priority: desk.Urgent, Type: "INCIDENT", Status: desk.StatusOpen, TeamID: "billing", AgentID: "ann",
			CustomFields: map[string]any{"product": "asked"}, Actor: desk.Actor{Kind: desk.ByKey, ID: "k"}}}
	_, f := run(t, newShelf(), p, d, noon)
	tk := f.Ticket
	if !slices.Contains(tk.Tags, "alarm") || tk.Escalation != 1 {
		t.Errorf("conditions do not see what was asked:\n%s", trail(f))
	}
	if tk.Priority != desk.Urgent || tk.Type != "INCIDENT" || tk.Status != desk.StatusOpen || tk.TeamID != "billing" || tk.AgentID != "ann" ||
		tk.Custom["product"] != "asked" || tk.Custom["place"] != "rule" || tk.AssignedBy.Rule != "" {
		t.Errorf("%+v\n%s", tk, trail(f))
	}
	if !strings.Contains(trail(f), "leaves what the sender asked for: priority, type, status, team, agent, field product") {
		t.Errorf("not explained:\n%s", trail(f))
	}
}
