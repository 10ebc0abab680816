package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request.
const (
	headerSignature = "X-Slack-Signature"
	headerTimestamp = "X-Slack-Request-Timestamp"
)

// Why a request is refused. The words go to our log, never to the sender.
var (
	errNoSecret  = errors.New("no signing secret is configured")
	errUnsigned  = errors.New("the request is not signed")
	errExpired   = errors.New("the signature is outside the window: a replay, or a clock is wrong")
	errSignature = errors.New("the signature is wrong")
)

// verify checks the signature of a request over its raw bytes, in constant
// time: "v0=" and the hex HMAC-SHA256 of "v0:", the timestamp, ":" and the body
// ("Verifying requests from Slack"). It is what slack-go's NewSecretsVerifier
// does, with the clock and the window given from outside; a test holds the two
// together.
func verify(secret string, window time.Duration, now time.Time, h http.Header, body []byte) error {
	stamp, signature := h.Get(headerTimestamp), h.Get(headerSignature)
	switch {
	case secret == "":
		return errNoSecret
	case stamp == "" || signature == "":
		return errUnsigned
	}
	sent, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errUnsigned
	}
	if now.Sub(time.Unix(sent, 0)).Abs() > window {
		return errExpired
	}
	given, ok := strings.CutPrefix(signature, "v0=")
	if !ok {
		return errSignature
	}
	want, err := hex.DecodeString(given)
	if err != nil {
		return errSignature
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), want) {
		return errSignature
	}
	return nil
}
