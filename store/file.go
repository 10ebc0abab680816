package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// File saves filings in one transaction and returns what became of each, in
// order. A filing that fails alone leaves no trace and does not disturb the
// others: its Err is desk.ErrSettled (the receipt was filed or ended before),
// desk.ErrConflict (run the line again on a new View; so is a status that the ticket
// cannot move to, which may have another since the line looked), desk.ErrNotFound (no
// such receipt or ticket), or what desk.Ticket.Apply had against the change. When err
// is not nil the transaction failed as a whole and nothing is saved: try again
// in halves.
//
// The filings themselves are not changed. Two filings of one group may join
// the same ticket, bring the same new customer or take turns of one team; they
// take effect in order. A new filing that claims a key of an earlier one of its
// group gets desk.ErrConflict.
func (s *Store) File(ctx context.Context, fs []*desk.Filing) (results []desk.FilingResult, err error) {
	if len(fs) == 0 {
		return nil, nil
	}
	trusting := true
	err = s.write(ctx, func(tx *gorm.DB) error {
		g := newGroup(s, tx, fs)
		g.trusting, trusting = trusting, false
		for _, step := range g.steps() {
			if err := step(); err != nil {
				if again(err) {
					g.returnTurns()
				}
				return err
			}
		}
		results = g.results()
		return nil
	})
	if err != nil {
		return nil, failed("file", err)
	}
	return results, nil
}

// entry is one filing on its way into the books: copies of what the store
// changes, and what it will write.
type entry struct {
	f    desk.Filing
	err  error
	mine string // ID of the ticket the message goes to

	ticket  *desk.Ticket // of a new ticket
	into    *joined      // of a reply
	message desk.Message
	events  []desk.Event
	claims  []pair  // to be inserted
	takes   []taken // to be taken over from tickets that are deleted or finished
}

// joined is an existing ticket that messages of the group join.
type joined struct {
	row   ticketRow // as locked; the thread columns move with each reply
	t     *desk.Ticket
	saved bool
}

// group is the state of one run of File. The first run trusts what the line saw
// a moment ago: that a receipt waits, that a message is new, that the keys of a new
// ticket are nobody's, and that every filing will stand. When one of it is not so
// any more a unique key or a count says it, and the next run looks for itself. Who a
// new customer is it looks up: somebody new often writes twice at once.
type group struct {
	s        *Store
	tx       *gorm.DB
	trusting bool
	entries  []*entry

	tickets map[string]*joined  // that filings join, as locked
	had     map[message]bool    // messages that are there already
	revised map[string]*revised // messages that filings revise, by ID
	owned   map[pair]owner      // keys, with those the group claims
	latest  map[pair]*latest    // groups, as the group leaves them
	people  people
	took    map[string][]int64 // turns, by team
}

// steps are what is done, in order. Receipts are locked before anything else: a run
// that trusts settles them at once, for which it has to know whose turn it is;
// another looks how they stand, and settles those whose filings will stand.
func (g *group) steps() []func() error {
	look := []func() error{g.lockTickets, g.lookUpMessages, g.lookUpRevised, g.lookUpThreads, g.lookUpGroups, g.lookUpPeople, g.decide}
	write := []func() error{g.writePeople, g.writeTeams, g.writeThreads, g.writeGroups, g.takeNumbers,
		g.writeTickets, g.writeMessages, g.writeRevisions, g.writeEvents, g.writeLinks}
	if g.trusting {
		return slices.Concat([]func() error{g.takeTurns, g.settle}, look, write)
	}
	return slices.Concat([]func() error{g.lockReceipts}, look, []func() error{g.takeTurns}, write, []func() error{g.settle})
}

func newGroup(s *Store, tx *gorm.DB, fs []*desk.Filing) *group {
	g := &group{s: s, tx: tx, entries: make([]*entry, len(fs))}
	all := make([]entry, len(fs))
	for i, f := range fs {
		e := &all[i]
		e.f = *f
		g.entries[i] = e
		e.err = e.prepare()
	}
	return g
}

// prepare copies what will change and checks that the filing makes sense.
func (e *entry) prepare() error {
	f := &e.f
	f.Trail = slices.Clip(f.Trail)
	if f.Turn != nil { // who gets it is told in both
		f.Trail = append(make([]desk.Note, 0, len(f.Trail)+1), f.Trail...)
	}
	switch f.Verdict {
	case desk.Duplicate, desk.Dropped, desk.Held:
		e.mine = string(f.Into)
		return nil
	case desk.Filed:
	default:
		return desk.Permanent(fmt.Errorf("store: file: verdict %q", f.Verdict))
	}
	if f.Revision != nil {
		if f.Message != nil || f.Ticket != nil || f.Into == "" {
			return desk.Permanent(errors.New("store: file: a revision needs the ticket of its message and brings nothing else"))
		}
		e.mine = string(f.Into)
		return nil
	}
	if f.Message == nil || (f.Ticket == nil) == (f.Into == "") {
		return desk.Permanent(errors.New("store: file: a filing needs a message and either a ticket or one to join"))
	}
	e.message = *f.Message
	if f.Ticket == nil {
		e.mine = string(f.Into)
		e.message.TicketID = f.Into
		return nil
	}
	t := *f.Ticket
	t.Version = 1
	t.MessageCount = max(t.MessageCount, 1)
	f.Ticket, e.ticket = &t, &t
	f.Events = append(make([]desk.Event, 0, len(f.Events)+1), f.Events...)
	e.mine = string(t.ID)
	e.message.TicketID = t.ID
	return nil
}

func (g *group) results() []desk.FilingResult {
	out := make([]desk.FilingResult, len(g.entries))
	for i, e := range g.entries {
		switch {
		case e.err != nil:
			out[i].Err = e.err
		case e.ticket != nil:
			out[i] = desk.FilingResult{Ticket: e.ticket.ID, Number: e.ticket.Number}
		case e.into != nil:
			out[i] = desk.FilingResult{Ticket: e.into.t.ID, Number: e.into.t.Number}
		}
	}
	return out
}

// good yields the entries that still stand.
func (g *group) good(yield func(*entry) bool) {
	for _, e := range g.entries {
		if e.err == nil && !yield(e) {
			return
		}
	}
}

// filed yields the entries that still stand and bring or revise a message.
func (g *group) filed(yield func(*entry) bool) {
	for e := range g.good {
		if e.f.Verdict == desk.Filed && !yield(e) {
			return
		}
	}
}

func comparePairs(a, b pair) int { return cmp.Or(cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b)) }

// sorted is the keys of a map in order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
