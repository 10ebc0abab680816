package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// A machine whose clock is wrong, and is set while it runs, goes by the
// database's.
func TestBookTime(t *testing.T) {
	var log bytes.Buffer
	var ahead, wrong time.Duration
	var broken error
	b := &bookTime{log: slog.New(slog.NewTextHandler(&log, nil)), wall: func() time.Time { return time.Now().Add(wrong).Round(0) },
		ask: func(context.Context) (time.Time, error) { return time.Now().Add(ahead), broken }}
	near := func(what string, want time.Duration) {
		t.Helper()
		if off := time.Until(b.now()) - want; off.Abs() > time.Minute {
			t.Errorf("%s: the time is %s off", what, off)
		}
	}
	wrong, broken = -2*time.Hour, errors.New("no answer")
	b.set(t.Context())
	near("nobody answers", -2*time.Hour)
	broken = nil
	b.set(t.Context())
	near("asked", 0)
	wrong = 3 * time.Hour // the clock is set
	near("a step", 0)
	b.set(t.Context())
	near("a step, asked again", 0)
	ahead = time.Hour // another database server
	b.set(t.Context())
	near("another server", time.Hour)
	ahead, wrong = 0, 0
	b.set(t.Context())
	near("back", 0)
	before := *b.mark.Load()
	b.set(t.Context())
	if *b.mark.Load() != before {
		t.Error("the time was set again for nothing")
	}
	if n := strings.Count(log.String(), "differ"); n != 1 || strings.Count(log.String(), "agrees") != 1 {
		t.Errorf("the log says %s", log.String())
	}
}

// The database's clock is asked, and a database in a file has none.
func TestKeepTime(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := &house{store: s, log: slog.New(slog.DiscardHandler), now: func() time.Time { return time.Now().Add(-48 * time.Hour) }}
	h.keepTime(t.Context())
	defer h.untime()
	if off := time.Until(h.now()); off.Abs() > time.Minute {
		t.Errorf("the time is %s off", off)
	}
	if l := live(t, ""); l.house.untime != nil {
		t.Error("a file was asked for the time")
	}
}
