package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"switchboard/pipeline/desk"
)

// Thread finds the ticket a message belongs to. Signals, strongest first: a
// signed reply address, a signed Message-ID of ours, known external IDs in
// References (nearest first, then a message that answered this one before it
// came), the latest message of its group when that is young enough, the ticket
// number in the subject. Every candidate must pass the tests
// in candidate.go; one that fails is recorded as related, and a message is
// never appended silently for a stranger. RFC 5322 section 3.6.4.
func Thread() Stage {
	return Stage{
		Name: "thread",
		Doc:  "find the ticket the message continues, or open a new one",
		Run: func(ctx context.Context, p *Pass) error {
			if err := turnInThread(ctx, p); err != nil || p.Ended() {
				return err
			}
			keys := threadKeys(p)
			owners, err := p.Books.Threads(ctx, p.Draft.Scope, keys)
			if err != nil {
				return err
			}
			if err := parentPending(ctx, p, owners); err != nil || p.Ended() {
				return err
			}
			if err := parentFiled(ctx, p, keys, owners); err != nil {
				return err
			}
			if err := join(ctx, p, keys, owners); err != nil {
				return err
			}
			if !p.Joined {
				p.Ticket = &desk.Ticket{ID: desk.NewID[desk.TicketID](p.Now)}
				p.Note("a new ticket")
			}
			p.Claims = claims(p, keys, owners)
			return inGroup(ctx, p)
		},
	}
}

// threadKeys are the external IDs that tie the message to a conversation,
// nearest first: the references, the channel's thread key, its own ID last,
// unless nobody ever names that.
// The count is bounded; the root is always kept, because two siblings may share
// nothing else.
func threadKeys(p *Pass) []string {
	d := p.Draft
	limit := max(p.Policy.Threading.MaxRefs, 1)
	refs := d.References
	if len(refs) > limit {
		refs = append(slices.Clone(refs[:limit-1]), refs[len(refs)-1])
	}
	var keys []string
	for _, k := range append(slices.Clone(refs), d.Thread.Key, d.ExternalID) {
		if k != "" && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if p.reused || d.Thread.Plain && d.Thread.Key != d.ExternalID {
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == d.ExternalID })
	}
	return keys
}

// join tries the candidates in order and joins the first that passes.
func join(ctx context.Context, p *Pass, keys []string, owners map[string]desk.TicketID) error {
	candidates, err := candidates(ctx, p, keys, owners)
	if err != nil {
		return err
	}
	for _, c := range candidates {
		t, why, err := examine(ctx, p, c)
		if err != nil {
			return err
		}
		if why.reason != "" {
			p.NoteData(map[string]any{"candidate": c.id, "signal": c.signal}, "refused ticket %s (%s): %s", c.id, c.signal, why.reason)
			if t != nil && t.DeletedAt == nil {
				p.Related = append(p.Related, Related{t.ID, why.reason})
			}
			if why.final {
				take(p, keys, owners, c.id)
			}
			continue
		}
		p.Ticket, p.Joined, p.Takes = t, true, nil
		if p.Policy.RepliesRead("description") {
			if err := p.Books.Describe(ctx, t); err != nil {
				return err
			}
		}
		p.NoteData(map[string]any{"signal": c.signal}, "joins ticket %s: %s", t.ID, c.signal)
		p.Related = slices.DeleteFunc(p.Related, func(r Related) bool { return r.Ticket == t.ID })
		return nil
	}
	return nil
}

// take lets the new ticket have the keys of one that nothing joins any more, so
// that the conversation goes on there and not in one new ticket a message.
func take(p *Pass, keys []string, owners map[string]desk.TicketID, from desk.TicketID) {
	for _, k := range keys {
		if owners[k] == from {
			if p.Takes == nil {
				p.Takes = map[string]desk.TicketID{}
			}
			p.Takes[k] = from
		}
	}
}

type candidate struct {
	id     desk.TicketID
	signal string
	signed bool // a token of ours vouches for it
	known  bool // by a known external ID
	exact  bool // only a participant may use it
	kept   bool // by a conversation or group whose audience the channel keeps
}

func candidates(ctx context.Context, p *Pass, keys []string, owners map[string]desk.TicketID) ([]candidate, error) {
	var out []candidate
	add := func(c candidate) {
		if !slices.ContainsFunc(out, func(o candidate) bool { return o.id == c.id }) {
			out = append(out, c)
		}
	}
	for _, via := range []string{"reply address", "message id"} {
		for _, s := range p.Draft.Signed {
			if s.Via == via {
				add(candidate{id: s.Ticket, signal: "signed " + via, signed: true})
			}
		}
	}
	for _, s := range p.Draft.Signed {
		if s.Receipt == "" {
			continue
		}
		id, err := p.Books.TicketOf(ctx, s.Receipt)
		if err != nil {
			return nil, err
		}
		if id != "" {
			add(candidate{id: id, signal: "signed receipt in the subject", signed: true})
		}
	}
	for i, k := range keys {
		id, ok := owners[k]
		if !ok {
			continue
		}
		signal := fmt.Sprintf("reference %d is known", i+1)
		if k == p.Draft.ExternalID {
			signal = "an earlier message answers this one"
		} else if !slices.Contains(p.Draft.References, k) {
			signal = "its conversation is known"
		}
		add(candidate{id: id, signal: signal, known: true, kept: k == p.Draft.Thread.Key && p.Draft.Channel != desk.Email})
	}
	byGroup, ok, err := groupCandidate(ctx, p)
	if err != nil {
		return nil, err
	}
	if ok {
		add(byGroup)
	}
	if p.Draft.Channel != desk.Email {
		return out, nil
	}
	if n, ok := subjectNumber(p.Draft.Subject); ok {
		t, err := p.Books.TicketByNumber(ctx, n)
		if err != nil && !errors.Is(err, desk.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			add(candidate{id: t.ID, signal: fmt.Sprintf("number %d in the subject", n), exact: true})
		}
	}
	return out, nil
}

// turnInThread lets a message wait for those of its conversation accepted
// before it, so that one conversation keeps its order and its first message
// opens the ticket. It waits only for smaller receipts and never for one that is
// in trouble. A message with references waits for its parent instead: waiting
// for both could be a circle, when a reply was accepted before its parent.
func turnInThread(ctx context.Context, p *Pass) error {
	d := p.Draft
	key := d.Conversation()
	if key == "" || key == d.ExternalID || len(d.References) > 0 || p.reused || p.waited() > p.Patience.Turn {
		return nil
	}
	ahead, ok, err := p.Books.Ahead(ctx, d.Scope, key, p.Receipt)
	if err == nil && ok {
		p.Wait("receipt " + string(ahead) + " of the same conversation was accepted before it")
	}
	return err
}

// parentPending lets a reply wait for a parent that is accepted and not yet
// filed, so that the conversation opens with its first message and keeps its
// order, even when an older message of it is known already. One that ended in any
// other way, failed or held, is waited for no more; and none is for longer than
// [Patience], for two messages may name each other.
func parentPending(ctx context.Context, p *Pass, owners map[string]desk.TicketID) error {
	if p.waited() > p.Patience.Parent {
		return nil
	}
	parents := p.Draft.References
	if n := max(p.Policy.Threading.MaxRefs, 1); len(parents) > n {
		parents = parents[:n]
	}
	if p.Draft.Group == "" { // a thread is often named by the message that opens it
		parents = append(slices.Clone(parents), p.Draft.Thread.Key)
	}
	for _, ref := range parents {
		if _, known := owners[ref]; known || ref == p.Draft.ExternalID || ref == "" {
			continue
		}
		seen, err := p.Books.Seen(ctx, p.Draft.Scope, ref)
		if err != nil {
			return err
		}
		for _, s := range seen {
			if s.State == desk.Accepted && s.Receipt != p.Receipt {
				p.Wait("the message it answers is receipt " + string(s.Receipt) + ", not yet filed")
				return nil
			}
		}
	}
	return nil
}

// parentFiled finds the tickets of messages that are named by their ID and never
// claimed it, because when they came nobody did so: the source has learned it
// since.
func parentFiled(ctx context.Context, p *Pass, keys []string, owners map[string]desk.TicketID) error {
	for _, k := range keys {
		if _, known := owners[k]; known || k == p.Draft.ExternalID {
			continue
		}
		seen, err := p.Books.Seen(ctx, p.Draft.Scope, k)
		if err != nil {
			return err
		}
		for _, s := range seen {
			if s.State == desk.Filed && s.TicketID != "" && s.Receipt != p.Receipt {
				owners[k] = s.TicketID
			}
		}
	}
	return nil
}

// claims are the keys that become this ticket's: those nobody owns.
func claims(p *Pass, keys []string, owners map[string]desk.TicketID) []string {
	var out []string
	for _, k := range keys {
		if owner, taken := owners[k]; !taken || owner == p.Ticket.ID {
			out = append(out, k)
		}
	}
	return out
}
