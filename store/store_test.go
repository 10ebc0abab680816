package store_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"switchboard/store"
	"switchboard/store/storetest"
	"switchboard/store/storetest/pgtest"
)

// dialects are the databases every test runs on, each with a maker of empty
// ones.
var dialects = []struct {
	name  string
	fresh func(testing.TB) (url string)
}{
	{store.SQLite, func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "books #1%.db") }},
	{store.Postgres, func(t testing.TB) string { return pgtest.New(t) }},
}

// open connects to a database for the length of a test.
func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, Log: slog.New(noWarnings{slog.DiscardHandler, t})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// noWarnings fails a test in which the store warns: of a deadlock it recovered
// from, for example.
type noWarnings struct {
	slog.Handler
	t testing.TB
}

func (noWarnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (h noWarnings) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		h.t.Errorf("%s: %s", r.Message, a)
		return true
	})
	return nil
}

// opened is open on a new database with all tables.
func opened(t testing.TB, url string) *store.Store {
	t.Helper()
	s := open(t, url)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) *store.Store { return opened(t, d.fresh(t)) })
		})
	}
}
