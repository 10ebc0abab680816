package pipeline

import (
	"context"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/pipeline/hours"
	"switchboard/pipeline/match"
)

// shelf is Books in memory: maps a test fills by hand or by filing passes.
type shelf struct {
	seen     map[string][]desk.Seen
	people   map[string]desk.Requester // by kind and handle, uid or external ID
	accounts map[string]desk.Account
	threads  map[string]desk.TicketID
	tickets  map[desk.TicketID]*desk.Ticket
	ahead    map[string]desk.ReceiptID
	groups   map[string]desk.Group // Last is the ticket
	entries  map[string]*desk.Message
	asked    []string // what Seen was asked for
	err      error
}

func newShelf() *shelf {
	return &shelf{seen: map[string][]desk.Seen{}, people: map[string]desk.Requester{}, accounts: map[string]desk.Account{},
		threads: map[string]desk.TicketID{}, tickets: map[desk.TicketID]*desk.Ticket{}, ahead: map[string]desk.ReceiptID{},
		groups: map[string]desk.Group{}, entries: map[string]*desk.Message{}}
}

func (s *shelf) Seen(_ context.Context, scope, id string) ([]desk.Seen, error) {
	s.asked = append(s.asked, id)
	return s.seen[scope+" "+id], s.err
}
func (s *shelf) TicketOf(_ context.Context, id desk.ReceiptID) (desk.TicketID, error) {
	for _, list := range s.seen {
		for _, x := range list {
			if x.Receipt == id {
				return x.TicketID, s.err
			}
		}
	}
	return "", s.err
}
func (s *shelf) Ahead(_ context.Context, scope, key string, before desk.ReceiptID) (desk.ReceiptID, bool, error) {
	id, ok := s.ahead[scope+" "+key]
	return id, ok && id < before, s.err
}
func (s *shelf) Requester(_ context.Context, kind, handle string) (desk.Requester, error) {
	return s.people[kind+" "+handle], s.err
}
func (s *shelf) CustomerByID(_ context.Context, id string) (desk.Requester, error) {
	return s.people[id], s.err
}
func (s *shelf) AccountByDomain(_ context.Context, domain string) (desk.Account, bool, error) {
	a, ok := s.accounts[domain]
	return a, ok, s.err
}
func (s *shelf) HasTeam(context.Context, desk.TeamID) (bool, error) { return false, s.err }
func (s *shelf) Threads(_ context.Context, scope string, keys []string) (map[string]desk.TicketID, error) {
	out := map[string]desk.TicketID{}
	for _, k := range keys {
		if id, ok := s.threads[scope+" "+k]; ok {
			out[k] = id
		}
	}
	return out, s.err
}
func (s *shelf) Ticket(_ context.Context, id desk.TicketID) (*desk.Ticket, error) {
	if t, ok := s.tickets[id]; ok {
		c := *t
		c.Description = ""
		return &c, s.err
	}
	return nil, desk.ErrNotFound
}
func (s *shelf) Describe(_ context.Context, t *desk.Ticket) error {
	t.Description = s.tickets[t.ID].Description
	return s.err
}
func (s *shelf) TicketByNumber(_ context.Context, n int64) (*desk.Ticket, error) {
	for _, t := range s.tickets {
		if t.Number == n {
			c := *t
			return &c, s.err
		}
	}
	return nil, desk.ErrNotFound
}

func (s *shelf) Group(_ context.Context, scope, key string) (desk.TicketID, time.Time, bool, error) {
	g, ok := s.groups[scope+" "+key]
	return g.Last, g.At, ok, s.err
}
func (s *shelf) Entry(_ context.Context, scope, id, fingerprint string) (*desk.Message, bool, error) {
	m, ok := s.entries[scope+" "+id+" "+fingerprint]
	if !ok {
		m, ok = s.entries[scope+" "+id]
	}
	return m, ok, s.err
}

// file keeps what a filing says, as the store would.
func (s *shelf) file(t *testing.T, d *desk.Draft, f *desk.Filing) desk.TicketID {
	t.Helper()
	id := f.Into
	if f.Ticket != nil {
		id = f.Ticket.ID
		f.Take(0)
		f.Ticket.Number = int64(len(s.tickets) + 1)
		s.tickets[id] = f.Ticket
	} else if f.Verdict == desk.Filed {
		if _, err := s.tickets[id].Apply(f.Policy, f.Change); err != nil {
			t.Fatal(err)
		}
	}
	s.seen[d.Scope+" "+d.ExternalID] = append(s.seen[d.Scope+" "+d.ExternalID], desk.Seen{Receipt: f.Receipt, Source: d.Source,
		Fingerprint: d.Fingerprint, State: f.Verdict, TicketID: id})
	if g := f.Group; g != nil {
		s.groups[d.Scope+" "+g.Key] = desk.Group{Key: g.Key, At: g.At, Last: id}
	}
	if f.Message != nil {
		s.entries[d.Scope+" "+d.ExternalID] = f.Message
		s.entries[d.Scope+" "+d.ExternalID+" "+d.Fingerprint] = f.Message
	}
	for _, k := range f.Claims {
		s.threads[d.Scope+" "+k] = id
	}
	for _, i := range f.Identities {
		r := desk.Requester{Customer: *f.Customer, Found: true}
		if f.Account != nil {
			r.Account = *f.Account
			s.accounts[f.Account.Domain] = *f.Account
		}
		s.people[i.Kind+" "+i.Handle] = r
	}
	return id
}

// noon is a Monday at 12:00 UTC.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// mail is a draft as the email channel makes it.
func mail(id, from, subject, text string, refs ...string) *desk.Draft {
	d := &desk.Draft{Source: "support", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, References: refs,
		From: desk.Party{Handle: from}, To: []desk.Party{{Handle: "support@us.example"}}, Subject: subject, Text: text,
		SentAt: noon, ReceivedAt: noon, Fingerprint: desk.Fingerprint(from, subject, text)}
	d.Thread.Key = id
	if len(refs) > 0 {
		d.Thread.Key = refs[len(refs)-1]
	}
	return d
}

// house is a policy with two teams, an SLA, rules and routes.
func house(t *testing.T) *desk.Policy {
	t.Helper()
	p := desk.NewPolicy()
	p.Sources["support"] = desk.Source{Name: "support", Channel: desk.Email, Addresses: []string{"support@us.example"}}
	p.Teams = append(p.Teams, desk.Team{ID: "billing", Strategy: desk.RoundRobin, Members: []desk.AgentID{"ann", "bob", "eve"}, Calendar: "office"})
	p.Agents = []desk.Agent{{ID: "ann"}, {ID: "bob"}, {ID: "eve", Away: true}}
	cal := &hours.Calendar{Name: "office", Location: time.UTC}
	for d := time.Monday; d <= time.Friday; d++ {
		cal.Week[d] = []hours.Window{{From: 9 * 60, To: 17 * 60}}
	}
	p.Calendars["office"] = cal
	p.PublicDomains = []string{"gmail.com"}
	p.ServiceLevels = map[string]desk.Priority{"gold": desk.High}
	p.Rules = []desk.Rule{
		{Name: "outage", When: compile(t, `subject contains "outage"`), Then: desk.Action{Priority: desk.Urgent, Tags: []string{"outage"}}},
		{Name: "spam", When: compile(t, `fromDomain == "spam.example"`), Then: desk.Action{Drop: "known spammer"}},
		{Name: "tagged", When: compile(t, `has(tags, "outage")`), Then: desk.Action{Escalate: 2}},
	}
	p.Routes = []desk.Route{{Name: "money", When: compile(t, `subject contains "invoice"`), Team: "billing"}}
	p.SLAs = []desk.SLA{{Name: "standard", Targets: []desk.Target{
		{Metric: desk.FirstResponse, Default: 2 * time.Hour, By: map[desk.Priority]time.Duration{desk.Urgent: 30 * time.Minute}},
		{Metric: desk.Resolution, Default: 8 * time.Hour}}}}
	return p
}

func compile(t *testing.T, src string) *match.Program {
	t.Helper()
	p, err := match.Compile(src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run takes a draft through the standard line.
func run(t *testing.T, s *shelf, p *desk.Policy, d *desk.Draft, now time.Time) (*Pass, *desk.Filing) {
	t.Helper()
	r := desk.NewReceipt(d, now)
	pass := NewPass(r, p, s, now)
	if err := (&Line{Standard()}).Run(context.Background(), pass); err != nil {
		t.Fatal(err)
	}
	if pass.Waiting() != "" {
		return pass, nil
	}
	return pass, pass.Filing()
}

// trail is the explanation as one text.
func trail(f *desk.Filing) string {
	var b strings.Builder
	for _, n := range f.Trail {
		b.WriteString(n.Stage + ": " + n.Text + "\n")
	}
	return b.String()
}
