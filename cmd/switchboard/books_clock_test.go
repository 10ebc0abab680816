package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// serverBooks opens books of a PostgreSQL server, which has a clock of its own.
func serverBooks(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// The audit goes by the clock of the books, as the fleet does: on a machine whose own
// is behind, what just came would be of the future.
func TestAuditGoesByTheBooksClock(t *testing.T) {
	s := serverBooks(t)
	r, err := configs.NewReloader("", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{store: s, config: r, log: slog.New(slog.DiscardHandler), now: func() time.Time { return time.Now().Add(-48 * time.Hour) }}
	now := desk.Contact{Source: "chat", Handle: "ann", Kind: desk.Person, Address: []byte(`{}`), At: time.Now()}
	if err := s.KeepContact(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	result, err := (&auditCmd{Grace: 15 * time.Minute, Skew: 5 * time.Second}).of(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Until(result.At); off.Abs() > time.Minute {
		t.Errorf("ages are counted from %s off", off)
	}
	if result.Wrong != 0 || result.Seconds < 0 || result.Seconds > 600 {
		t.Errorf("%d wrong, in %g s", result.Wrong, result.Seconds)
	}
}

// Who reads a mailbox is told by the clock of the books: on a machine whose own is
// ahead, every lease would have run out.
func TestTopGoesByTheBooksClock(t *testing.T) {
	s := serverBooks(t)
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("sources: [{ name: support, channel: email }]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := configs.NewReloader(path, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{store: s, config: r, place: place{Data: t.TempDir()}, log: slog.New(slog.DiscardHandler),
		now: func() time.Time { return time.Now().Add(time.Hour) }}
	o := newObserver(t.Context(), h, 5*time.Second)
	defer o.close()
	if _, ok, err := s.Acquire(t.Context(), "mailbox:support", "host/0/WORD", time.Now(), time.Minute); err != nil || !ok {
		t.Fatalf("%t, %v", ok, err)
	}
	if f := o.look(t.Context()); len(f.Mailboxes) != 1 || f.Mailboxes[0].Holder != "host/0/WORD" {
		t.Errorf("the mailboxes are %+v", f.Mailboxes)
	}
}
