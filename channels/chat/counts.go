package chat

import (
	"errors"
	"maps"
	"sync"
)

// The names [Counter] counts by. They are all there are: a stranger cannot add
// to them.
const (
	countTaken    = "taken"    // messages in the ledger
	countRepeated = "repeated" // messages that stood twice in one request
	countIgnored  = "ignored"  // messages the mapping leaves alone, and requests with none where it looks
	countLater    = "later"    // requests asked to come again

	refusedTooLarge     = "refused too large"
	refusedCutOff       = "refused cut off"
	refusedUnsigned     = "refused no signature"
	refusedSigned       = "refused bad signature"
	refusedOld          = "refused old signature"
	refusedDeep         = "refused too deep"
	refusedMany         = "refused too many messages"
	refusedMalformed    = "refused malformed"
	refusedMapping      = "refused mapping failed"
	refusedSubscription = "refused subscription" // the GET by which a service asks whose this address is
)

// Counter tells how often each thing happened since the source was opened. An
// opened source is one. The ledger recognises what was sent again in another
// request, and does not say so here: that counts as taken.
type Counter interface {
	Counts() map[string]int64
}

var _ Counter = (*adapter)(nil)

// Counts is part of [Counter].
func (a *adapter) Counts() map[string]int64 { return a.counts.all() }

// counts counts by name.
type counts struct {
	mu sync.Mutex
	n  map[string]int64
}

func (c *counts) add(name string, n int) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	c.n[name] += int64(n)
}

func (c *counts) all() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		return map[string]int64{}
	}
	return maps.Clone(c.n)
}

// whyUnsigned names a signature's error.
func whyUnsigned(err error) string {
	switch {
	case errors.Is(err, errOld):
		return refusedOld
	case errors.Is(err, errUnsigned):
		return refusedUnsigned
	}
	return refusedSigned
}

// whyUnreadable names the error of a request that was signed well.
func whyUnreadable(err error) string {
	var m *malformed
	switch {
	case !errors.As(err, &m):
		return refusedMapping
	case m.count != "":
		return m.count
	}
	return refusedMalformed
}
