package main

import (
	"log/slog"
	"testing"
	"time"

	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// The audit goes by the clock of the books, as the fleet does: on a machine whose own
// is behind, what just came would be of the future.
func TestAuditGoesByTheBooksClock(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
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
