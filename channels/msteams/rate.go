package msteams

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// addressesKept bounds the limiters of one bot.
const addressesKept = 10000

// rates limits the requests of each address: a token bucket an address, in this
// process. It is safe for concurrent use and bounded.
type rates struct {
	perSecond float64
	burst     int
	mu        sync.Mutex
	by        map[string]*rate.Limiter
}

func newRates(perSecond float64, burst int) *rates {
	return &rates{perSecond: perSecond, burst: burst, by: map[string]*rate.Limiter{}}
}

// take spends one request of the peer; false means it sends too many.
func (r *rates) take(req *http.Request, now time.Time) bool {
	if r.perSecond == 0 {
		return true
	}
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		host = req.RemoteAddr
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.by[host]
	if !ok {
		if len(r.by) >= addressesKept {
			for k, old := range r.by { // a full bucket remembers nothing worth keeping
				if old.TokensAt(now) >= float64(r.burst) {
					delete(r.by, k)
				}
			}
		}
		if len(r.by) >= addressesKept {
			clear(r.by)
		}
		l = rate.NewLimiter(rate.Limit(r.perSecond), r.burst)
		r.by[host] = l
	}
	return l.AllowN(now, 1)
}
