package chat

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var _ channels.Canary = (*adapter)(nil)

// Canary is part of [channels.Canary]: a post to the source's door, signed by the
// source's own scheme, with the canary in a header. The door verifies it like
// any other and takes the canary before the mapping, which cannot be filled in
// backwards. What Discord and SendGrid sign with only they have: there the
// canary is handed over behind the signature.
func (a *adapter) Canary(ctx context.Context, base, text string) error {
	c := canaryCall{header: http.Header{"Content-Type": {"application/json"}, channels.CanaryHeader: {text}}, query: url.Values{}, body: []byte("{}")}
	signs, err := a.settings.Signature.sign(strconv.FormatInt(a.Now().Unix(), 10), text, &c)
	if err != nil {
		return fmt.Errorf("chat: canary: %w", err)
	}
	if !signs {
		_, err := a.Sink.Submit(ctx, nil, desk.CanaryDraft(a.Source, text, a.Now()))
		return err
	}
	at := base + "/hooks/chat/" + a.Source.Name
	if len(c.query) > 0 {
		at += "?" + c.query.Encode()
	}
	if err := channels.CallCanary(ctx, at, c.header, c.body); err != nil {
		return fmt.Errorf("chat: canary: %w", err)
	}
	return nil
}

// takeCanary takes a verified request that is a canary of this house, and says
// whether it was one.
func (a *adapter) takeCanary(w http.ResponseWriter, r *http.Request) bool {
	text := r.Header.Get(channels.CanaryHeader)
	if _, ok := desk.ReadCanary(a.Config.Secret, a.Source.Name, text); !ok {
		return false
	}
	if _, err := a.Sink.Submit(r.Context(), nil, desk.CanaryDraft(a.Source, text, a.Now())); err != nil {
		a.later(w, fmt.Errorf("chat: submit a canary: %w", err))
		return true
	}
	w.WriteHeader(http.StatusOK)
	return true
}

// canaryCall is a request being made.
type canaryCall struct {
	header http.Header
	query  url.Values
	body   []byte
}

// sign signs a call as the other side would: the mirror of the schemes in
// scheme.go. It reports false for a scheme whose key is not ours.
func (s *signature) sign(stamp, id string, c *canaryCall) (bool, error) {
	hexOf := func(algorithm string, parts ...string) string {
		return hex.EncodeToString(sum(algorithm, s.Secret, parts...))
	}
	baseOf := func(algorithm string, parts ...string) string {
		return base64.StdEncoding.EncodeToString(sum(algorithm, s.Secret, parts...))
	}
	body := string(c.body)
	switch s.Scheme {
	case "discord", "sendgrid":
		return false, nil
	case "standard-webhooks":
		key, err := webhookKey(s.Secret)
		if err != nil {
			return false, err
		}
		c.header.Set("Webhook-Id", id)
		c.header.Set("Webhook-Timestamp", stamp)
		c.header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(sum("sha256", string(key), id, ".", stamp, ".", body)))
	case "hmac":
		mac := hexOf(s.Algorithm, body)
		if s.Encoding == "base64" {
			mac = baseOf(s.Algorithm, body)
		}
		c.header.Set(s.Header, s.Prefix+mac)
	case "github", "meta":
		c.header.Set("X-Hub-Signature-256", "sha256="+hexOf("sha256", body))
	case "intercom":
		c.header.Set("X-Hub-Signature", "sha1="+hexOf("sha1", body))
	case "slack":
		c.header.Set("X-Slack-Request-Timestamp", stamp)
		c.header.Set("X-Slack-Signature", "v0="+hexOf("sha256", "v0:", stamp, ":", body))
	case "crisp":
		c.header.Set("X-Crisp-Request-Timestamp", stamp)
		c.header.Set("X-Crisp-Signature", hexOf("sha256", "[", stamp, ";", body, "]"))
	case "twilio":
		digest := sha256.Sum256(c.body)
		c.query.Set("bodySHA256", hex.EncodeToString(digest[:]))
		c.header.Set("X-Twilio-Signature", baseOf("sha1", s.url+"?"+c.query.Encode()))
	case "mandrill":
		fields := url.Values{"mandrill_events": {"[]"}}
		c.body = []byte(fields.Encode())
		c.header.Set("Content-Type", "application/x-www-form-urlencoded")
		c.header.Set("X-Mandrill-Signature", baseOf("sha1", s.url, sortedFields(fields, false)))
	case "mailgun":
		var err error
		c.body, err = json.Marshal(map[string]any{"signature": map[string]string{
			"timestamp": stamp, "token": id, "signature": hexOf("sha256", stamp, id)}})
		return true, err
	case "telegram":
		c.header.Set("X-Telegram-Bot-Api-Secret-Token", s.Secret)
	case "token":
		c.header.Set(s.Header, s.Prefix+s.Secret)
	case "bearer":
		c.header.Set("Authorization", "Bearer "+s.Secret)
	case "basic":
		r := http.Request{Header: c.header}
		r.SetBasicAuth(s.User, s.Secret)
	case "query":
		c.query.Set("token", s.Secret)
	default:
		return false, fmt.Errorf("the scheme %s cannot be signed", s.Scheme)
	}
	return true, nil
}
