package workers

import (
	"context"
	"log/slog"
	"time"
)

// Retain takes away what was kept long enough, in batches with a pause between,
// each a short transaction of its own: messages come in meanwhile as ever. Every
// process has the job, and one at a time does it: who holds the lease.
type Retain struct {
	Books RetainBooks
	// Orphans takes away bytes that no row refers to; nil: nobody does.
	Orphans func(ctx context.Context, began time.Time) (blobs, kept int64, err error)
	Holder  string // names this process
	Log     *slog.Logger
	Set     RetainSettings
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
	Batch        int           // rows in one transaction
	Pause        time.Duration // between two of them
}

// RetainBooks is what retention needs from the store. Each of the first five takes
// one batch and reports how many rows it touched and whether there may be more.
type RetainBooks interface {
	RetireDrafts(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireLedger(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireRaw(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireEvents(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetireRevisions(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error)
	RetiredAt(ctx context.Context, kind string) (time.Time, error)
	MarkRetired(ctx context.Context, kind string, at time.Time) error
	Acquire(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (token int64, ok bool, err error)
}

// The lease of retention: its name, and how long it outlives a batch.
const (
	retainLease = "retention"
	retainHold  = 10 * time.Minute
)

// orphansKind is under which name it is noted when orphans were last looked for.
const orphansKind = "orphans"

// Name names the job.
func (r *Retain) Name() string { return "retention" }

// Every says how often it runs.
func (r *Retain) Every() time.Duration { return r.Set.Every }

// Once takes away what is old as of now, until nothing of it is left. It keeps the
// lease, so that no other process does the same in this period.
func (r *Retain) Once(ctx context.Context, now time.Time) error {
	for _, kind := range []struct {
		name string
		age  time.Duration
		take func(ctx context.Context, before time.Time, limit int) (int64, bool, error)
	}{
		{"drafts", r.Set.Drafts, r.Books.RetireDrafts},
		{"raw", r.Set.Raw, r.Books.RetireRaw},
		{"events", r.Set.Events, r.Books.RetireEvents},
		{"revisions", r.Set.Revisions, r.Books.RetireRevisions},
		{"ledger", r.Set.Ledger, r.Books.RetireLedger},
	} {
		if kind.age <= 0 {
			continue
		}
		var all int64
		begun := time.Now()
		for more := true; more; {
			ok, err := r.hold(ctx, now.Add(time.Since(begun)))
			if err != nil || !ok {
				return err
			}
			var n int64
			if n, more, err = kind.take(ctx, now.Add(-kind.age), r.Set.Batch); err != nil {
				return err
			}
			all += n
			if more && !r.pause(ctx) {
				return nil
			}
		}
		if all > 0 {
			r.Log.Info("kept long enough", "what", kind.name, "count", all)
		}
	}
	return r.orphans(ctx, now)
}

// orphans looks for bytes without a row, when that was not done for a while.
func (r *Retain) orphans(ctx context.Context, now time.Time) error {
	if r.Orphans == nil || r.Set.Orphans <= 0 {
		return nil
	}
	if ok, err := r.hold(ctx, now); err != nil || !ok {
		return err
	}
	last, err := r.Books.RetiredAt(ctx, orphansKind)
	if err != nil || now.Before(last.Add(r.Set.OrphansEvery)) {
		return err
	}
	blobs, kept, err := r.Orphans(ctx, now)
	if err != nil {
		return err
	}
	r.Log.Info("looked for bytes that nobody refers to", "removed", blobs+kept)
	return r.Books.MarkRetired(ctx, orphansKind, now)
}

// hold takes or renews the lease.
func (r *Retain) hold(ctx context.Context, now time.Time) (bool, error) {
	_, ok, err := r.Books.Acquire(ctx, retainLease, r.Holder, now, retainHold+r.Set.Every)
	return ok, err
}

// pause waits between two batches, and reports false when it is time to stop.
func (r *Retain) pause(ctx context.Context) bool {
	t := time.NewTimer(r.Set.Pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}
