package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/pipeline/desk"
)

// newCanaries are canaries on real books, whose time stands still.
func newCanaries(w *watched, every time.Duration, now time.Time) *Canaries {
	return &Canaries{Books: w, Secret: []byte("secret"), Every: every, Timeout: time.Second, Failed: NewCanaryFailures(prometheus.NewRegistry()),
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
}

// Canaries go on after a restart with a longer pause between them, and after the
// clock was set back.
func TestCanariesGoOnAfterARestart(t *testing.T) {
	w, at := openBooks(t), time.Now()
	for _, start := range []struct {
		every time.Duration
		now   time.Time
	}{{100 * time.Millisecond, at}, {24 * time.Hour, at.Add(48 * time.Hour)}, {time.Minute, at}} {
		ctx, stop := context.WithCancel(t.Context())
		sent, done := make(chan struct{}, 1), make(chan error, 1)
		c := newCanaries(w, start.every, start.now)
		go func() {
			done <- c.Run(ctx, []Bird{{Source: "mail", Send: func(context.Context, string) error {
				select {
				case sent <- struct{}{}:
				default:
				}
				return errors.New("no answer")
			}}})
		}()
		select {
		case <-sent:
		case <-time.After(hang):
			t.Errorf("none was sent every %s", start.every)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// However many sources have canaries, none stays in the ledger for longer than it
// is kept, and a blob that cannot be removed keeps no other.
func TestAllOldCanariesAreForgotten(t *testing.T) {
	const n = 2*forgetAtOnce + 1
	w, at := openBooks(t), time.Now()
	i := intake(t, w, nil)
	var drafts []*desk.Draft
	for k := range n {
		d := mail(fmt.Sprint("canary", k), "canary@b.example", "x")
		d.Raw = desk.BlobRef{Digest: fmt.Sprint("raw", k), Size: 3}
		drafts = append(drafts, d)
	}
	ids, err := i.accept(t.Context(), nil, drafts)
	if err != nil {
		t.Fatal(err)
	}
	var filings []*desk.Filing
	for _, id := range ids {
		filings = append(filings, &desk.Filing{Receipt: id, At: at, Verdict: desk.Dropped, Reason: desk.CanaryReason})
	}
	if _, err := w.File(t.Context(), filings); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := w.CanaryHeard(t.Context(), "support", at, at, id); err != nil {
			t.Fatal(err)
		}
	}
	c, removed := newCanaries(w, time.Minute, at.Add(time.Hour)), 0
	broken := errors.New("disk")
	c.Remove = func(_ context.Context, ref desk.BlobRef) error {
		if removed++; ref.Digest == "raw7" {
			return broken
		}
		return nil
	}
	if err := c.Forget(t.Context()); !errors.Is(err, broken) {
		t.Errorf("it ended with %v", err)
	}
	left, err := w.Receipts(t.Context(), ids)
	if err != nil || len(left) > 0 || removed != n {
		t.Errorf("%d receipts are left and %d blobs were removed, want 0 and %d; %v", len(left), removed, n, err)
	}
}
