package email

import (
	"context"
	"math/rand/v2"
	"time"

	"switchboard/channels"
)

// pace holds every duration that no deployment needs to move; tests do.
type pace struct {
	leaseTTL   time.Duration // a process that died is succeeded after this
	leaseRenew time.Duration
	leaseWait  time.Duration // between looks at somebody else's lease

	retryMin   time.Duration // after a failure, doubled each time
	retryMax   time.Duration
	retryStore time.Duration // most, when our own store or blobs failed
	retryAuth  time.Duration // least, when the server refused the password

	roomMax time.Duration // a batch waits no longer for room in the ledger; below the least retention.orphans, an hour

	idleMin time.Duration // IDLE is issued anew after a while between these
	idleMax time.Duration
	// idleFirst is how long the first IDLE lasts after there was something to
	// read. Some servers forget to tell of mail that came while IDLE began; the
	// search after this short one finds it.
	idleFirst time.Duration

	moveMin time.Duration // between looks at whether mail was filed
	moveMax time.Duration

	// sleep waits, or returns early when ctx is done: whoever waited looks at ctx.
	sleep func(ctx context.Context, d time.Duration)
}

func defaultPace() pace {
	return pace{
		leaseTTL: 9 * time.Second, leaseRenew: 3 * time.Second, leaseWait: 2 * time.Second,
		retryMin: time.Second, retryMax: 5 * time.Minute, retryStore: 15 * time.Second, retryAuth: 15 * time.Second,
		roomMax: 10 * time.Minute,
		idleMin: 5 * time.Minute, idleMax: 9 * time.Minute, idleFirst: 10 * time.Second,
		moveMin: time.Second, moveMax: time.Minute,
		sleep: func(ctx context.Context, d time.Duration) { _ = channels.Sleep(ctx, d) },
	}
}

// idle is how long one IDLE lasts; the spread keeps many folders from being
// renewed at the same moment.
func (p pace) idle() time.Duration {
	if p.idleMax <= p.idleMin {
		return p.idleMin
	}
	return p.idleMin + rand.N(p.idleMax-p.idleMin)
}

// backoff counts failures in a row.
type backoff struct {
	pace  pace
	fails int
}

// next is the wait after one more failure: doubled each time, with up to a
// quarter of jitter taken off, within least and most.
func (b *backoff) next(least, most time.Duration) time.Duration {
	d := b.pace.retryMin << min(b.fails, 20)
	b.fails++
	d = min(max(d, least), most)
	if d <= 0 {
		return 0
	}
	return d - rand.N(d/4+1)
}

func (b *backoff) reset() { b.fails = 0 }
