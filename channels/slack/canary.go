package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var _ channels.Canary = (*adapter)(nil)

// Canary is part of [channels.Canary]: a message event like Slack's own, signed
// with the app's signing secret, posted to the events door. It goes the way of
// every event up to where it is decided what it asks for; there it becomes a
// draft, whatever channels the source listens to.
func (a *adapter) Canary(ctx context.Context, base, text string) error {
	body, err := json.Marshal(map[string]any{
		"type": "event_callback", "event_id": "Ev" + desk.Cut(text, 60), "event_time": a.Now().Unix(),
		"event": map[string]any{"type": "message", "text": text, "ts": fmt.Sprintf("%d.%06d", a.Now().Unix(), a.Now().Nanosecond()/1000)},
	})
	if err != nil {
		return err
	}
	h := http.Header{"Content-Type": {"application/json"}}
	sign(h, a.settings.SigningSecret, strconv.FormatInt(a.Now().Unix(), 10), body)
	if err := channels.CallCanary(ctx, base+"/hooks/slack/"+a.Source.Name+"/events", h, body); err != nil {
		return fmt.Errorf("slack: canary: %w", err)
	}
	return nil
}

// sign makes the headers that verify checks.
func sign(h http.Header, secret, stamp string, body []byte) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	h.Set(headerTimestamp, stamp)
	h.Set(headerSignature, "v0="+hex.EncodeToString(mac.Sum(nil)))
}

// canary is the draft of an event that is a canary of this house.
func (a *adapter) canary(e *envelope) (*desk.Draft, bool) {
	if e.Event.Type != "message" || len(e.Event.Files) > 0 {
		return nil, false
	}
	if _, ok := desk.ReadCanary(a.Config.Secret, a.Source.Name, string(e.Event.Text)); !ok {
		return nil, false
	}
	return desk.CanaryDraft(a.Source, string(e.Event.Text), a.Now()), true
}
