package webform

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"switchboard/channels/limit"
)

// rates limits what is sent to one form: a token bucket an address and one for
// the form. It is safe for concurrent use and bounded.
type rates struct {
	form *rate.Limiter
	by   *limit.Buckets[netip.Addr]
	now  func() time.Time
}

// addressesKept bounds the buckets of one form.
const addressesKept = 10_000

func newRates(perIP, perForm bucketSettings, now func() time.Time) *rates {
	return &rates{form: limit.NewBucket(perForm.rate()), by: limit.New[netip.Addr](perIP.rate(), addressesKept, limit.Forget), now: now}
}

func (s bucketSettings) rate() limit.Rate { return limit.Rate{PerSecond: s.Rate, Burst: s.Burst} }

// address spends one submission of an address, and says after how many whole
// seconds there will be one when there is none.
func (r *rates) address(a netip.Addr) (retry int, ok bool) {
	_, wait, ok := r.by.Take(a, r.now())
	return limit.RetryAfter(wait), ok
}

// whole spends one submission of the form. It is asked after the token was found
// good, so that nobody can use it up with rubbish.
func (r *rates) whole() (retry int, ok bool) {
	wait, ok := limit.Take(r.form, r.now())
	return limit.RetryAfter(wait), ok
}
