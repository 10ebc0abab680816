package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// suspects takes receipts through the line that a worker had in its hands when
// it died. Most of them have done nothing: the power went, or somebody typed kill
// -9. But one may be what killed it, and would kill the next one too. So they go
// with few others beside them, and when a worker dies of them again, one by one,
// with the attempt counted in the ledger before it is made: what ends its worker
// each time is marked failed after Settings.Attempts, alone, and its neighbours
// are filed. Where Redis dies with its process, [Journal] remembers for it.
type suspects struct {
	intake *Intake
	books  SuspectBooks
	alone  chan struct{} // the turn of those whose workers died twice
}

// SuspectBooks is what suspects need from the store.
type SuspectBooks interface {
	// Attempt counts an attempt before it is made; receipts that had most already
	// end as failed.
	Attempt(ctx context.Context, ids []desk.ReceiptID, most int, reason string, now time.Time) (open, ended []desk.ReceiptID, err error)
	// Survived takes an attempt back that ended neither the process nor the
	// receipt.
	Survived(ctx context.Context, ids []desk.ReceiptID) error
}

// suspectGroups is how many tasks of suspects a process has in hand, suspectCheck
// how often it looks for one when it has none.
const (
	suspectGroups = 4
	suspectCheck  = 200 * time.Millisecond
)

func newSuspects(intake *Intake, books SuspectBooks) *suspects {
	return &suspects{intake: intake, books: books, alone: make(chan struct{}, 1)}
}

// process runs a task of suspects. begin is called when its turn has come.
func (s *suspects) process(ctx context.Context, t task, begin func()) error {
	err := s.try(ctx, t, begin)
	overdue := errors.Is(err, errOverdue) && t.Deaths >= apart
	if err == nil || overdue {
		s.intake.journal.freed(t)
	}
	if overdue { // the attempt stays counted
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordFor)
		defer cancel()
		t.Late = true
		return s.intake.once(ctx, t)
	}
	return err
}

func (s *suspects) try(ctx context.Context, t task, begin func()) error {
	if t.Deaths == 1 {
		begin()
		return s.intake.run(ctx, t)
	}
	select {
	case s.alone <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.alone }()
	begin()
	for _, id := range t.Receipts {
		if err := s.one(ctx, id, t); err != nil {
			return err
		}
	}
	return nil
}

// one makes one attempt on one receipt of a task.
func (s *suspects) one(ctx context.Context, id desk.ReceiptID, t task) error {
	most := s.intake.set.Attempts
	reason := s.intake.isolation(t)
	open, ended, err := s.books.Attempt(ctx, []desk.ReceiptID{id}, most, reason, s.intake.now())
	if err != nil {
		return fmt.Errorf("workers: count an attempt: %w", err)
	}
	if len(ended) > 0 {
		s.intake.isolated(ctx, ended, reason)
	}
	if len(open) == 0 {
		return nil
	}
	err = s.intake.run(ctx, task{Receipts: open, Deaths: t.Deaths})
	if errors.Is(err, errOverdue) {
		return err // the attempt stays counted
	}
	return errors.Join(err, s.survived(ctx, open))
}

// survived takes an attempt back: the worker lives, and may have been told to stop. While
// the books are away, which is no receipt's fault, it waits for them, or each such try
// would count as a death.
func (s *suspects) survived(ctx context.Context, ids []desk.ReceiptID) error {
	for {
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordFor)
		err := s.books.Survived(work, ids)
		cancel()
		if !errors.Is(err, desk.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(suspectCheck):
		}
	}
}

// isolated says loudly that receipts were given up.
func (i *Intake) isolated(ctx context.Context, ids []desk.ReceiptID, reason string) {
	rs, err := i.books.Receipts(ctx, ids)
	if err != nil {
		i.log.Error("a message failed; it waits for a person", "receipt", ids[0], "error", reason)
		return
	}
	for _, r := range rs {
		i.log.Error("a message failed; it waits for a person", "receipt", r.ID, "source", r.Source, "state", r.State, "error", reason)
		i.metrics.settled(r, desk.Failed, i.now())
	}
}

// requeue queues a recovered task for the workers of suspects; without a queue it
// is run here.
func (i *Intake) requeue(ctx context.Context, t task) error {
	if i.dispatch == nil {
		return i.run(ctx, t)
	}
	i.journal.waits(t)
	err := i.dispatch.enqueue(ctx, suspect, 0, t)
	if err != nil { // nobody else must wait for it
		i.journal.freed(t)
	}
	return err
}
