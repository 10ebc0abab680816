package slack

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"switchboard/channels"
)

// pace keeps us to one message a second in each channel ("Rate limits",
// chat.postMessage), so that Slack rarely has to. Other processes post too; what
// they add Slack answers with 429. Safe for concurrent use.
type pace struct {
	now func() time.Time
	mu  sync.Mutex
	at  map[string]*rate.Limiter
}

const (
	paceEvery = time.Second
	// paceWait is how long a reply waits here; one that would wait longer goes
	// back to the queue.
	paceWait = 5 * time.Second
	paceMost = 10000
)

func newPace(now func() time.Time) *pace { return &pace{now: now, at: map[string]*rate.Limiter{}} }

var errPaced = errors.New("slack: many replies are on their way to this channel")

// turn waits for the next turn in a channel. Its error is a *channels.Later, or
// that of ctx.
func (p *pace) turn(ctx context.Context, channel string) error {
	p.mu.Lock()
	l := p.at[channel]
	if l == nil {
		if len(p.at) >= paceMost {
			clear(p.at)
		}
		l = rate.NewLimiter(rate.Every(paceEvery), 1)
		p.at[channel] = l
	}
	p.mu.Unlock()
	now := p.now()
	r := l.ReserveN(now, 1)
	d := r.DelayFrom(now)
	if d > paceWait {
		r.CancelAt(now)
		return &channels.Later{After: d, Err: errPaced}
	}
	if channels.Sleep(ctx, d) != nil {
		r.CancelAt(p.now())
		return ctx.Err()
	}
	return nil
}
