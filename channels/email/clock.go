package email

import (
	"context"
	"time"
)

// clock bounds the time that one mail takes to be read. While it is paused, for
// what storage takes, no time passes. It belongs to one goroutine.
type clock struct {
	timer  *time.Timer
	left   time.Duration
	since  time.Time // it runs since then
	over   chan struct{}
	cancel context.CancelFunc
}

// startClock starts a clock; the context ends when its time is over.
func startClock(ctx context.Context, limit time.Duration) (context.Context, *clock) {
	ctx, cancel := context.WithCancel(ctx)
	c := &clock{left: limit, since: time.Now(), over: make(chan struct{}), cancel: cancel}
	c.timer = time.AfterFunc(limit, func() { close(c.over); cancel() })
	return ctx, c
}

// pause stops the clock until the returned function is called.
func (c *clock) pause() (resume func()) {
	if !c.timer.Stop() {
		return func() {}
	}
	c.left -= time.Since(c.since)
	return func() {
		c.since = time.Now()
		c.timer.Reset(c.left)
	}
}

// stop ends the clock, and reports whether its time was over.
func (c *clock) stop() bool {
	c.timer.Stop()
	defer c.cancel()
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}
