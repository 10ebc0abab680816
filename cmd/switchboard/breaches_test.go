package main

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// TestEachBreachIsCountedOnce: a clock that ran out is counted, whether the sweep marks it
// or what comes too late: an answer, or an end. What is rolled back is not.
func TestEachBreachIsCountedOnce(t *testing.T) {
	l := live(t, "teams: [{ id: desk }]\nslas:\n  - { name: standard, targets: { firstResponse: 1h, resolution: 24h } }\n")
	l.answer()
	key := l.newKey(desk.RoleAdmin)
	for n := range 3 {
		l.ask(key, "POST", "/v1/tickets", fmt.Sprintf(`{"title": "ticket %d", "requester": {"email": "ann%d@shop.example"}}`, n, n)).want(t, 201)
	}
	counted := func(when string, first, resolution float64) {
		t.Helper()
		got := l.families()["switchboard_breaches_total"].values
		if got["metric=FIRST_RESPONSE"] != first || got["metric=RESOLUTION"] != resolution {
			t.Errorf("%s: counted %v, want %v and %v", when, got, first, resolution)
		}
	}
	sweep := func() {
		t.Helper()
		job := &workers.Breach{Books: l.store, Log: slog.New(slog.DiscardHandler)}
		if err := job.Once(t.Context(), l.now()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	counted("in time", 0, 0)
	l.later.Store(int64(2 * time.Hour))
	answer := `{"content": "we are at it", "isPublic": true}`
	l.ask(key, "POST", "/v1/tickets/1/comments", answer, "Idempotency-Key", "k1").want(t, 201)
	counted("after a late answer", 1, 0)
	l.ask(key, "POST", "/v1/tickets/1/comments", answer, "Idempotency-Key", "k1").want(t, 201)
	l.ask(key, "PATCH", "/v1/tickets/2", `{"status": "RESOLVED"}`, "If-Match", `"99"`).want(t, 409)
	counted("after what changed nothing", 1, 0)
	sweep()
	sweep()
	counted("after the sweep", 3, 0)
	l.later.Store(int64(25 * time.Hour))
	l.ask(key, "PATCH", "/v1/tickets/1", `{"status": "RESOLVED"}`).want(t, 200)
	counted("after a late end", 3, 1)
	sweep()
	counted("at last", 3, 3)
}
