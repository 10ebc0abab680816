package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// bookTime is the time of the books: what the database's clock says, carried on
// by this machine's monotonic clock. The processes of a fleet compare their
// times - who holds a mailbox and until when, since when a message waits, how
// long somebody has been sending an answer - and a machine whose own clock is
// minutes wrong, or is set while we run, must not disturb that. now may be called
// by many goroutines.
type bookTime struct {
	ask  func(context.Context) (time.Time, error) // the database's clock
	wall func() time.Time                         // this machine's
	log  *slog.Logger
	mark atomic.Pointer[timeMark]
	said atomic.Bool // that this machine's clock is wrong
}

// timeMark is an instant on both clocks.
type timeMark struct {
	books time.Time // without a monotonic reading
	here  time.Time // with one
}

const (
	bookTimeEvery = 5 * time.Second        // the monotonic clock stands still while a machine sleeps
	bookTimeSlow  = time.Second            // an answer that took longer says too little
	bookTimeLeast = 250 * time.Millisecond // smaller differences are the network's
	wrongClock    = 2 * time.Second        // worth a word in the log
)

// now is the time of the books, or this machine's as long as nobody could ask.
func (b *bookTime) now() time.Time {
	m := b.mark.Load()
	if m == nil {
		return b.wall()
	}
	return m.books.Add(time.Since(m.here))
}

// set asks the database what time it is. What differs by less than the way there
// and back explains changes nothing, so that time does not jitter.
func (b *bookTime) set(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, bookTimeSlow)
	defer cancel()
	before := time.Now()
	at, err := b.ask(ctx)
	took := time.Since(before)
	if err != nil || took > bookTimeSlow {
		return
	}
	m := &timeMark{books: at.Round(0), here: before.Add(took / 2)}
	if b.mark.Load() == nil || b.now().Sub(m.books.Add(time.Since(m.here))).Abs() > took+bookTimeLeast {
		b.mark.Store(m)
	}
	off := b.wall().Sub(b.now())
	if wrong := off.Abs() > wrongClock; wrong != b.said.Swap(wrong) {
		if wrong {
			b.log.Warn("this machine's clock and the database's differ; the database's counts", "ahead", off.Round(time.Millisecond))
		} else {
			b.log.Info("this machine's clock agrees with the database's again")
		}
	}
}

// run keeps asking until ctx is done.
func (b *bookTime) run(ctx context.Context) {
	tick := time.NewTicker(bookTimeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.set(ctx)
		}
	}
}

// keepTime makes the database's clock the house's own. A database in a file has
// none.
func (h *house) keepTime(ctx context.Context) {
	if !h.store.HasClock() {
		return
	}
	b := &bookTime{ask: h.store.Clock, wall: h.now, log: h.log}
	b.set(ctx)
	h.now = b.now
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run(ctx)
	}()
	h.untime = func() { cancel(); <-done }
}
