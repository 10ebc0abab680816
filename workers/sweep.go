package workers

import (
	"context"
	"log/slog"
	"time"

	"switchboard/pipeline/desk"
)

// Sweep queues again what the queue forgot: receipts accepted a while ago and
// still not settled. It claims them in the ledger, so several processes may
// sweep at once. When Redis does not take them it files them itself: intake
// goes on without Redis, only slower.
type Sweep struct {
	Books  SweepBooks
	Intake *Intake
	Log    *slog.Logger
	Set    Settings
	// Behind reports whether tasks wait long in the queue. Nil: always.
	Behind func(now time.Time) bool
}

// SweepBooks is what the sweep needs from the store.
type SweepBooks interface {
	// Stale claims accepted receipts older than before that were not claimed
	// since sweptBefore, oldest first, and marks them claimed at now.
	Stale(ctx context.Context, before, sweptBefore, now time.Time, limit int) ([]desk.ReceiptID, error)
}

// sweepLimit bounds one sweep, so that a backlog is not queued twice at once.
const sweepLimit = 4096

// Name names the job.
func (s *Sweep) Name() string { return "sweep" }

// Every says how often it runs.
func (s *Sweep) Every() time.Duration { return s.Set.SweepEvery }

// Once sweeps as of now. What it queued before is queued again after
// Settings.SweepAgain, for it may still be in a long queue; or much sooner when
// the queue is short, for then it was lost once more.
func (s *Sweep) Once(ctx context.Context, now time.Time) error {
	again := s.Set.SweepAgain
	if s.Behind != nil && !s.Behind(now) {
		again = min(again, 2*s.Set.SweepAfter)
	}
	return s.sweep(ctx, now, now.Add(-s.Set.SweepAfter), now.Add(-again))
}

// All sweeps everything accepted, however young and whoever claimed it: for the
// start of a process whose embedded queue begins empty.
func (s *Sweep) All(ctx context.Context, now time.Time) error {
	return s.sweep(ctx, now, now, now)
}

func (s *Sweep) sweep(ctx context.Context, now, before, sweptBefore time.Time) error {
	for {
		ids, err := s.Books.Stale(ctx, before, sweptBefore, now, sweepLimit)
		if err != nil || len(ids) == 0 {
			return err
		}
		s.Log.Info("queued again what the queue forgot", "count", len(ids))
		s.Intake.metrics.swept(len(ids))
		for len(ids) > 0 {
			n := min(len(ids), s.Set.TaskGroup)
			if err := s.queue(ctx, ids[:n]); err != nil {
				s.Log.Warn("the queue does not answer: filing without it", "count", n, "error", err)
				if err := s.Intake.Process(ctx, ids[:n]); err != nil {
					return err
				}
			}
			ids = ids[n:]
		}
	}
}

func (s *Sweep) queue(ctx context.Context, ids []desk.ReceiptID) error {
	if s.Intake.dispatch == nil {
		return s.Intake.Process(ctx, ids)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.Intake.dispatch.enqueue(ctx, 0, ids)
}
