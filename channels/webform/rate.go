package webform

import (
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rates limits what is sent to one form: a token bucket an address and one for
// the form. It is safe for concurrent use and bounded.
type rates struct {
	limit bucketSettings
	form  *rate.Limiter
	now   func() time.Time
	mu    sync.Mutex
	by    map[netip.Addr]*rate.Limiter
}

// addressesKept bounds the buckets of one form.
const addressesKept = 10_000

func newRates(perIP, perForm bucketSettings, now func() time.Time) *rates {
	return &rates{limit: perIP, form: rate.NewLimiter(rate.Limit(perForm.Rate), perForm.Burst), now: now, by: map[netip.Addr]*rate.Limiter{}}
}

// address spends one submission of an address, and says after how many whole
// seconds there will be one when there is none.
func (r *rates) address(a netip.Addr) (retry int, ok bool) {
	now := r.now()
	return spend(r.of(a, now), now)
}

// whole spends one submission of the form. It is asked after the token was found
// good, so that nobody can use it up with rubbish.
func (r *rates) whole() (retry int, ok bool) { return spend(r.form, r.now()) }

func spend(l *rate.Limiter, now time.Time) (retry int, ok bool) {
	if l.AllowN(now, 1) {
		return 0, true
	}
	res := l.ReserveN(now, 1)
	wait := res.DelayFrom(now)
	res.CancelAt(now)
	return max(int(math.Ceil(min(wait.Seconds(), 3600))), 1), false
}

func (r *rates) of(a netip.Addr, now time.Time) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.by[a]
	if !ok {
		if len(r.by) >= addressesKept {
			for k, old := range r.by { // a full bucket remembers nothing worth keeping
				if old.TokensAt(now) >= float64(r.limit.Burst) {
					delete(r.by, k)
				}
			}
		}
		if len(r.by) >= addressesKept {
			clear(r.by)
		}
		l = rate.NewLimiter(rate.Limit(r.limit.Rate), r.limit.Burst)
		r.by[a] = l
	}
	return l
}

// clientAddr is who sends: the connection's address, or, when that is a proxy
// of ours, the nearest address in X-Forwarded-For that is not. The network of an
// IPv6 address (its first 64 bits) stands for all its hosts.
func (s *site) clientAddr(r *http.Request) netip.Addr {
	conn, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a := conn.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(a); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		a = next.Unmap()
	}
	a = a.WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		a = p.Addr()
	}
	return a
}

func (s *site) trusts(a netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
