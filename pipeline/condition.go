package pipeline

import (
	"switchboard/pipeline/desk"
	"switchboard/pipeline/match"
)

// matches evaluates a condition on the pass as it stands; no condition matches
// always. why holds the clauses that made it match, for the explanation.
func (p *Pass) matches(when *match.Program) (ok bool, why map[string]any, err error) {
	if when == nil {
		return true, nil, nil
	}
	if p.env == nil {
		p.env = p.conditionEnv()
	}
	ok, err = when.Match(p.env)
	if ok {
		why = map[string]any{"when": when.Explain(p.env)}
	}
	return ok, why, err
}

// conditionEnv is what conditions see: the message, and the ticket with
// everything decided so far.
func (p *Pass) conditionEnv() *match.Env {
	d, t, c := p.Draft, p.Ticket, p.Requester.Customer
	e := &match.Env{
		Source: d.Source, Channel: string(d.Channel), Subject: d.Subject, Text: desk.Cut(d.Text, match.MaxText),
		From: d.From.Handle, FromName: d.From.Name, FromDomain: desk.Domain(d.From.Handle),
		To: handles(d.To), CC: handles(d.Cc), Headers: d.Headers,
		Priority: string(t.Priority), Type: string(t.Type), Status: string(t.Status), Title: t.Title,
		Description: desk.Cut(t.Description, match.MaxText), Tags: t.Tags, Team: string(t.TeamID), Fields: t.Custom,
		IsReply: p.Joined, IsNew: !p.Joined, Auto: d.Auto.Kind != "", Attachments: len(d.Attachments),
		Language: c.Language, ReceivedAt: d.ReceivedAt,
	}
	for _, a := range d.Attachments {
		e.AttachmentNames = append(e.AttachmentNames, a.Name)
	}
	account := p.Requester.Account
	e.Account = match.Account{ID: string(account.ID), Name: account.Name, Domain: account.Domain, ServiceLevel: account.ServiceLevel}
	e.Customer = match.Customer{ID: string(c.ID), Name: c.Name, Email: c.Email, Account: account.Name, AccountDomain: account.Domain,
		ServiceLevel: c.ServiceLevel, VIP: c.VIP}
	if c.ExternalID != "" {
		e.Customer.ID = c.ExternalID
	}
	p.overlay(e)
	local := p.localTime()
	e.InHours, e.Hour, e.Weekday = local.open, local.hour, local.weekday
	return e
}

// overlay lets conditions see the change a joined ticket is about to get.
func (p *Pass) overlay(e *match.Env) {
	c := p.Change
	if c.Priority != nil {
		e.Priority = string(*c.Priority)
	}
	if c.Type != nil {
		e.Type = string(*c.Type)
	}
	if c.Status != nil {
		e.Status = string(*c.Status)
	}
	if c.Team != nil {
		e.Team = string(*c.Team)
	}
	if len(c.AddTags) > 0 || len(c.RemoveTags) > 0 {
		e.Tags = desk.RemoveTags(desk.AddTags(append([]string(nil), e.Tags...), c.AddTags...), c.RemoveTags...)
	}
	for k, v := range c.CustomFields {
		fields := map[string]any{k: v}
		for name, old := range e.Fields {
			if _, set := fields[name]; !set {
				fields[name] = old
			}
		}
		e.Fields = fields
	}
}

// localTime is what the clock of a team showed when the message came.
type localTime struct {
	team    desk.TeamID
	open    bool // in its opening hours
	hour    int
	weekday int
}

// localTime tells conditions whether the team was there when the message came:
// the calendar of the ticket's team, of the source's, else of the default team.
// It is looked up once for a team.
func (p *Pass) localTime() localTime {
	id := p.Ticket.TeamID
	if id == "" {
		id = p.Policy.Sources[p.Draft.Source].Team
	}
	if id == "" {
		id = p.Policy.DefaultTeam
	}
	if p.local.team == id && id != "" {
		return p.local
	}
	team, _ := p.Policy.Team(id)
	cal := p.Policy.Calendar(team.Calendar)
	at := p.Draft.ReceivedAt
	if at.IsZero() {
		at = p.Now
	}
	local := at.In(cal.Location)
	p.local = localTime{id, cal.Open(at), local.Hour(), int(local.Weekday())}
	return p.local
}

func handles(parties []desk.Party) []string {
	out := make([]string, len(parties))
	for i, x := range parties {
		out[i] = x.Handle
	}
	return out
}
