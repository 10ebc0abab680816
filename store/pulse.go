package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Pulse counts what waits in the books. Every count follows a partial index that
// holds only such rows, and ends at desk.PulseLimit: it may be asked every
// second, however large the tables are.
func (s *Store) Pulse(ctx context.Context) (desk.Pulse, error) {
	p := desk.Pulse{Receipts: map[desk.State]int{}, Answers: map[desk.SendState]int{}}
	var err error
	if p.Oldest, _, err = s.OldestAccepted(ctx); err != nil {
		return p, err
	}
	// The states are literals: a partial index serves no parameter.
	for state, rows := range map[desk.State]string{
		desk.Accepted: "FROM ledger WHERE state = 'accepted'",
		desk.Held:     "FROM ledger WHERE state = 'held' AND " + unfiled,
		desk.Failed:   "FROM ledger WHERE state = 'failed' AND " + unfiled,
	} {
		if p.Receipts[state], err = s.countSome(ctx, rows); err != nil {
			return p, failed("pulse", err)
		}
	}
	var sending []struct {
		SendState string
		N         int
	}
	err = s.read(ctx).Raw(`SELECT send_state, count(*) AS n FROM (SELECT send_state FROM messages
		WHERE send_state IN ('queued', 'sending', 'unknown') LIMIT ?) AS waiting GROUP BY send_state`, desk.PulseLimit).Scan(&sending).Error
	if err != nil {
		return p, failed("pulse", err)
	}
	for _, state := range []desk.SendState{desk.SendQueued, desk.SendSending, desk.SendUnknown} {
		p.Answers[state] = 0
	}
	for _, row := range sending {
		p.Answers[desk.SendState(row.SendState)] = row.N
	}
	if p.Answers[desk.SendFailed], err = s.countSome(ctx, "FROM messages WHERE send_state = 'failed'"); err != nil {
		return p, failed("pulse", err)
	}
	return p, nil
}

// countSome counts rows, up to desk.PulseLimit of them.
func (s *Store) countSome(ctx context.Context, rows string) (n int, err error) {
	err = s.read(ctx).Raw(`SELECT count(*) FROM (SELECT 1 `+rows+` LIMIT ?) AS waiting`, desk.PulseLimit).Scan(&n).Error
	return n, err
}

// TraceOf returns the traceparent of a ticket's latest message from its customer;
// "" when it was not traced.
func (s *Store) TraceOf(ctx context.Context, ticket desk.TicketID) (string, error) {
	var rows []messageRow
	err := s.read(ctx).Select("trace").Where("ticket_id = ? AND direction = 'INBOUND'", string(ticket)).Order("id DESC").Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return "", failed("trace", err)
	}
	return rows[0].Trace, nil
}

// Pool is how the connections to the database are used.
type Pool struct {
	Name  string // "all"; on SQLite "write" and "read"
	Stats sql.DBStats
}

// Pools reports the connection pools.
func (s *Store) Pools() []Pool {
	names := []string{"write", "read"}
	if s.w == s.r {
		names = []string{"all"}
	}
	var out []Pool
	for i, g := range []*gorm.DB{s.w, s.r}[:len(names)] {
		if db, err := g.DB(); err == nil {
			out = append(out, Pool{names[i], db.Stats()})
		}
	}
	return out
}
