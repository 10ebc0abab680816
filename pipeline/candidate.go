package pipeline

import (
	"context"
	"errors"
	"fmt"

	"switchboard/pipeline/desk"
)

// maxMerges bounds how long a chain of merged tickets is followed.
const maxMerges = 8

// examine puts a candidate through the tests. It returns the ticket to join
// (the end of a chain of merges), or the reason why not in words.
func examine(ctx context.Context, p *Pass, c candidate) (*desk.Ticket, string, error) {
	t, err := p.Books.Ticket(ctx, c.id)
	for hops := 0; err == nil && t.MergedInto != "" && hops < maxMerges; hops++ {
		p.Note("ticket %s was merged into %s", t.ID, t.MergedInto)
		t, err = p.Books.Ticket(ctx, t.MergedInto)
	}
	if errors.Is(err, desk.ErrNotFound) {
		return nil, "there is no such ticket", nil
	}
	if err != nil {
		return nil, "", err
	}
	for _, test := range []func(*Pass, candidate, *desk.Ticket) string{alive, sameDesk, participant, young, reopenable, sameSubject} {
		if refusal := test(p, c, t); refusal != "" {
			return t, refusal, nil
		}
	}
	return t, "", nil
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

// sameDesk refuses a ticket of another scope: sources declared separate desks
// share nothing.
func sameDesk(p *Pass, c candidate, t *desk.Ticket) string {
	if t.Scope != p.Draft.Scope {
		return "it belongs to a separate desk"
	}
	return ""
}

// participant refuses strangers: the sender must have written or been addressed
// on the ticket, or be of the requester's company, or hold a token we signed.
// A number in a subject proves nothing, so there only participants pass. A group
// is a place whose audience the channel keeps: whoever writes there takes part.
func participant(p *Pass, c candidate, t *desk.Ticket) string {
	_, from := p.handle()
	if from != "" && t.Has(from) || p.Requester.Found && t.CustomerID == p.Requester.Customer.ID {
		return ""
	}
	if c.group {
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
