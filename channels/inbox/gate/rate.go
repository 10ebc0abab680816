package gate

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// bucketsKept bounds the buckets of one kind.
const bucketsKept = 10_000

// buckets are token buckets by a key. They are safe for concurrent use and
// bounded.
type buckets struct {
	limit Rate
	now   func() time.Time
	mu    sync.Mutex
	by    map[string]*rate.Limiter
}

func newBuckets(limit Rate, now func() time.Time) *buckets {
	return &buckets{limit: limit, now: now, by: map[string]*rate.Limiter{}}
}

// spend takes a token of a key, or says how long until there is one.
func (b *buckets) spend(key string) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	l, known := b.by[key]
	if !known {
		if len(b.by) >= bucketsKept {
			for k, old := range b.by { // a full bucket remembers nothing worth keeping
				if old.TokensAt(now) >= float64(b.limit.Burst) {
					delete(b.by, k)
				}
			}
		}
		if len(b.by) >= bucketsKept {
			// Strangers fill the table: nobody new comes in until it empties,
			// which is better than forgetting who guessed how often.
			return time.Second, false
		}
		l = rate.NewLimiter(rate.Limit(b.limit.PerSecond), b.limit.Burst)
		b.by[key] = l
	}
	if l.AllowN(now, 1) {
		return 0, true
	}
	res := l.ReserveN(now, 1)
	wait = res.DelayFrom(now)
	res.CancelAt(now)
	return min(wait, time.Hour), false
}

// clientAddr is who asks: the connection's address, or, when that is a proxy of
// ours, the nearest address in X-Forwarded-For that is not. The network of an
// IPv6 address (its first 64 bits) stands for all its hosts.
func clientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	conn, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a := conn.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(a, proxies); i-- {
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

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
