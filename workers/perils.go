package workers

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"switchboard/pipeline/desk"
)

// What guards the way back from an answer that ends its worker, or never ends: a
// try that began and was not heard of again is counted in the books when the next
// begins. A dead worker had up to DeliverySettings.Concurrency answers in hand,
// and nobody knows which it died of. They are tried again together once; those in
// whose company another worker dies go one by one, so that only the one which is
// to blame is counted up to DeliverySettings.Attempts and fails.

// apart is after how many tries without an end an answer goes alone.
const apart = 2

// turn waits until a message may be tried in this process, or has it queued for
// later: desk.ErrBusy.
func (d *Delivery) turn(ctx context.Context, id desk.MessageID) (leave func(), err error) {
	begun, err := d.books.Begun(ctx, id)
	if err != nil || begun < apart {
		return func() {}, err
	}
	leave = func() { <-d.alone }
	select {
	case d.alone <- struct{}{}:
		return leave, nil
	default:
	}
	if d.dispatch != nil { // others need not wait behind it
		d.dispatch.messageLater(id, longAgo)
		return nil, desk.ErrBusy
	}
	select {
	case d.alone <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// isolate ends a message that nobody who took it told the end of.
func (a *attempt) isolate() error {
	reason := fmt.Sprintf("isolated: each of %d tries in a row ended the worker or was never heard of again; it may have gone out", a.d.set.Attempts)
	if a.out.Was != desk.SendSent {
		return a.giveUp(reason)
	}
	what := "edit"
	if !a.m.DeletedAt.IsZero() {
		what = "delete"
	}
	a.loud("what was sent could not be changed", reason)
	return a.followed(reason, what)
}

// longAgo is when a try that has not sent yet asks whether it still may: a paused
// process was taken for dead meanwhile, and another has its message. So may one whose
// machine slept, which only the clock on the wall tells.
const longAgo = time.Second

// still is desk.ErrTaken when somebody else has the message by now. It is asked before
// the sender begins, and by the sender before the message leaves.
func (a *attempt) still(ctx context.Context) error {
	books, wall := a.d.now().Round(0).Sub(a.taken.Round(0)), a.d.wall().Round(0).Sub(a.wall.Round(0))
	if max(books.Abs(), wall.Abs()) < longAgo {
		return nil
	}
	mine, err := a.d.books.Holds(ctx, a.m.ID, a.out.Tries)
	if err == nil && !mine {
		a.d.log.Warn("this process was taken for dead; it leaves an answer to others", "ticket", a.m.TicketID, "message", a.m.ID, "tries", a.out.Tries)
		return desk.ErrTaken
	}
	return err
}

// mayStillGo reports until when whoever took a message and was not heard of again
// may still be sending it: a process that only slept is taken for dead like any
// other. Where the other side can be asked, that is soon found out; where not, its
// time is waited for.
func (a *attempt) mayStillGo(s Sender) (until time.Time, wait bool) {
	if _, ok := s.(Prober); ok || a.out.CutOff.IsZero() {
		return time.Time{}, false
	}
	until = a.out.CutOff.Add(a.d.set.Patience)
	return until, until.After(a.d.now())
}

func (a *attempt) putBack(until time.Time) error {
	a.d.log.Info("an answer may still be on its way, and its channel cannot be asked", "ticket", a.m.TicketID, "message", a.m.ID, "source", a.out.Source, "again", until)
	err := a.books(func(ctx context.Context) error { return a.d.books.PutBack(ctx, a.m.ID, a.out.Tries, until) })
	if err == nil && a.d.dispatch != nil {
		a.d.dispatch.messageLater(a.m.ID, until.Sub(a.d.now()))
	}
	return err
}

// abandoned takes up what a dead holder was sending.
func (d *Delivery) abandoned(ctx context.Context, holder string) error {
	ids, err := d.books.Abandoned(ctx, holder)
	if err != nil || len(ids) == 0 {
		return err
	}
	d.log.Warn("a worker died with answers in its hands; they are probed or sent again", "count", len(ids))
	if d.dispatch != nil {
		d.dispatch.Deliver(ids...)
	}
	return nil // without a queue the sweep has them next
}

// inTime calls f and leaves it behind when ctx is done and it does not come back:
// a sender that heeds no context must not keep its worker. late, unless nil, hears
// what it brings afterwards.
func inTime[T any](ctx context.Context, limit time.Duration, late func(T, error), f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done, left := make(chan outcome), make(chan struct{})
	go func() {
		var o outcome
		func() {
			defer guard(&o.err)
			o.value, o.err = f()
		}()
		select {
		case done <- o:
		case <-left:
			if late != nil {
				late(o.value, o.err)
			}
		}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(limit / 20) // who heeds it comes back now
	defer grace.Stop()
	select {
	case o := <-done:
		return o.value, o.err
	case <-grace.C:
		close(left)
		var none T
		return none, fmt.Errorf("did not come back within %s: %w", limit, desk.ErrCutOff)
	}
}

func guard(err *error) {
	if x := recover(); x != nil {
		*err = fmt.Errorf("panic: %v: %w\n%s", x, desk.ErrCutOff, debug.Stack())
	}
}
