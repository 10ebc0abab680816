package workers

import (
	"context"
	"log/slog"
	"time"

	"switchboard/pipeline/desk"
)

// Sweep queues again what the queue forgot: receipts that are not settled and
// were queued, or should have been, before the time from which on the queue
// remembers. It goes from source to source, a little of each at a time, so that a
// flood of one hides nothing of another. It claims them in the ledger, so several
// processes may sweep at once. When Redis does not answer it files them itself:
// intake goes on without Redis, only slower.
type Sweep struct {
	Books  SweepBooks
	Intake *Intake
	Log    *slog.Logger
	Set    Settings
	// Recall tells since when the queue of a class remembers what was queued: now
	// when it remembers nothing, an error when it does not answer. Nil: it
	// remembers nothing.
	Recall func(ctx context.Context, class Class, now time.Time) (time.Time, error)

	rest map[string]time.Time // until when a long backlog, all of it claimed, is not read again
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

// A backlog in which nothing is to be claimed costs time all the same when it is
// long and was claimed before. What took longer than sweepLong is not read again
// before sweepPause times as long has passed, or Settings.SweepAgain.
const (
	sweepLong  = 100 * time.Millisecond
	sweepPause = 10
)

// Name names the job.
func (s *Sweep) Name() string { return "sweep" }

// Every says how often it runs.
func (s *Sweep) Every() time.Duration { return s.Set.SweepEvery }

// reach is which receipts of a source are to be queued: accepted before an instant
// and not claimed since another.
type reach struct {
	before, sweptBefore time.Time
	silent              bool // the queue does not answer
}

// Once sweeps as of now. Settings.SweepAfter is for the way of a receipt from the
// ledger to its task.
func (s *Sweep) Once(ctx context.Context, now time.Time) error {
	return s.sweep(ctx, now, func(w desk.Backlog, recall func(Class) (time.Time, error)) reach {
		if !w.Oldest.Before(now.Add(-s.Set.SweepAfter)) || now.Before(s.rest[w.Source]) {
			return reach{} // the queue need not be asked
		}
		since, silent := now, false
		for _, class := range s.Intake.pressure.Classes(w.Source) {
			at, err := recall(class)
			silent = silent || err != nil
			if err == nil {
				since = earlier(since, at)
			}
		}
		if silent {
			since = now
		}
		// What waits among the suspects was claimed for them. Beside others it would
		// take those along, and its death would not be counted.
		claimed := since
		if at, err := recall(suspect); err == nil {
			claimed = earlier(since, at)
		}
		return reach{since.Add(-s.Set.SweepAfter), claimed.Add(-min(s.Set.SweepAgain, 2*s.Set.SweepAfter)), silent}
	})
}

// whenever is later than any time of the books: a clock that was far ahead made
// those that lie in the future.
var whenever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// All sweeps everything accepted, however young and whoever claimed it: for the
// start of a process whose embedded queue begins empty.
func (s *Sweep) All(ctx context.Context, now time.Time) error {
	if p := s.Intake.pressure; p != nil {
		if err := p.Look(ctx); err != nil {
			return err
		}
	}
	return s.sweep(ctx, now, func(desk.Backlog, func(Class) (time.Time, error)) reach {
		return reach{before: whenever, sweptBefore: now}
	})
}

func (s *Sweep) sweep(ctx context.Context, now time.Time, of func(w desk.Backlog, recall func(Class) (time.Time, error)) reach) error {
	waiting, err := s.Books.Waiting(ctx, 1)
	if err != nil {
		return err
	}
	for round := 0; len(waiting) > 0; round++ {
		recall := s.look(ctx, now) // anew: what was queued in the last round is remembered
		var more []desk.Backlog
		for _, w := range waiting {
			r := of(w, recall)
			if !w.Oldest.Before(r.before) {
				continue
			}
			start := time.Now()
			ids, err := s.Books.Stale(ctx, w.Source, r.before, r.sweptBefore, s.claim(now), sweepLimit)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				if took := time.Since(start); round == 0 && took > sweepLong {
					if s.rest == nil {
						s.rest = map[string]time.Time{}
					}
					s.rest[w.Source] = now.Add(min(sweepPause*took, s.Set.SweepAgain))
				}
				continue
			}
			more = append(more, w)
			if err := s.again(ctx, w.Source, ids, r.silent); err != nil {
				return err
			}
		}
		waiting = more
	}
	return nil
}

// claim is the time at which receipts are claimed: not before now, so that a sweep
// never claims the same twice, and not long before they are queued.
func (s *Sweep) claim(now time.Time) time.Time {
	if s.Intake.now != nil {
		if t := s.Intake.now(); t.After(now) {
			return t
		}
	}
	return now
}

// look asks each queue at most once.
func (s *Sweep) look(ctx context.Context, now time.Time) func(Class) (time.Time, error) {
	type answer struct {
		since time.Time
		err   error
	}
	known := map[Class]answer{}
	return func(class Class) (time.Time, error) {
		if s.Recall == nil {
			return now, nil
		}
		a, ok := known[class]
		if !ok {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			a.since, a.err = s.Recall(ctx, class, now)
			cancel()
			if a.err != nil {
				s.Log.Warn("the queue does not say what it remembers: filing without it", "queue", class.queue(), "error", a.err)
			}
			known[class] = a
		}
		return a.since, a.err
	}
}

// again queues receipts of a source; what the queue does not take is filed here.
func (s *Sweep) again(ctx context.Context, source string, ids []desk.ReceiptID, silent bool) error {
	s.Intake.metrics.swept(len(ids))
	if !silent {
		s.Log.Info("queued again what the queue forgot", "source", source, "count", len(ids))
	}
	for len(ids) > 0 {
		n := min(len(ids), s.Set.TaskGroup)
		var err error
		if !silent {
			err = s.queue(ctx, s.Intake.pressure.Class(source), ids[:n])
		}
		if err != nil {
			s.Log.Warn("the queue does not answer: filing without it", "count", n, "error", err)
		}
		if err != nil || silent {
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
