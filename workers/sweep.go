package workers

import (
	"context"
	"log/slog"
	"time"

	"switchboard/pipeline/desk"
)

// Sweep queues again what the queue forgot: receipts accepted a while ago and
// still not settled. It goes from source to source, a little of each at a time,
// so that a flood of one hides nothing of another. It claims them in the ledger,
// so several processes may sweep at once. When Redis does not take them it files
// them itself: intake goes on without Redis, only slower.
type Sweep struct {
	Books  SweepBooks
	Intake *Intake
	Log    *slog.Logger
	Set    Settings
	// Behind reports whether tasks of a class wait long in the queue. Nil: always.
	Behind func(class Class, now time.Time) bool

	empty map[string]time.Time // when a long backlog was found to have nothing to claim
}

// SweepBooks is what the sweep needs from the store.
type SweepBooks interface {
	PressureBooks
	// Stale claims accepted receipts of a source older than before that were not
	// claimed since sweptBefore, oldest first, and marks them claimed at now.
	Stale(ctx context.Context, source string, before, sweptBefore, now time.Time, limit int) ([]desk.ReceiptID, error)
}

// sweepLimit bounds what is claimed of one source before the next has its turn.
const sweepLimit = 512

// Name names the job.
func (s *Sweep) Name() string { return "sweep" }

// Every says how often it runs.
func (s *Sweep) Every() time.Duration { return s.Set.SweepEvery }

// Once sweeps as of now. While the queue of a source is long, what was accepted
// is most likely in it: only what is older than Settings.SweepAgain is queued,
// and not again before that. While it is short, what waits was lost.
func (s *Sweep) Once(ctx context.Context, now time.Time) error {
	return s.sweep(ctx, now, func(source string) (before, sweptBefore time.Time, look bool) {
		if s.Behind == nil || s.Behind(s.Intake.pressure.Class(source), now) {
			again := now.Add(-s.Set.SweepAgain)
			// A long backlog that was claimed before takes long to read: not each time.
			return again, again, now.Sub(s.empty[source]) > s.Set.SweepAgain/6
		}
		return now.Add(-s.Set.SweepAfter), now.Add(-min(s.Set.SweepAgain, 2*s.Set.SweepAfter)), true
	})
}

// All sweeps everything accepted, however young and whoever claimed it: for the
// start of a process whose embedded queue begins empty.
func (s *Sweep) All(ctx context.Context, now time.Time) error {
	if p := s.Intake.pressure; p != nil {
		if err := p.Look(ctx); err != nil {
			return err
		}
	}
	return s.sweep(ctx, now, func(string) (before, sweptBefore time.Time, look bool) { return now, now, true })
}

func (s *Sweep) sweep(ctx context.Context, now time.Time, since func(source string) (before, sweptBefore time.Time, look bool)) error {
	waiting, err := s.Books.Waiting(ctx, 1)
	if err != nil {
		return err
	}
	var sources []string
	for _, w := range waiting {
		if _, _, look := since(w.Source); look {
			sources = append(sources, w.Source)
		}
	}
	for round := 0; len(sources) > 0; round++ {
		var more []string
		for _, source := range sources {
			before, sweptBefore, _ := since(source)
			ids, err := s.Books.Stale(ctx, source, before, sweptBefore, now, sweepLimit)
			if err != nil {
				return err
			}
			if len(ids) == 0 && round == 0 {
				if s.empty == nil {
					s.empty = map[string]time.Time{}
				}
				s.empty[source] = now
			}
			if len(ids) == 0 {
				continue
			}
			more = append(more, source)
			if err := s.again(ctx, source, ids); err != nil {
				return err
			}
		}
		sources = more
	}
	return nil
}

// again queues receipts of a source.
func (s *Sweep) again(ctx context.Context, source string, ids []desk.ReceiptID) error {
	s.Log.Info("queued again what the queue forgot", "source", source, "count", len(ids))
	s.Intake.metrics.swept(len(ids))
	for len(ids) > 0 {
		n := min(len(ids), s.Set.TaskGroup)
		if err := s.queue(ctx, s.Intake.pressure.Class(source), ids[:n]); err != nil {
			s.Log.Warn("the queue does not answer: filing without it", "count", n, "error", err)
			if err := s.Intake.Process(ctx, ids[:n]); err != nil {
				return err
			}
		}
		ids = ids[n:]
	}
	return nil
}

func (s *Sweep) queue(ctx context.Context, class Class, ids []desk.ReceiptID) error {
	if s.Intake.dispatch == nil {
		return s.Intake.Process(ctx, ids)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.Intake.dispatch.enqueue(ctx, class, 0, task{Receipts: ids})
}
