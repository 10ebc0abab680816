package workers

import (
	"context"
	"log/slog"
	"time"
)

// Orphans looks for bytes that no row refers to, every OrphansEvery: a long walk
// through all rows, and so a job of its own with a lease of its own, beside which
// all other retention goes on. A walk that is cut off begins anew.
type Orphans struct {
	Books OrphansBooks
	// Walk takes away bytes that no row refers to. It asks held before it takes
	// anything, and stops at an error.
	Walk   func(ctx context.Context, began time.Time, held func() error) (blobs, kept int64, err error)
	Holder string // names this process
	Now    func() time.Time
	Log    *slog.Logger
	Set    RetainSettings

	again time.Time // not before that, after a walk that failed
	ticks func(time.Duration) (<-chan time.Time, func())
}

// OrphansBooks is what the job needs from the store.
type OrphansBooks interface {
	RetiredAt(ctx context.Context, kind string) (time.Time, error)
	MarkRetired(ctx context.Context, kind string, at time.Time) error
	LeaseBooks
}

// The lease of the walk, and under which name it is noted when the last one was.
const (
	orphansLease = "retention:orphans"
	orphansKind  = "orphans"
)

// Name names the job.
func (o *Orphans) Name() string { return "orphans" }

// Every says how often it is asked whether a walk is due.
func (o *Orphans) Every() time.Duration { return o.Set.Every }

// Once walks when that was not done for a while.
func (o *Orphans) Once(ctx context.Context, now time.Time) error {
	if o.Set.Orphans <= 0 || now.Before(o.again) {
		return nil
	}
	if due, err := o.due(ctx, now); err != nil || !due {
		return err
	}
	var wait time.Duration
	l := &lease{books: o.Books, name: orphansLease, holder: o.Holder, now: o.Now, ticks: o.ticks}
	_, err := l.do(ctx, func(ctx context.Context, held held) error {
		due, err := o.due(ctx, now) // another may have walked until now
		if err != nil || !due {
			return err
		}
		blobs, kept, err := o.Walk(ctx, now, held)
		if err == nil {
			o.Log.Info("looked for bytes that nobody refers to", "removed", blobs+kept)
			return o.Books.MarkRetired(ctx, orphansKind, now)
		}
		// Who fails rests for as long as it walked: it would fail again, and reading
		// everything is dear.
		wait = min(o.Now().Sub(now), o.Set.OrphansEvery)
		return err
	}, func() time.Duration { return o.Set.Every + wait })
	if err != nil && ctx.Err() == nil {
		o.again = o.Now().Add(wait)
	}
	return err
}

// due reports whether the last walk is long ago. One that lies as far ahead was noted
// by a clock that was wrong.
func (o *Orphans) due(ctx context.Context, now time.Time) (bool, error) {
	last, err := o.Books.RetiredAt(ctx, orphansKind)
	return err == nil && now.Sub(last).Abs() >= o.Set.OrphansEvery, err
}
