package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// goose is what migrates, until done is called. On PostgreSQL it has connections
// of its own: building an index takes its time.
func (s *Store) goose() (p *goose.Provider, done func(), err error) {
	files, err := migrations(s.dialect)
	if err != nil {
		return nil, nil, err
	}
	db, err := s.w.DB()
	if err != nil {
		return nil, nil, err
	}
	done = func() {}
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{}
	if s.dialect == Postgres {
		dialect = goose.DialectPostgres
		db = stdlib.OpenDB(*s.patient)
		done = func() { db.Close() }
		// One try a second, for ten minutes; goose's own five seconds make a fleet start slowly.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 60))
		if err != nil {
			done()
			return nil, nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	if p, err = goose.NewProvider(dialect, db, files, opts...); err != nil {
		done()
	}
	return p, done, err
}

// Migrate brings the tables to the newest version. Any number of processes may
// do it at once: on PostgreSQL they queue for a lock, on SQLite the ones that
// came second look again until nothing is left to do.
func (s *Store) Migrate(ctx context.Context) error {
	p, done, err := s.goose()
	if err != nil {
		return failed("migrate", err)
	}
	defer done()
	for try := 1; ; try++ {
		pending, err := p.HasPending(ctx) // asks without the lock
		if err == nil && !pending {
			return nil
		}
		if err == nil {
			_, err = p.Up(ctx)
		}
		if err == nil {
			return nil
		}
		if s.dialect == Postgres && try > 20 || try > 100 {
			return failed("migrate", err)
		}
		select {
		case <-ctx.Done():
			return failed("migrate", errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Schema is the version of the tables that are there, 0 where there are none, and the
// one that [Store.Migrate] brings them to. Asking makes nothing, not even goose's own
// table, and waits for nobody who migrates.
func (s *Store) Schema(ctx context.Context) (has, needs int64, err error) {
	p, done, err := s.goose()
	if err != nil {
		return 0, 0, failed("schema", err)
	}
	defer done()
	for _, source := range p.ListSources() {
		needs = max(needs, source.Version)
	}
	there := "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = ?"
	if s.dialect == Postgres {
		there = "SELECT to_regclass(?) IS NOT NULL"
	}
	var versioned bool
	if err = s.read(ctx).Raw(there, goose.DefaultTablename).Row().Scan(&versioned); err == nil && versioned {
		err = s.read(ctx).Raw("SELECT coalesce(max(version_id), 0) FROM " + goose.DefaultTablename).Row().Scan(&has)
	}
	return has, needs, failed("schema", err)
}
