package store

import (
	"context"
	"errors"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

func (s *Store) goose() (*goose.Provider, error) {
	files, err := migrations(s.dialect)
	if err != nil {
		return nil, err
	}
	db, err := s.w.DB()
	if err != nil {
		return nil, err
	}
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{}
	if s.dialect == Postgres {
		dialect = goose.DialectPostgres
		// One try a second, for ten minutes; goose's own five seconds make a fleet start slowly.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 60))
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, db, files, opts...)
}

// Migrate brings the tables to the newest version. Any number of processes may
// do it at once: on PostgreSQL they queue for a lock, on SQLite the ones that
// came second look again until nothing is left to do.
func (s *Store) Migrate(ctx context.Context) error {
	p, err := s.goose()
	if err != nil {
		return failed("migrate", err)
	}
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

// Pending reports whether [Store.Migrate] has something to do.
func (s *Store) Pending(ctx context.Context) (bool, error) {
	p, err := s.goose()
	if err != nil {
		return false, failed("pending", err)
	}
	has, err := p.HasPending(ctx)
	if err != nil {
		return false, failed("pending", err)
	}
	return has, nil
}
