package pipeline

import (
	"context"
	"fmt"

	"switchboard/pipeline/desk"
)

// Dedupe ends a message that is already in the ledger by another way: the same
// external ID and the same fingerprint from another source of the same scope
// (one mail to two of our addresses). A reused ID with other content is kept.
// The same bytes are the same content, whatever is read in them: a mailbox is read
// again by a newer reader, or with other limits.
//
// Of two copies in flight at once the one with the smaller receipt goes on;
// when neither sees the other, the claim on the external ID, or the message
// itself, fails one of them in the store, the line runs again, and this stage
// then sees it. So a message whose ID no other source has looks, the first time,
// only among those that are on tickets.
func Dedupe() Stage {
	return Stage{
		Name: "dedupe",
		Doc:  "end messages that arrived before by another way",
		Run: func(ctx context.Context, p *Pass) error {
			if p.First && p.Draft.Alone() {
				return dedupeFiled(ctx, p)
			}
			seen, err := p.Books.Seen(ctx, p.Draft.Scope, p.Draft.ExternalID)
			if err != nil {
				return err
			}
			for _, s := range seen {
				if s.Receipt == p.Receipt || s.State == desk.Duplicate {
					continue
				}
				if !same(p.Draft, s.Fingerprint, s.Raw) {
					p.Note("receipt %s has the same external ID and other content: both are kept", s.Receipt)
					p.reused = true
					continue
				}
				if s.State == desk.Filed || s.Receipt < p.Receipt {
					p.Double(s, fmt.Sprintf("the same message came by %s as receipt %s", s.Source, s.Receipt))
					return nil
				}
			}
			m, err := forgotten(ctx, p)
			if err != nil {
				return err
			}
			if m != nil {
				p.Double(desk.Seen{TicketID: m.TicketID}, fmt.Sprintf("the same message is on ticket %s as message %s", m.TicketID, m.ID))
				return nil
			}
			p.Note(isNew)
			return nil
		},
	}
}

const isNew = "new: nothing with this external ID and content was accepted before"

// dedupeFiled compares the message with those on tickets that have its external
// ID. The same would not have been accepted: the ledger has each message
// of a source once, and no other source has this ID.
func dedupeFiled(ctx context.Context, p *Pass) error {
	m, ok, err := p.Books.Entry(ctx, p.Draft.Scope, p.Draft.ExternalID, p.Draft.Fingerprint)
	switch {
	case err != nil:
		return err
	case !ok || m.Receipt == p.Receipt:
		p.Note(isNew)
	case same(p.Draft, m.Fingerprint, m.Raw.Digest):
		p.Double(desk.Seen{TicketID: m.TicketID}, fmt.Sprintf("the same message is on ticket %s as message %s", m.TicketID, m.ID))
	default:
		p.Note("message %s on ticket %s has the same external ID and other content: both are kept", m.ID, m.TicketID)
		p.reused = true
	}
	return nil
}

// same reports whether what has a draft's external ID is the same message, by what it
// says or by the bytes it came as.
func same(d *desk.Draft, fingerprint, raw string) bool {
	return fingerprint == d.Fingerprint || raw != "" && raw == d.Raw.Digest
}

// forgotten is the message on a ticket that this one repeats, when its receipt is
// not kept any more; nil when there is none. A message that claims its external
// ID is looked for, the first time, only when the ID belongs to a ticket: that of a
// deleted one belongs to none, and the store finds the message.
func forgotten(ctx context.Context, p *Pass) (*desk.Message, error) {
	id := p.Draft.ExternalID
	if p.First && !p.Draft.Thread.Plain {
		owners, err := p.Books.Threads(ctx, p.Draft.Scope, []string{id})
		if err != nil || owners[id] == "" {
			return nil, err
		}
	}
	m, ok, err := p.Books.Entry(ctx, p.Draft.Scope, id, p.Draft.Fingerprint)
	if err != nil || !ok || !same(p.Draft, m.Fingerprint, m.Raw.Digest) || m.Receipt == p.Receipt {
		return nil, err
	}
	return m, nil
}
