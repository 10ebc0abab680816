package pipeline

import (
	"context"
	"errors"
	"fmt"

	"switchboard/pipeline/desk"
)

// maxMerges bounds how long a chain of merged tickets is followed.
const maxMerges = 8

// refusal is why a candidate is not joined. It is final when the ticket will
// never take this sender's messages again: it gives up its thread keys.
type refusal struct {
	reason string
	final  bool
}

// examine puts a candidate through the tests. It returns the ticket to join
// (the end of a chain of merges), or why not in words.
func examine(ctx context.Context, p *Pass, c candidate) (*desk.Ticket, refusal, error) {
	t, err := p.Books.Ticket(ctx, c.id)
	for hops := 0; err == nil && t.MergedInto != "" && hops < maxMerges; hops++ {
		p.Note("ticket %s was merged into %s", t.ID, t.MergedInto)
		t, err = p.Books.Ticket(ctx, t.MergedInto)
	}
	if errors.Is(err, desk.ErrNotFound) {
		return nil, refusal{reason: "there is no such ticket"}, nil
	}
	if err != nil {
		return nil, refusal{}, err
	}
	for _, test := range []struct {
		refuses func(*Pass, candidate, *desk.Ticket) string
		final   bool
	}{{alive, false}, {sameDesk, false}, {participant, false}, {young, true}, {reopenable, true}, {sameSubject, false}} {
		if reason := test.refuses(p, c, t); reason != "" {
			return t, refusal{reason, test.final}, nil
		}
	}
	return t, refusal{}, nil
}

func alive(p *Pass, c candidate, t *desk.Ticket) string {
	if t.DeletedAt != nil {
		return "it was deleted"
	}
	if t.MergedInto != "" {
		return "it was merged in a circle"
	}
	return ""
}

// sameDesk refuses a ticket of another scope: sources of one channel declared
// separate desks share nothing. A token we signed leads across channels: the
// answer to a form goes out by mail, and what the customer says to it comes back
// by mail. And a key or group of this scope that is the ticket's own was made so
// by us: an answer of ours began the conversation here.
func sameDesk(p *Pass, c candidate, t *desk.Ticket) string {
	if t.Scope == p.Draft.Scope || c.signed && p.Policy.Sources[t.Source].Channel != p.Draft.Channel || (c.known || c.kept) && t.ID == c.id {
		return ""
	}
	return "it belongs to a separate desk"
}

// participant refuses strangers: the sender must have written or been addressed
// on the ticket, or be of the requester's company, or hold a token we signed.
// A number in a subject proves nothing, so there only participants pass. A
// conversation or group whose audience the channel itself keeps (a thread in
// Slack or Teams) proves enough: whoever can write there takes part. Mail has no
// such thing: anybody can quote a reference.
func participant(p *Pass, c candidate, t *desk.Ticket) string {
	_, from := p.handle()
	if from != "" && t.Has(from) || p.Requester.Found && t.CustomerID == p.Requester.Customer.ID {
		return ""
	}
	if c.kept {
		return ""
	}
	if c.signed {
		p.Note("the sender is new on ticket %s and holds our %s", t.ID, c.signal)
		return ""
	}
	if d := desk.Domain(from); !c.exact && d != "" && len(t.Participants) > 0 && d == desk.Domain(t.Participants[0]) && !p.Policy.Public(d) {
		p.Note("the sender is new on ticket %s and of the requester's company", t.ID)
		return ""
	}
	return "the sender takes no part in it"
}

func young(p *Pass, c candidate, t *desk.Ticket) string {
	limit := p.Policy.Threading.MaxAge
	if !c.signed && limit > 0 && p.Now.Sub(t.UpdatedAt) > limit {
		return fmt.Sprintf("nothing happened on it for more than %s", days(limit))
	}
	return ""
}

// reopenable refuses tickets closed too long ago: the new message opens a new
// ticket, related to the old one.
func reopenable(p *Pass, c candidate, t *desk.Ticket) string {
	limit := p.Policy.Threading.ReopenWithin
	if t.ClosedAt != nil && limit > 0 && p.Now.Sub(*t.ClosedAt) > limit {
		return fmt.Sprintf("it was closed more than %s ago", days(limit))
	}
	return ""
}

// sameSubject refuses an old conversation reused for a new topic: a known
// reference, no reply mark in the subject, and another base subject.
func sameSubject(p *Pass, c candidate, t *desk.Ticket) string {
	if !c.known || p.Draft.Channel != desk.Email || isReply(p.Draft.Subject) {
		return ""
	}
	now, was := baseSubject(p.Draft.Subject), baseSubject(t.Title)
	if now != "" && was != "" && now != was {
		return "the subject is a new one"
	}
	return ""
}

func days(d interface{ Hours() float64 }) string { return fmt.Sprintf("%g days", d.Hours()/24) }
