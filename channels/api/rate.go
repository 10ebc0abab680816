package api

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"switchboard/pipeline/desk"
)

// rates limits the requests of each key: a token bucket a key, in this
// process. It is safe for concurrent use and bounded.
type rates struct {
	limit rate.Limit
	burst int
	now   func() time.Time
	mu    sync.Mutex
	by    map[desk.KeyID]*rate.Limiter
}

func newRates(perSecond float64, burst int, now func() time.Time) *rates {
	return &rates{limit: rate.Limit(perSecond), burst: burst, now: now, by: map[desk.KeyID]*rate.Limiter{}}
}

// take spends one request of the key. When there is none left it says after how
// many whole seconds there will be.
func (r *rates) take(id desk.KeyID) (left int, retry int, ok bool) {
	if r.limit < 0 {
		return 0, 0, true
	}
	now := r.now()
	l := r.of(id, now)
	if l.AllowN(now, 1) {
		return int(max(l.TokensAt(now), 0)), 0, true
	}
	res := l.ReserveN(now, 1)
	wait := res.DelayFrom(now)
	res.CancelAt(now)
	return 0, max(int(math.Ceil(min(wait.Seconds(), 3600))), 1), false
}

func (r *rates) of(id desk.KeyID, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.by[id]
	if !ok {
		if len(r.by) >= keysKept {
			for k, old := range r.by { // a full bucket remembers nothing worth keeping
				if old.TokensAt(now) >= float64(r.burst) {
					delete(r.by, k)
				}
			}
		}
		if len(r.by) >= keysKept {
			clear(r.by)
		}
		l = rate.NewLimiter(r.limit, r.burst)
		r.by[id] = l
	}
	return l
}
