package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// errAgain ends a transaction that found itself overtaken: another one
// committed, between our look and our write, rows that ours was about to make.
// Run again it sees them. Because whatever is decided is decided by looking and
// undone by rolling back, nobody who loses a race leaves a trace.
var errAgain = errors.New("overtaken by another transaction")

// maxRuns bounds how often a transaction is run. Each run after the first means
// that somebody else's committed, or, once, that a filing which trusted what the
// line saw has to look.
const maxRuns = 10

// write runs fn in a transaction, again when it was overtaken. fn must not
// keep anything of a failed run.
func (s *Store) write(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if s.breached == nil {
		return s.repeat(ctx, func() error { return s.w.WithContext(ctx).Transaction(fn) })
	}
	return s.noting(ctx, func(ctx context.Context, b *breaches) error {
		return s.repeat(ctx, func() error {
			*b = (*b)[:0]
			return s.w.WithContext(ctx).Transaction(fn)
		})
	})
}

// repeat runs a transaction, again when it was overtaken.
func (s *Store) repeat(ctx context.Context, transaction func() error) error {
	for run := 1; ; run++ {
		err := transaction()
		if err == nil || run == maxRuns || ctx.Err() != nil || !again(err) {
			return err
		}
		if isVictim(err) {
			s.log.Warn("store: a deadlock, which the order of locks should rule out; the transaction runs again", "run", run, "err", err)
		} else {
			s.log.Debug("store: overtaken, the transaction runs again", "run", run)
		}
	}
}

// again reports whether a transaction that failed with err deserves another
// run: it was overtaken, lost a unique key after it had looked, the database
// chose it as a victim, or the schema was upgraded meanwhile.
func again(err error) bool {
	return errors.Is(err, errAgain) || isDuplicate(err) || isVictim(err) || isStale(err)
}

// sqliteError is what the SQLite driver's errors offer.
type sqliteError interface {
	error
	Code() int
}

// isDuplicate reports a broken unique key: SQLSTATE 23505; SQLITE_CONSTRAINT
// with PRIMARYKEY (6), UNIQUE (8) or ROWID (10) as the extended code.
func isDuplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite sqliteError
	if errors.As(err, &lite) {
		switch lite.Code() {
		case 19 | 6<<8, 19 | 8<<8, 19 | 10<<8:
			return true
		}
	}
	return false
}

// isVictim reports a serialization failure or deadlock, SQLSTATE 40001 and
// 40P01. Neither should happen; if one does, running again is the cure.
func isVictim(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// isStale reports that the schema was changed under a prepared statement.
func isStale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && stalePlan(pg)
}
