package email

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// errStalled is the end of an exchange whose answer did not come in time.
var errStalled = errors.New("no answer in time, connection dropped")

// guard runs one exchange with the server under a deadline. The client library
// knows neither deadlines nor contexts: a command on a half-open connection
// waits for ever, and closing the client waits for whoever has not read a FETCH
// to its end. So the guard closes the socket itself, which fails every read and
// write of the exchange at once, and what must always follow: exchange reads on
// until it has seen that failure, and only then returns.
//
// exchange calls touch whenever something arrived, to begin the time anew.
func (s *session) guard(ctx context.Context, limit time.Duration, what string, exchange func(touch func()) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() {
		late.Store(true)
		s.cut()
	})
	stop := context.AfterFunc(ctx, s.cut)
	err := exchange(func() { timer.Reset(limit) })
	timer.Stop()
	stop()
	switch {
	case late.Load():
		return fmt.Errorf("%s: after %s: %w", what, limit, errStalled)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// cut closes the socket under the connection. It never waits (a TLS close would
// first write to a peer that may have stalled) and may be called by anybody, at
// any time, again.
func (s *session) cut() {
	s.once.Do(func() { close(s.dead) })
	s.socket.Close()
}

// close ends the session and waits until the library's reader is gone.
func (s *session) close() {
	s.cut()
	if s.client == nil {
		return
	}
	s.client.Close()
}
