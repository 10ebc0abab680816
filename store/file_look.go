package store

import (
	"fmt"
	"slices"

	"switchboard/pipeline/desk"
)

// The half of filing that locks what exists, in order, and looks up what the
// decisions need.

// lockReceipts locks the ledger rows and sets aside filings whose receipt ended
// before.
func (g *group) lockReceipts() error {
	var ids []string
	for e := range g.good {
		if e.f.Receipt != "" {
			ids = append(ids, string(e.f.Receipt))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := find[receiptRow](g.tx, "id state", g.s.in("id", ids), g.s.locked("id"))
	if err != nil {
		return err
	}
	states := make(map[string]string, len(rows))
	for _, r := range rows {
		states[r.ID] = r.State
	}
	for e := range g.good {
		if e.f.Receipt == "" {
			continue
		}
		if state, ok := states[string(e.f.Receipt)]; !ok {
			e.err = fmt.Errorf("store: file: receipt: %w", desk.ErrNotFound)
		} else if state != string(desk.Accepted) {
			e.err = fmt.Errorf("store: file: receipt is %s: %w", state, desk.ErrSettled)
		}
	}
	return nil
}

// lockTickets locks the tickets that filings join. What describes them is fetched
// where somebody will look at it: a reply does not.
func (g *group) lockTickets() error {
	g.tickets = map[string]*joined{}
	var ids []string
	words := map[string]bool{}
	for e := range g.filed {
		if e.f.Into != "" {
			ids = append(ids, string(e.f.Into))
			if e.f.Revision != nil || e.f.Change.Description != nil {
				words[string(e.f.Into)] = true
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := find[ticketRow](g.tx, "", g.s.in("id", ids), g.s.locked("id"))
	if err != nil {
		return err
	}
	var asked []*ticketRow
	for i := range rows {
		if words[rows[i].ID] {
			asked = append(asked, &rows[i])
		}
	}
	if err := g.s.describe(g.tx, asked...); err != nil {
		return err
	}
	for _, r := range rows {
		t, err := r.desk()
		if err != nil {
			return err
		}
		g.tickets[r.ID] = &joined{row: r, t: t}
	}
	return nil
}

// identity is what makes the entry's message one message.
func (e *entry) identity() message {
	return message{e.message.Scope, key(e.message.ExternalID), key(e.message.Fingerprint)}
}

// lookUpMessages finds which messages are on a ticket already.
func (g *group) lookUpMessages() error {
	g.had = map[message]bool{}
	if g.trusting {
		return nil
	}
	var pairs []pair
	for e := range g.filed {
		if id := e.identity(); id.externalID != "" {
			pairs = append(pairs, pair{id.where, id.externalID})
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	rows, err := find[messageRow](g.tx, "scope external_id fingerprint", g.s.entriesAt(pairs), "")
	if err != nil {
		return err
	}
	for _, r := range rows {
		g.had[message{r.Scope, r.ExternalID, r.Fingerprint}] = true
	}
	return nil
}

// keys are the entry's claims in the form the index holds.
func (e *entry) keys() []pair {
	out := make([]pair, 0, len(e.f.Claims))
	add := func(c string) {
		if k := (pair{e.message.Scope, key(c)}); c != "" && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	for _, c := range e.f.Claims {
		add(c)
	}
	for _, c := range sorted(e.f.Takes) {
		add(c)
	}
	return out
}

// taken is a key that goes over from another ticket.
type taken struct {
	key  pair
	from string
}

// mayTake is the ticket from which the entry may take a key, or "".
func (e *entry) mayTake(k pair) string {
	for c, from := range e.f.Takes {
		if key(c) == k.b {
			return string(from)
		}
	}
	return ""
}

// lookUpThreads finds to whom the claimed keys belong.
func (g *group) lookUpThreads() error {
	var keys []pair
	for e := range g.filed {
		if g.trusting && e.ticket != nil && len(e.f.Takes) == 0 {
			continue
		}
		keys = append(keys, e.keys()...)
	}
	var err error
	g.owned, err = g.s.owners(g.tx, keys)
	return err
}
