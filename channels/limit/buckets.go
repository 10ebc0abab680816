// Package limit keeps strangers from sending too much: token buckets by a key,
// and the address that a request is counted for.
package limit

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how much one key may send: PerSecond in the long run, Burst at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Full says what becomes of a new key when as many buckets are kept as may be
// and none of them is full again.
type Full int

const (
	// Forget drops all buckets: strangers may then send their burst once more.
	Forget Full = iota
	// Refuse lets nobody new in until a bucket is full again: what each key
	// spent stays known, for guards of passwords.
	Refuse
)

// lookEvery is how often a full table is searched for buckets to drop: each
// search goes through all of them, and strangers choose how often a new key comes.
const lookEvery = time.Second

// Buckets are token buckets by a key, at most so many, in this process. They are
// safe for concurrent use. Make them with [New].
type Buckets[K comparable] struct {
	rate Rate
	most int
	full Full

	mu     sync.Mutex
	by     map[K]*rate.Limiter
	looked time.Time
}

// New makes a table of at most most buckets.
func New[K comparable](r Rate, most int, full Full) *Buckets[K] {
	return &Buckets[K]{rate: r, most: most, full: full, by: map[K]*rate.Limiter{}}
}

// Take spends a token of a key and says how many are left. When there is none
// ok is false, and wait is the time until there is one, at most an hour.
func (b *Buckets[K]) Take(key K, now time.Time) (left int, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, known := b.by[key]
	if !known {
		if !b.room(now) {
			return 0, lookEvery, false
		}
		l = NewBucket(b.rate)
		b.by[key] = l
	}
	if wait, ok = Take(l, now); !ok {
		return 0, wait, false
	}
	return int(max(l.TokensAt(now), 0)), 0, true
}

// room makes sure that another bucket can be kept.
func (b *Buckets[K]) room(now time.Time) bool {
	if len(b.by) < b.most {
		return true
	}
	if since := now.Sub(b.looked); since < 0 || since >= lookEvery {
		b.looked = now
		for k, old := range b.by { // a full bucket remembers nothing worth keeping
			if old.TokensAt(now) >= float64(b.rate.Burst) {
				delete(b.by, k)
			}
		}
	}
	if len(b.by) >= b.most && b.full == Forget {
		clear(b.by)
	}
	return len(b.by) < b.most
}

// NewBucket makes a single bucket.
func NewBucket(r Rate) *rate.Limiter { return rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst) }

// Take spends a token of one bucket; see [Buckets.Take].
func Take(l *rate.Limiter, now time.Time) (wait time.Duration, ok bool) {
	if l.AllowN(now, 1) {
		return 0, true
	}
	res := l.ReserveN(now, 1)
	wait = res.DelayFrom(now)
	res.CancelAt(now)
	return min(wait, time.Hour), false
}

// RetryAfter is a wait as the header Retry-After has it (RFC 9110, section
// 10.2.3): whole seconds, at least one.
func RetryAfter(wait time.Duration) int { return max(int(math.Ceil(wait.Seconds())), 1) }
