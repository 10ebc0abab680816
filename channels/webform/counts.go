package webform

import (
	"context"
	"errors"
	"maps"
	"sync"
)

// reason is why a submission was refused, in the words the counts and the log
// have for it. Whoever sent it is not told.
type reason string

// The reasons.
const (
	noToken      reason = "token missing"
	oldToken     reason = "token expired"
	forgedToken  reason = "token forged" // or of another form
	tooFast      reason = "too fast"
	baited       reason = "honeypot"
	noCaptcha    reason = "captcha"
	badOrigin    reason = "origin"
	tooLarge     reason = "too large"
	malformed    reason = "malformed" // or of a type no form has
	wrongFields  reason = "invalid fields"
	fullAddress  reason = "rate per IP"
	fullForm     reason = "rate per form"
	notAvailable reason = "unavailable" // ours, not theirs
)

// countTaken is the count of submissions the ledger has, each time they were sent.
const countTaken = "taken"

// counts are how often each thing happened. The names are ours alone, so there
// are few.
type counts struct {
	mu sync.Mutex
	n  map[string]int64
}

func (c *counts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	c.n[what]++
}

// Counts tells how many submissions were taken ("taken") and how many were
// refused for each reason ("refused: honeypot") since the source was opened. The
// map is the caller's. It is safe for concurrent use.
func (a *adapter) Counts() map[string]int64 {
	a.counts.mu.Lock()
	defer a.counts.mu.Unlock()
	return maps.Clone(a.counts.n)
}

// countRefusal counts and logs a refusal, without anything that was sent: a
// stranger can cause as many as he likes, so the log has it at its lowest level.
func (a *adapter) countRefusal(ctx context.Context, f *form, why reason) {
	a.counts.add("refused: " + string(why))
	a.Log.DebugContext(ctx, "webform: refused", "form", f.name, "why", string(why))
}

// reasonOf names the reason of an error that ended a submission.
func reasonOf(err error) reason {
	for _, x := range []struct {
		is  error
		why reason
	}{
		{errNoToken, noToken}, {errOldToken, oldToken}, {errToken, forgedToken}, {errFast, tooFast}, {errBait, baited},
		{errCaptcha, noCaptcha}, {errTooLarge, tooLarge}, {errMedia, malformed}, {errClient, malformed},
	} {
		if errors.Is(err, x.is) {
			return x.why
		}
	}
	return notAvailable
}
