package workers

import (
	"context"
	"time"
)

// Pace says how much of a connection's time background work may take: it rests
// after each batch in proportion to how long that took, so that it is quick while
// the database is and makes room while it is not.
type Pace struct {
	Share float64       // of the time at most, above 0 and up to 1
	Least time.Duration // the shortest rest
}

// after is how long to rest after a batch that took so long.
func (p Pace) after(took time.Duration) time.Duration {
	rest := p.Least
	if p.Share > 0 && p.Share < 1 {
		rest = max(rest, time.Duration(float64(took)*(1/p.Share-1)))
	}
	return rest
}

// Rest rests after a batch that took so long. It returns an error when it is time
// to stop.
func (p Pace) Rest(ctx context.Context, took time.Duration) error {
	if rest := p.after(took); rest > 0 && ctx.Err() == nil {
		wait(ctx, rest)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
