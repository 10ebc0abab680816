// Package store keeps the books: the ledger of accepted messages, tickets,
// messages, customers and everything around them, through GORM on PostgreSQL
// and SQLite.
//
// What goes in and out: desk types only. Rows are unexported structs with two
// conversions each; GORM is not visible from outside. A consumer declares the
// few methods it needs as its own Books interface and [Store] satisfies them
// all.
//
// What it promises:
//   - A method that returns nil has its effect on disk, whole; one that returns
//     an error of the transaction had none. After an error of Accept the ledger may
//     have the rows: the sender says it again and gets the IDs of those.
//   - Uniqueness is kept by indexes, not by looking first: a receipt by source,
//     external ID and fingerprint; a conversation key by scope; a message by
//     scope, external ID and fingerprint; an event by ticket and number.
//   - Rows are locked in one order: ledger, kept bytes, existing tickets, accounts,
//     customers, identities, teams, threads, new tickets, messages, events,
//     links; and sorted within each; turns on a connection of their own, or by the
//     only writer. So nothing deadlocks.
//   - Every time that comes back is in UTC with microseconds; so is what is
//     compared with it.
//   - A key a stranger chose (an external ID, a handle) of any length fits an
//     index: see key.
//   - A Store is safe for concurrent use by any number of goroutines and
//     processes.
//
// What it may not know: pipelines, channels, queues, configs.
//
// To add a table: a goose migration for both dialects, a row with conversions
// in a rows_*.go, one file of methods, one line in storetest.
package store

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// The dialects.
const (
	Postgres = "postgres"
	SQLite   = "sqlite"
)

// Options says where the books are.
type Options struct {
	// URL is "postgres://..." (or "postgresql://..."), or "sqlite:" and the path
	// of a file, or just the path.
	URL string
	// MaxConns bounds the connections to PostgreSQL; 0 means 16. One more takes
	// the turns of teams. SQLite always has one connection that writes and four
	// that read.
	MaxConns int
	// Timeout is how long PostgreSQL may say nothing while somebody waits for it;
	// 0 means for ever. Migrations wait for as long as they take.
	Timeout time.Duration
	// Idle is how long PostgreSQL lets a transaction wait for its next statement before
	// it ends it and gives others what it held; 0 means for ever.
	Idle time.Duration
	// Knock bounds how long Open waits for the first word of each server that a
	// PostgreSQL URL names; 0 means as long as Timeout. Afterwards Timeout counts.
	Knock time.Duration
	// Breached hears of each clock that was marked as past due, once it is on disk; of one
	// that the connection broke at the commit of maybe not. Any goroutine calls it; nil
	// means nobody listens.
	Breached func(desk.Metric)
	// Log hears of transactions that ran again; nil means nobody does.
	Log *slog.Logger
}

// Store is the books. Make one with [Open].
type Store struct {
	dialect  string
	w        *gorm.DB // writes, and reads inside transactions
	r        *gorm.DB // reads; the same as w on PostgreSQL
	turns    *gorm.DB // takes the turns of teams, on PostgreSQL; see takeTurns
	spare    spareTurns
	caution  atomic.Int64 // how many groups are not taken to be new; see acceptAtOnce
	log      *slog.Logger
	breached func(desk.Metric)
	patient  *pgx.ConnConfig // of PostgreSQL, for what takes its time
}

// Open connects to the books. It does not create or change any table: see
// [Store.Migrate].
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{log: o.Log, breached: o.Breached}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	switch {
	case o.URL == "":
		return nil, errors.New("store: no URL")
	case IsPostgres(o.URL):
		err = s.openPostgres(o)
	default:
		err = s.openSQLite(File(o.URL))
	}
	if err != nil {
		return nil, opening("open", err)
	}
	if err = s.knock(ctx, o.Knock); err == nil {
		err = s.Ping(ctx)
	}
	if err == nil && s.dialect == Postgres {
		err = s.canWriteAll(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// IsPostgres reports whether a URL is one of PostgreSQL.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// File is the path of the SQLite file that a URL names; "" for one of PostgreSQL.
func File(url string) string {
	if IsPostgres(url) {
		return ""
	}
	return strings.TrimPrefix(strings.TrimPrefix(url, "sqlite:"), "//")
}

// Dialect is [Postgres] or [SQLite].
func (s *Store) Dialect() string { return s.dialect }

// Ping asks the database for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	db, err := s.r.DB()
	if err == nil {
		err = db.PingContext(ctx)
	}
	return opening("ping", err)
}

// HasClock reports whether the database is a server with a clock of its own,
// which all processes of a fleet can go by.
func (s *Store) HasClock() bool { return s.dialect == Postgres }

// OneWriter reports whether the books write one transaction at a time.
func (s *Store) OneWriter() bool { return s.dialect == SQLite }

// Clock is what the database's clock says now; on SQLite it is this process's.
func (s *Store) Clock(ctx context.Context) (at time.Time, err error) {
	if !s.HasClock() {
		return time.Now(), nil
	}
	err = s.read(ctx).Raw("SELECT clock_timestamp()").Row().Scan(&at)
	return at, failed("clock", err)
}

// Close lets go of all connections.
func (s *Store) Close() error {
	var errs []error
	for n, g := range []*gorm.DB{s.w, s.r, s.turns} {
		if g == nil || n == 1 && s.r == s.w {
			continue
		}
		db, err := g.DB()
		if err == nil {
			err = db.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// read starts a query outside any transaction.
func (s *Store) read(ctx context.Context) *gorm.DB { return s.r.WithContext(ctx) }
