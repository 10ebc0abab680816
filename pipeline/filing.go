package pipeline

import (
	"switchboard/pipeline/desk"
)

// Filing turns what the line decided into what the store saves. Call it only on
// a pass that ran without error and does not wait.
func (p *Pass) Filing() *desk.Filing {
	f := &desk.Filing{Receipt: p.Receipt, At: p.Now, Verdict: p.verdict, Reason: p.reason, Trail: p.trail, Policy: p.Policy, Canary: p.canary}
	if p.act != nil {
		f.Into, f.Revision = p.revised.TicketID, p.act
		f.Change = desk.Change{At: p.Now, By: p.revised.Author}
		return f
	}
	if p.verdict != desk.Accepted {
		f.Into = p.dup
		return f
	}
	f.Verdict = desk.Filed
	d := p.Draft
	m := p.message()
	f.Message = m
	f.Thread = d.Thread
	f.Claims, f.Takes = p.Claims, p.Takes
	f.Group = p.Group
	f.Identities = p.Identities
	f.Account = p.NewAccount
	f.Team = p.NewTeam
	f.NewCustomer = p.NewCustomer
	if p.NewCustomer || p.Completed || len(p.Identities) > 0 {
		c := p.Requester.Customer
		f.Customer = &c
	}
	by := m.Author
	if d.Ask != nil && d.Ask.Actor.Kind != "" {
		by = d.Ask.Actor
	}
	if p.Joined {
		f.Into = p.Ticket.ID
		p.Change.At, p.Change.By = p.Now, by
		says := desk.ByCustomer
		if p.byStaff() { // an agent answered on the vendor's side: it is out already
			says = desk.ByAgent
			m.Author, m.Direction, m.Send = d.Ask.Actor, desk.Outbound, desk.SendSent
		}
		p.Change.Said = &desk.Said{Message: m.ID, By: says, Public: true, Auto: d.Auto.Kind != "" && d.Auto.Kind != desk.AutoList, Joins: p.joins()}
		f.Change = p.Change
	} else {
		t := p.Ticket
		t.MessageCount = 1
		t.LastCustomerAt = &p.Now
		t.Join(p.joins()...)
		f.Ticket = t
		f.Events = append(make([]desk.Event, 0, 2), t.Opened(by, p.Now)) // and perhaps to whom it is given
		f.Turn = p.Turn
	}
	m.TicketID = p.Ticket.ID
	for _, r := range p.Related {
		f.Links = append(f.Links, desk.Link{From: p.Ticket.ID, To: r.Ticket, Type: desk.Relates,
			By: desk.Actor{Kind: desk.BySystem, ID: "thread"}, Reason: r.Reason, CreatedAt: p.Now})
	}
	return f
}

// byStaff reports whether the channel vouches that the message was written by
// one of our own people, and not only brought in by one.
func (p *Pass) byStaff() bool {
	a := p.Draft.Ask
	return a != nil && a.Actor.Kind == desk.ByAgent && a.Actor.ID != "" && a.Actor.ID == p.Draft.From.Handle
}

// message is the entry the draft becomes.
func (p *Pass) message() *desk.Message {
	d := p.Draft
	author := desk.Actor{Kind: desk.ByCustomer, ID: string(p.Requester.Customer.ID), Name: p.Requester.Customer.Name}
	if author.ID == "" && d.Ask != nil {
		author = d.Ask.Actor
	}
	text := d.Text
	if d.Ask != nil && d.Ask.Description != "" {
		text = d.Ask.Description
	}
	sent := d.SentAt
	if sent.IsZero() {
		sent = d.ReceivedAt
	}
	return &desk.Message{
		ID: desk.NewID[desk.MessageID](p.Now), Receipt: p.Receipt, Direction: desk.Inbound, Public: true, Author: author,
		Channel: d.Channel, Source: d.Source, Scope: d.Scope, ExternalID: d.ExternalID, Fingerprint: d.Fingerprint,
		From: d.From, Subject: d.Subject, Text: text, HTML: d.HTML, Raw: d.Raw, Attachments: d.Attachments,
		Damage: d.Damage, Auto: d.Auto, SentAt: sent, CreatedAt: p.Now, Trace: d.Trace,
	}
}
