package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Retain takes away what was kept long enough, in batches with a rest after each,
// each a short transaction of its own: messages come in meanwhile as ever. Every
// process has the job, and one at a time does it: who holds the lease. The kinds
// take turns, so that none waits for the end of another, and one that fails stops
// no other.
type Retain struct {
	Books  RetainBooks
	Holder string // names this process
	Now    func() time.Time
	Log    *slog.Logger
	Set    RetainSettings

	rest  func(ctx context.Context, took time.Duration) error // nil: Set.Pace
	ticks func(time.Duration) (<-chan time.Time, func())      // of the lease
}

// RetainSettings say how long what is finished is kept (0: forever) and how fast
// it goes.
type RetainSettings struct {
	Drafts    time.Duration // drafts of receipts, after they were settled
	Ledger    time.Duration // receipts, after they were settled
	Raw       time.Duration // raw messages, after their ticket was resolved
	Events    time.Duration // histories, after their ticket was resolved
	Revisions time.Duration // the words messages had before
	Orphans   time.Duration // bytes without a row

	Every        time.Duration
	OrphansEvery time.Duration
	Batch        int  // rows in one transaction
	Pace         Pace // of the transactions
}

// RetainBooks is what retention needs from the store. Each of the first five takes
// one batch and reports how many rows it touched and whether there may be more.
type RetainBooks interface {
	RetireDrafts(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireLedger(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireRaw(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireEvents(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireRevisions(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	LeaseBooks
}

// retainLease is the name of the lease.
const retainLease = "retention"

// Name names the job.
func (r *Retain) Name() string { return "retention" }

// Every says how often it runs.
func (r *Retain) Every() time.Duration { return r.Set.Every }

// Once takes away what is old as of now, until nothing of it is left. It keeps the
// lease, so that no other process does the same in this period.
func (r *Retain) Once(ctx context.Context, now time.Time) error {
	l := &lease{books: r.Books, name: retainLease, holder: r.Holder, now: r.Now, ticks: r.ticks}
	_, err := l.do(ctx, func(ctx context.Context, held held) error { return r.rounds(ctx, now, held) },
		func() time.Duration { return r.Set.Every })
	return err
}

// retained is a kind of what is kept, and how much of it went.
type retained struct {
	name string
	age  time.Duration
	take func(ctx context.Context, before time.Time, limit int) (int64, bool, error)
	gone int64
}

// rounds takes a batch of each kind in turn, until there is no more of any.
func (r *Retain) rounds(ctx context.Context, now time.Time, held held) (err error) {
	all := []*retained{
		{name: "drafts", age: r.Set.Drafts, take: r.Books.RetireDrafts},
		{name: "raw", age: r.Set.Raw, take: r.Books.RetireRaw},
		{name: "events", age: r.Set.Events, take: r.Books.RetireEvents},
		{name: "revisions", age: r.Set.Revisions, take: r.Books.RetireRevisions},
		{name: "ledger", age: r.Set.Ledger, take: r.Books.RetireLedger},
	}
	defer func() {
		for _, k := range all {
			if k.gone > 0 {
				r.Log.Info("kept long enough", "what", k.name, "count", k.gone)
			}
		}
	}()
	left := slices.DeleteFunc(slices.Clone(all), func(k *retained) bool { return k.age <= 0 })
	rest := r.rest
	if rest == nil {
		rest = r.Set.Pace.Rest
	}
	var failed []error
	for len(left) > 0 {
		var again []*retained
		for _, k := range left {
			if err := held(); err != nil {
				return errors.Join(append(failed, err)...)
			}
			begun := r.Now()
			n, more, err := k.take(ctx, now.Add(-k.age), r.Set.Batch)
			k.gone += n
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", k.name, err))
				continue
			}
			if more {
				again = append(again, k)
			}
			if n == 0 && !more {
				continue // it looked, which costs next to nothing
			}
			if err := rest(ctx, r.Now().Sub(begun)); err != nil {
				return errors.Join(append(failed, err)...)
			}
		}
		left = again
	}
	return errors.Join(failed...)
}
