package email

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// wake says why a rest ended.
type wake int

const (
	wakePoll wake = iota // time to open the folder anew and search
	wakeNews             // there is, or may be, new mail: search
	wakeMove             // mail was filed and can be moved
)

var errClosed = errors.New("the server closed the connection")

// rest waits for the next thing to do: in IDLE where the server can, else
// silently. It ends after the poll interval, or earlier where the connection
// must be used to stay alive; IDLE is never left to the library's own 28
// minutes, as half-open connections go unnoticed in it.
func (f *folder) rest(ctx context.Context, s *session) (wake, error) {
	length := min(f.a.settings.Poll, f.a.pace.idle())
	if !s.idles {
		return f.wait(ctx, s, length, wakePoll)
	}
	end := wakePoll
	if first := f.a.pace.idleFirst; f.busy && first < length {
		length, end = first, wakeNews
	}
	limit := f.a.settings.Timeouts.Command
	var idle *imapclient.IdleCommand
	err := s.guard(ctx, limit, "idle", func(func()) (err error) {
		idle, err = s.client.Idle()
		return err
	})
	var refused *imap.Error
	if errors.As(err, &refused) {
		s.idles = false
		if !f.idleSaid {
			f.idleSaid = true
			f.log.Warn("email: the server refuses IDLE; polling", "error", err)
		}
		return f.wait(ctx, s, length, wakePoll)
	}
	if err != nil {
		return 0, err
	}
	why, err := f.wait(ctx, s, length, end)
	if err != nil {
		return 0, err // the session is over, and IDLE with it
	}
	err = s.guard(ctx, limit, "end of idle", func(func()) error {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	})
	return why, err
}

// wait sends nothing. It ends with the wake of that name after length. It also
// looks, more and more rarely, whether mail was filed that is to be moved.
func (f *folder) wait(ctx context.Context, s *session, length time.Duration, name wake) (wake, error) {
	end := time.NewTimer(length)
	defer end.Stop()
	var look <-chan time.Time
	for {
		if len(f.pending) > 0 {
			look = time.After(f.moveWait)
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-s.client.Closed():
			return 0, fmt.Errorf("wait: %w", errClosed)
		case <-s.news:
			return wakeNews, nil
		case <-end.C:
			return name, nil
		case <-look:
			f.moveWait = min(2*f.moveWait, f.a.pace.moveMax)
			ready, err := f.ready(ctx)
			switch {
			case ctx.Err() != nil:
				return 0, context.Cause(ctx)
			case err != nil:
				f.log.Warn("email: cannot ask what was filed", "error", err)
			case len(ready) > 0:
				return wakeMove, nil
			}
		}
	}
}
