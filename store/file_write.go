package store

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// The half of filing that writes what was decided, in the order of [group.steps],
// sorted within each table. A row that is not new any more ends the run with
// errAgain.

func (g *group) writeTeams() error {
	teams := map[string]teamRow{}
	for e := range g.filed {
		if t := e.f.Team; t != nil && t.ID != "" {
			row, err := newTeamRow(t)
			if err != nil {
				return err
			}
			teams[row.ID] = row
		}
	}
	rows := make([]teamRow, 0, len(teams))
	for _, id := range sorted(teams) {
		rows = append(rows, teams[id])
	}
	_, err := insert(g.tx, rows, doNothing)
	return err
}

func (g *group) writeThreads() error {
	rows := make([]threadRow, 0, len(g.entries))
	takes := map[taken]string{}
	for e := range g.filed {
		for _, t := range e.takes {
			takes[t] = e.mine
		}
		for _, k := range e.claims {
			rows = append(rows, threadRow{Scope: k.a, Key: k.b, TicketID: e.mine, CreatedAt: micro(e.f.At)})
		}
	}
	for _, t := range slices.SortedFunc(maps.Keys(takes), func(a, b taken) int { return comparePairs(a.key, b.key) }) {
		res := g.tx.Exec(`UPDATE threads SET ticket_id = ? WHERE scope = ? AND key = ? AND ticket_id = ?`, takes[t], t.key.a, t.key.b, t.from)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errAgain
		}
	}
	slices.SortFunc(rows, func(a, b threadRow) int { return comparePairs(pair{a.Scope, a.Key}, pair{b.Scope, b.Key}) })
	return insertNew(g.tx, rows)
}

// takeNumbers gives new tickets their numbers. A transaction that fails leaves
// a gap on PostgreSQL; numbers never repeat.
func (g *group) takeNumbers() error {
	var fresh []*desk.Ticket
	for e := range g.filed {
		if e.ticket != nil {
			fresh = append(fresh, e.ticket)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	numbers := make([]int64, 0, len(fresh))
	if g.s.dialect == Postgres {
		rows, err := g.tx.Raw("SELECT nextval('ticket_number') FROM generate_series(1, ?)", len(fresh)).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int64
			if err := rows.Scan(&n); err != nil {
				return err
			}
			numbers = append(numbers, n)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		slices.Sort(numbers)
	} else {
		var last int64
		if err := g.tx.Raw("UPDATE ticket_numbers SET last = last + ? RETURNING last", len(fresh)).Scan(&last).Error; err != nil {
			return err
		}
		for i := range fresh {
			numbers = append(numbers, last-int64(len(fresh))+int64(i)+1)
		}
	}
	if len(numbers) != len(fresh) {
		return fmt.Errorf("store: %d numbers for %d tickets", len(numbers), len(fresh))
	}
	for i, t := range fresh {
		t.Number = numbers[i]
	}
	return nil
}

func (g *group) writeTickets() error {
	var old []ticketRow
	fresh := make([]ticketRow, 0, len(g.entries))
	for e := range g.filed {
		if e.ticket == nil {
			continue
		}
		row, err := newTicketRow(e.ticket)
		if err != nil {
			return err
		}
		row.setThread(e.message.Source, e.f.Thread)
		row.describedBy(&e.message)
		fresh = append(fresh, row)
	}
	for _, id := range sorted(g.tickets) {
		if j := g.tickets[id]; j.saved {
			row, err := j.save()
			if err != nil {
				return err
			}
			old = append(old, row)
		}
	}
	if err := rewriteTickets(g.tx, old); err != nil {
		return err
	}
	return insertNew(g.tx, fresh)
}

func (g *group) writeMessages() error {
	type place struct {
		message
		e *entry
	}
	places := make([]place, 0, len(g.entries))
	for e := range g.filed {
		if e.f.Revision == nil {
			places = append(places, place{e.identity(), e})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(compareMessages(a.message, b.message), cmp.Compare(a.e.message.ID, b.e.message.ID))
	})
	rows := make([]messageRow, len(places))
	for n, p := range places {
		var err error
		if rows[n], err = newMessageRow(&p.e.message); err != nil {
			return err
		}
		rows[n].ReceiptID = cmp.Or(rows[n].ReceiptID, string(p.e.f.Receipt))
	}
	return insertNew(g.tx, rows)
}

func (g *group) writeEvents() error {
	rows := make([]eventRow, 0, 2*len(g.entries))
	for e := range g.filed {
		var err error
		noteBreaches(g.tx, e.events)
		if rows, err = appendEvents(rows, e.events); err != nil {
			return err
		}
	}
	return insertEvents(g.tx, rows)
}

func appendEvents(rows []eventRow, events []desk.Event) ([]eventRow, error) {
	for i := range events {
		row, err := newEventRow(&events[i])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// insertEvents inserts events, which are always new: their tickets are locked.
func insertEvents(tx *gorm.DB, rows []eventRow) error {
	slices.SortFunc(rows, func(a, b eventRow) int { return cmp.Or(cmp.Compare(a.TicketID, b.TicketID), cmp.Compare(a.Seq, b.Seq)) })
	_, err := insert(tx, rows, "")
	return err
}

func (g *group) writeLinks() error {
	var rows []linkRow
	for e := range g.filed {
		for i := range e.f.Links {
			row, err := newLinkRow(&e.f.Links[i])
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b linkRow) int {
		return cmp.Or(cmp.Compare(a.FromID, b.FromID), cmp.Compare(a.ToID, b.ToID), cmp.Compare(a.Type, b.Type))
	})
	_, err := insert(g.tx, rows, doNothing)
	return err
}

// outcome is what a ledger row learns when its message is settled.
type outcome struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Reason  string    `json:"reason"`
	Ticket  string    `json:"ticket"`
	Message string    `json:"message"`
	Trail   string    `json:"trail"`
	At      time.Time `json:"at"`
}

// settle ends the receipts: one statement for all, in the order of their IDs, in
// which whoever wants several locks them.
func (g *group) settle() error {
	var p packer
	all := make([]outcome, 0, len(g.entries))
	for e := range g.good {
		if e.f.Receipt == "" {
			continue
		}
		about := string(e.message.ID)
		if r := e.f.Revision; r != nil {
			about = string(r.Message)
		}
		all = append(all, outcome{ID: string(e.f.Receipt), State: string(e.f.Verdict), Reason: desk.Clean(e.f.Reason), Ticket: e.mine,
			Message: about, Trail: p.trail(e.f.Trail), At: micro(e.f.At)})
	}
	if len(all) == 0 || p.err != nil {
		return p.err
	}
	slices.SortFunc(all, func(a, b outcome) int { return cmp.Compare(a.ID, b.ID) })
	res := g.settleAll(all)
	if res.Error == nil && res.RowsAffected != int64(len(all)) {
		if g.trusting {
			return errAgain
		}
		return fmt.Errorf("store: settled %d receipts of %d", res.RowsAffected, len(all))
	}
	return res.Error
}

// settleAll brings the rows to PostgreSQL as an array for each column and to
// SQLite as one JSON value. The state is compared in words that no partial index
// has: the way to a row is its ID, however few wait.
func (g *group) settleAll(all []outcome) *gorm.DB {
	if g.s.dialect == SQLite {
		return g.tx.Exec(`UPDATE ledger SET state = o.value ->> 'state', reason = o.value ->> 'reason', ticket_id = o.value ->> 'ticket',
			message_id = o.value ->> 'message', trail = o.value ->> 'trail',
			settled_at = replace(replace(o.value ->> 'at', 'T', ' '), 'Z', '+00:00')
			FROM json_each(?) AS o WHERE ledger.id = o.value ->> 'id' AND ledger.state || '' = 'accepted'`, mustJSON(all))
	}
	texts := func(of func(*outcome) string) *[]string {
		out := make([]string, len(all))
		for i := range all {
			out[i] = of(&all[i])
		}
		return &out
	}
	at := make([]time.Time, len(all))
	for i := range all {
		at[i] = all[i].At
	}
	lists, done := spacious([]any{texts(func(o *outcome) string { return o.ID }), texts(func(o *outcome) string { return o.State }), texts(func(o *outcome) string { return o.Reason }),
		texts(func(o *outcome) string { return o.Ticket }), texts(func(o *outcome) string { return o.Message }), texts(func(o *outcome) string { return o.Trail }), &at})
	defer done()
	return g.tx.Exec(`UPDATE ledger SET state = o.state, reason = o.reason, ticket_id = o.ticket, message_id = o.message, trail = o.trail, settled_at = o.at
		FROM (SELECT unnest(?::text[]) AS id, unnest(?::text[]) AS state, unnest(?::text[]) AS reason, unnest(?::text[]) AS ticket,
			unnest(?::text[]) AS message, unnest(?::text[]) AS trail, unnest(?::timestamptz[]) AS at) AS o
		WHERE ledger.id = o.id AND ledger.state || '' = 'accepted'`, lists...)
}
