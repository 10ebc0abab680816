package store

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
)

// Of a line whose ID was used for more than one content, one of several tickets is
// meant.
const oneOf = 'o'

// spilledThread are the tickets a line's message may be on, to be sorted by
// conversation.
func spilledThread(k *Acknowledged, on []receiptRow) (out []spilled) {
	tickets := map[string]bool{}
	for _, r := range on {
		if !tickets[r.TicketID] {
			tickets[r.TicketID] = true
			out = append(out, spilled{key: sha256.Sum256([]byte(k.Thread)), n: int64(k.line), id: sealed(r.ID), other: sealed(r.TicketID)})
		}
	}
	for i := range out {
		if len(out) > 1 {
			out[i].kind = oneOf
		}
	}
	return out
}

// acknowledgedThreads checks that the messages of each conversation, which come
// together here, ordered by ticket, are on one ticket.
func (a *auditor) acknowledgedThreads(threads *spill) error {
	a.check("acknowledged.thread", 0)
	next, err := sortedSpilled(threads)
	if err != nil {
		return err
	}
	talk := &talk{}
	for n, ok, err := next(); ok || err != nil; n, ok, err = next() {
		if err != nil {
			return err
		}
		if !talk.any || n.key != talk.first.key {
			a.talked(talk)
			*talk = *newTalk(n)
		}
		talk.add(a, n)
	}
	a.talked(talk)
	return nil
}

// talk is one conversation.
type talk struct {
	any   bool
	first spilled
	sure  *spilled             // a message of which the ticket is known
	open  map[int64]spilled    // lines that may mean one of several tickets, one record of each
	could map[[26]byte][]int64 // which of them mean a ticket
}

func newTalk(first spilled) *talk {
	return &talk{any: true, first: first, open: map[int64]spilled{}, could: map[[26]byte][]int64{}}
}

func (t *talk) add(a *auditor, n spilled) {
	switch {
	case n.kind == oneOf:
		t.open[n.n] = n
		t.could[n.other] = append(t.could[n.other], n.n)
	case t.sure == nil:
		t.sure = &n
	case n.other != t.sure.other:
		a.named["acknowledged.thread"].bad(opened(n.id), "on ticket %s, and %s of the same conversation is on %s", opened(n.other), opened(t.sure.id), opened(t.sure.other))
		t.sure = &n // once for each further ticket
	}
}

// talked ends a conversation: every line must be able to mean its ticket, the one
// that is known or else the one that most of them can mean.
func (a *auditor) talked(t *talk) {
	if !t.any {
		return
	}
	c := a.check("acknowledged.thread", 1)
	var ticket [26]byte
	if t.sure != nil {
		ticket = t.sure.other
	} else {
		for _, other := range slices.SortedFunc(maps.Keys(t.could), func(x, y [26]byte) int { return bytes.Compare(x[:], y[:]) }) {
			if len(t.could[other]) > len(t.could[ticket]) {
				ticket = other
			}
		}
	}
	for _, line := range t.could[ticket] {
		delete(t.open, line)
	}
	for _, line := range slices.Sorted(maps.Keys(t.open)) {
		n := t.open[line]
		c.bad(opened(n.id), "line %d: on ticket %s or others, and its conversation is on %s", n.n, opened(n.other), opened(ticket))
	}
}
