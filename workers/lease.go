package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// LeaseBooks is where leases are kept.
type LeaseBooks interface {
	Acquire(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (token int64, ok bool, err error)
	Release(ctx context.Context, name, holder string) error
}

// How long a lease is valid, and how often it is renewed: two renewals may fail.
const (
	leaseFor   = time.Minute
	leaseRenew = 15 * time.Second
)

// lease is the right to do something that one process of the fleet does at a
// time.
type lease struct {
	books  LeaseBooks
	name   string
	holder string
	now    func() time.Time
	ticks  func(time.Duration) (<-chan time.Time, func()) // nil: those of a clock
}

// held reports, by an error, that the lease is not ours any more: it is asked
// before anything is taken away. What runs when the lease is found lost is stopped
// by its context.
type held func() error

// do does the work while the lease is ours, and renews it meanwhile; it reports
// false when another process has it. When the work ends, well or not, others are
// kept from it for as long again as keep says, unless we are told to stop: then
// another may go on at once.
func (l *lease) do(ctx context.Context, work func(context.Context, held) error, keep func() time.Duration) (mine bool, err error) {
	asked := l.now()
	token, ok, err := l.books.Acquire(ctx, l.name, l.holder, asked, leaseFor)
	if err != nil || !ok {
		return false, err
	}
	var until atomic.Int64
	until.Store(asked.Add(leaseFor).UnixNano())
	working, lose := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { l.renew(working, token, &until, lose) })
	err = work(working, func() error {
		if working.Err() != nil {
			return context.Cause(working)
		}
		if l.now().UnixNano() >= until.Load() { // we slept, or the books do not answer
			return l.lost(nil)
		}
		return nil
	})
	if cause := context.Cause(working); errors.Is(cause, desk.ErrLeaseLost) {
		err = cause // and not that a statement was cut off
	}
	lose(nil)
	renewing.Wait()
	if errors.Is(err, desk.ErrLeaseLost) {
		return true, err
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
	defer cancel()
	if ctx.Err() != nil {
		return true, errors.Join(err, l.books.Release(end, l.name, l.holder))
	}
	_, _, last := l.books.Acquire(end, l.name, l.holder, l.now(), keep())
	return true, errors.Join(err, last)
}

// renew keeps the lease until ctx is done, and says when it is lost: somebody else
// has it, or had it, or it could not be renewed for so long that somebody may.
func (l *lease) renew(ctx context.Context, token int64, until *atomic.Int64, lose context.CancelCauseFunc) {
	ticks := l.ticks
	if ticks == nil {
		ticks = func(d time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(d)
			return t.C, t.Stop
		}
	}
	tick, stop := ticks(leaseRenew)
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		asked := l.now()
		call, cancel := context.WithTimeout(ctx, leaseRenew)
		now, ok, err := l.books.Acquire(call, l.name, l.holder, asked, leaseFor)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && ok && now == token:
			until.Store(asked.Add(leaseFor).UnixNano())
		case err == nil:
			lose(l.lost(nil))
			return
		case l.now().UnixNano() >= until.Load():
			lose(l.lost(err))
			return
		}
	}
}

func (l *lease) lost(err error) error {
	if err != nil {
		return fmt.Errorf("workers: %s: %w: %w", l.name, desk.ErrLeaseLost, err)
	}
	return fmt.Errorf("workers: %s: %w", l.name, desk.ErrLeaseLost)
}
