package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"switchboard/pipeline/desk"
)

// decide settles, in order and without writing anything, which filings stand.
// Each sees what the ones before it in the group do; one that falls changes
// nothing for those after it. In a run that trusts, the receipts are settled
// already: none may fall.
func (g *group) decide() error {
	receipts := make(map[desk.ReceiptID]bool, len(g.entries))
	for e := range g.good {
		if e.f.Receipt != "" && receipts[e.f.Receipt] {
			e.err = fmt.Errorf("store: file: receipt twice in a group: %w", desk.ErrSettled)
			continue
		}
		if e.f.Verdict == desk.Filed {
			if e.err = g.judge(e); e.err != nil {
				if g.trusting {
					return errAgain
				}
				continue
			}
		}
		receipts[e.f.Receipt] = true
	}
	return nil
}

// judge decides about one message. Nothing of the group changes unless it
// returns nil.
func (g *group) judge(e *entry) error {
	if e.f.Revision != nil {
		return g.revise(e)
	}
	id := e.identity()
	if id.externalID != "" && g.had[id] {
		return fmt.Errorf("store: file: message is on a ticket: %w", desk.ErrConflict)
	}
	claims, takes, err := g.judgeClaims(e)
	if err != nil {
		return err
	}
	if err := g.judgeGroup(e); err != nil {
		return err
	}
	who := g.people.resolve(e)
	if g.people.another(e, who) {
		return fmt.Errorf("store: file: a handle of the new customer is somebody else's: %w", desk.ErrConflict)
	}
	e.rename(who)
	if e.ticket == nil {
		if err := g.join(e); err != nil {
			return err
		}
	} else {
		e.events = e.f.Events
		numberEvents(e.ticket, e.events)
	}
	g.people.commit(e, who)
	g.commitGroup(e)
	if id.externalID != "" {
		g.had[id] = true
	}
	e.claims, e.takes = claims, takes
	for _, k := range claims {
		g.owned[k] = owner{ticket: e.mine}
	}
	for _, t := range takes {
		g.owned[t.key] = owner{ticket: e.mine}
	}
	return nil
}

// judgeClaims returns which keys the entry must claim and which it must take
// over; it fails when one belongs to another ticket.
func (g *group) judgeClaims(e *entry) (claims []pair, takes []taken, err error) {
	for _, k := range e.keys() {
		switch o, ok := g.owned[k]; {
		case !ok:
			claims = append(claims, k)
		case o.ticket == e.mine:
		case o.gone || e.mayTake(k) == o.ticket:
			takes = append(takes, taken{k, o.ticket})
		default:
			return nil, nil, fmt.Errorf("store: file: thread belongs to another ticket: %w", desk.ErrConflict)
		}
	}
	return claims, takes, nil
}

// join applies the entry's change to the ticket it joins, as locked and as
// changed by the group so far.
func (g *group) join(e *entry) error {
	j := g.tickets[string(e.f.Into)]
	if j == nil {
		return fmt.Errorf("store: file: ticket to join: %w", desk.ErrNotFound)
	}
	if j.t.DeletedAt != nil || j.t.MergedInto != "" {
		return fmt.Errorf("store: file: ticket to join is deleted or merged: %w", desk.ErrConflict)
	}
	t := cloneTicket(j.t) // Apply leaves a mess when it fails
	policy := e.f.Policy
	if policy == nil {
		policy = desk.NewPolicy()
	}
	events, err := t.Apply(policy, e.f.Change)
	if errors.Is(err, desk.ErrMove) { // from the status it had when the line looked it could
		return fmt.Errorf("store: file: %w: %w", desk.ErrConflict, err)
	}
	if err != nil {
		return failed("file", err)
	}
	t.Version++
	j.t, j.saved = t, true
	j.row.setThread(e.message.Source, e.f.Thread)
	e.into, e.events = j, events
	return nil
}

// cloneTicket copies what Apply may change in place.
func cloneTicket(t *desk.Ticket) *desk.Ticket {
	c := *t
	c.Tags, c.Participants, c.Clocks = slices.Clone(t.Tags), slices.Clone(t.Participants), slices.Clone(t.Clocks)
	c.Custom = maps.Clone(t.Custom)
	return &c
}

// numberEvents gives a new ticket's events its ID and numbers without a gap.
func numberEvents(t *desk.Ticket, events []desk.Event) {
	for i := range events {
		events[i].TicketID, events[i].Seq = t.ID, i+1
	}
	t.EventCount = len(events)
}

// rename puts the customer the books know in the place of the one the line
// thought new.
func (e *entry) rename(who verdict) {
	old, is := who.was, who.customer
	if old == is {
		return
	}
	actor := func(a *desk.Actor) {
		if a.Kind == desk.ByCustomer && a.ID == string(old) {
			a.ID = string(is)
		}
	}
	actor(&e.message.Author)
	if e.ticket != nil {
		if e.ticket.CustomerID == old {
			e.ticket.CustomerID = is
		}
		for i := range e.f.Events {
			actor(&e.f.Events[i].Actor)
		}
	}
	actor(&e.f.Change.By)
	if c := e.f.Change.Customer; c != nil && *c == old {
		e.f.Change.Customer = &is
	}
}
