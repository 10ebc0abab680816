package slack

import (
	"errors"
	"net/http"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"
	"pgregory.net/rapid"

	"switchboard/channels/slack/fakeslack"
)

// TestVerifyAgreesWithSlackGo: with the clock of this machine our check says
// what the library's says, whatever is changed.
func TestVerifyAgreesWithSlackGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SampledFrom([]string{"s3cret", "", "x"}).Draw(t, "secret")
		body := []byte(rapid.String().Draw(t, "body"))
		age := time.Duration(rapid.SampledFrom([]int{-400, -200, 0, 200, 400}).Draw(t, "age")) * time.Second
		ts, sig := fakeslack.Sign("s3cret", time.Now().Add(-age), body)
		h := http.Header{}
		if rapid.Bool().Draw(t, "stamped") {
			h.Set(headerTimestamp, ts)
		}
		switch rapid.IntRange(0, 4).Draw(t, "sign") {
		case 0:
			h.Set(headerSignature, sig)
		case 1:
			h.Set(headerSignature, sig[3:])
		case 2:
			h.Set(headerSignature, "v0="+rapid.StringMatching(`[0-9a-fA-FxZ]{0,70}`).Draw(t, "sig"))
		case 3:
			h.Set(headerSignature, sig+"00")
		}
		ours := verify(secret, 5*time.Minute, time.Now(), h, body)
		v, theirs := slackgo.NewSecretsVerifier(h, secret)
		if theirs == nil {
			_, _ = v.Write(body)
			theirs = v.Ensure()
		}
		if (ours == nil) != (theirs == nil) {
			t.Fatalf("ours %v, theirs %v", ours, theirs)
		}
	})
}

func TestVerifyReasons(t *testing.T) {
	now := time.Unix(1700000000, 0)
	body := []byte("x")
	ts, sig := fakeslack.Sign("s3cret", now, body)
	good := http.Header{headerTimestamp: {ts}, headerSignature: {sig}}
	for name, c := range map[string]struct {
		secret string
		now    time.Time
		h      http.Header
		body   string
		want   error
	}{
		"good":       {"s3cret", now, good, "x", nil},
		"edge":       {"s3cret", now.Add(5 * time.Minute), good, "x", nil},
		"old":        {"s3cret", now.Add(5*time.Minute + time.Second), good, "x", errExpired},
		"future":     {"s3cret", now.Add(-5*time.Minute - time.Second), good, "x", errExpired},
		"no secret":  {"", now, good, "x", errNoSecret},
		"other body": {"s3cret", now, good, "y", errSignature},
		"unsigned":   {"s3cret", now, http.Header{}, "x", errUnsigned},
		"huge time":  {"s3cret", now, http.Header{headerTimestamp: {"9223372036854775807"}, headerSignature: {sig}}, "x", errExpired},
		"low time":   {"s3cret", now, http.Header{headerTimestamp: {"-9223372036854775808"}, headerSignature: {sig}}, "x", errExpired},
	} {
		if err := verify(c.secret, 5*time.Minute, c.now, c.h, []byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
