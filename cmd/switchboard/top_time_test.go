package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"switchboard/configs"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// Who reads a mailbox is told by the clock of the books: on a machine whose own is
// ahead, every lease would have run out.
func TestTopGoesByTheBooksClock(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
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
