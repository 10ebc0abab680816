package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

func (s *Store) goose() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/"+s.dialect)
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
		locker, err := lock.NewPostgresSessionLocker()
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
		return fmt.Errorf("store: migrate: %w", err)
	}
	tries := 1
	if s.dialect == SQLite {
		tries = 100
	}
	for try := 1; ; try++ {
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
		if try >= tries {
			return fmt.Errorf("store: migrate: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("store: migrate: %w", errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Pending reports whether [Store.Migrate] has something to do.
func (s *Store) Pending(ctx context.Context) (bool, error) {
	p, err := s.goose()
	if err != nil {
		return false, fmt.Errorf("store: pending: %w", err)
	}
	has, err := p.HasPending(ctx)
	if err != nil {
		return false, fmt.Errorf("store: pending: %w", err)
	}
	return has, nil
}
