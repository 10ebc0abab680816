package chat

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// webhookKey reads a secret of Standard Webhooks: base64, with or without
// whsec_ before it. What is no base64 of at least 16 bytes and has no whsec_ is
// taken as it is, as some libraries do.
func webhookKey(secret string) ([]byte, error) {
	coded, marked := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(coded)
	if err == nil && len(key) >= 16 {
		return key, nil
	}
	if marked || secret == "" {
		return nil, errors.New("the secret is no base64 or too short")
	}
	return []byte(secret), nil
}

// standardWebhooks is the HMAC of "id.timestamp.body" ("Standard Webhooks" 1.0,
// Signature scheme). The header may hold several signatures of several versions;
// one good v1 is enough.
func standardWebhooks(s *signature, secret string, now time.Time, r *request) error {
	id, stamp, list := r.header.Get("Webhook-Id"), r.header.Get("Webhook-Timestamp"), r.header.Get("Webhook-Signature")
	if id == "" || list == "" {
		return errUnsigned
	}
	if err := s.fresh(now, stamp); err != nil {
		return err
	}
	key, err := webhookKey(secret)
	if err != nil {
		return errSigned
	}
	want := sumOf("sha256", string(key), r.body, id, ".", stamp, ".")
	for one := range strings.FieldsSeq(list) {
		if version, value, ok := strings.Cut(one, ","); ok && version == "v1" && sameBase64(value, want) == nil {
			return nil
		}
	}
	return errSigned
}

// simpleHMAC is the HMAC of the body in a header of the config.
func simpleHMAC(s *signature, secret string, _ time.Time, r *request) error {
	got, ok := strings.CutPrefix(r.header.Get(s.Header), s.Prefix)
	if !ok {
		return errUnsigned
	}
	want := sumOf(s.Algorithm, secret, r.body)
	if s.Encoding == "base64" {
		return sameBase64(got, want)
	}
	return sameHex(got, want)
}

// hub is X-Hub-Signature-256 of GitHub and Meta.
func hub(_ *signature, secret string, _ time.Time, r *request) error {
	got, ok := strings.CutPrefix(r.header.Get("X-Hub-Signature-256"), "sha256=")
	if !ok {
		return errUnsigned
	}
	return sameHex(got, sumOf("sha256", secret, r.body))
}

// intercomHub is X-Hub-Signature with SHA-1.
func intercomHub(_ *signature, secret string, _ time.Time, r *request) error {
	got, ok := strings.CutPrefix(r.header.Get("X-Hub-Signature"), "sha1=")
	if !ok {
		return errUnsigned
	}
	return sameHex(got, sumOf("sha1", secret, r.body))
}

// slackV0 is what Slack does ("Verifying requests from Slack").
func slackV0(s *signature, secret string, now time.Time, r *request) error {
	stamp := r.header.Get("X-Slack-Request-Timestamp")
	got, ok := strings.CutPrefix(r.header.Get("X-Slack-Signature"), "v0=")
	if !ok {
		return errUnsigned
	}
	if err := s.fresh(now, stamp); err != nil {
		return err
	}
	return sameHex(got, sumOf("sha256", secret, r.body, "v0:", stamp, ":"))
}

// crispSign is the HMAC of "[timestamp;body]".
func crispSign(s *signature, secret string, now time.Time, r *request) error {
	stamp := r.header.Get("X-Crisp-Request-Timestamp")
	if err := s.fresh(now, stamp); err != nil {
		return err
	}
	return sameHex(r.header.Get("X-Crisp-Signature"), sum("sha256", secret, "[", stamp, ";", string(r.body), "]"))
}

// twilioSign is HMAC-SHA1 over the address and the sorted fields; of a body that
// is no form the address carries the digest.
func twilioSign(_ *signature, secret string, _ time.Time, r *request) error {
	got := r.header.Get("X-Twilio-Signature")
	if digest := r.query.Get("bodySHA256"); digest != "" {
		body := sha256.Sum256(r.body)
		return errors.Join(sameHex(digest, body[:]), sameBase64(got, sum("sha1", secret, r.rawURL)))
	}
	fields, err := r.form()
	if err != nil {
		return errSigned
	}
	return sameBase64(got, sum("sha1", secret, r.rawURL, sortedFields(fields, true)))
}

// mandrillSign is the same without the rule for repeated fields.
func mandrillSign(s *signature, secret string, _ time.Time, r *request) error {
	fields, err := r.form()
	if err != nil {
		return errSigned
	}
	return sameBase64(r.header.Get("X-Mandrill-Signature"), sum("sha1", secret, s.url, sortedFields(fields, false)))
}

// sortedFields joins names and values in the order of the names.
func sortedFields(fields url.Values, unique bool) string {
	var b strings.Builder
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := fields[name]
		if unique && len(values) > 1 {
			values = slices.Compact(slices.Sorted(slices.Values(values)))
		}
		for _, v := range values {
			b.WriteString(name)
			b.WriteString(v)
		}
	}
	return b.String()
}

// mailgunSign is the HMAC of timestamp and token, which stand in the form, or
// under "signature" in JSON. It covers nothing else of the body, so the address
// must be https.
func mailgunSign(s *signature, secret string, now time.Time, r *request) error {
	var in struct {
		Signature struct{ Timestamp, Token, Signature string }
	}
	if b := bytes.TrimLeft(r.body, " \t\r\n"); len(b) > 0 && b[0] == '{' {
		if json.Unmarshal(b, &in) != nil {
			return errUnsigned
		}
	} else {
		fields, err := r.form()
		if err != nil {
			return errUnsigned
		}
		in.Signature.Timestamp, in.Signature.Token, in.Signature.Signature = fields.Get("timestamp"), fields.Get("token"), fields.Get("signature")
	}
	p := in.Signature
	if p.Token == "" || p.Signature == "" {
		return errUnsigned
	}
	if err := s.fresh(now, p.Timestamp); err != nil {
		return err
	}
	return sameHex(p.Signature, sum("sha256", secret, p.Timestamp, p.Token))
}

// discordSign is Ed25519 over timestamp and body ("Interactions Overview").
func discordSign(s *signature, _ string, now time.Time, r *request) error {
	stamp := r.header.Get("X-Signature-Timestamp")
	if err := s.fresh(now, stamp); err != nil {
		return err
	}
	got, err := hex.DecodeString(r.header.Get("X-Signature-Ed25519"))
	if err != nil || len(got) != ed25519.SignatureSize {
		return errUnsigned
	}
	if !ed25519.Verify(s.ed, slices.Concat([]byte(stamp), r.body), got) {
		return errSigned
	}
	return nil
}

// sendgridSign is ECDSA over timestamp and body.
func sendgridSign(s *signature, _ string, now time.Time, r *request) error {
	stamp := r.header.Get("X-Twilio-Email-Event-Webhook-Timestamp")
	if err := s.fresh(now, stamp); err != nil {
		return err
	}
	got, err := base64.StdEncoding.DecodeString(r.header.Get("X-Twilio-Email-Event-Webhook-Signature"))
	if err != nil || len(got) == 0 {
		return errUnsigned
	}
	digest := sha256.Sum256(slices.Concat([]byte(stamp), r.body))
	if !ecdsa.VerifyASN1(s.ec, digest[:], got) {
		return errSigned
	}
	return nil
}

// telegramToken is the secret_token of setWebhook.
func telegramToken(_ *signature, secret string, _ time.Time, r *request) error {
	return same(r.header.Get("X-Telegram-Bot-Api-Secret-Token"), secret)
}

// headerToken is the secret itself in a header of the config.
func headerToken(s *signature, secret string, _ time.Time, r *request) error {
	got, ok := strings.CutPrefix(r.header.Get(s.Header), s.Prefix)
	if !ok {
		return errUnsigned
	}
	return same(got, secret)
}

// bearer is RFC 6750.
func bearer(_ *signature, secret string, _ time.Time, r *request) error {
	kind, got, _ := strings.Cut(r.header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return errUnsigned
	}
	return same(strings.TrimSpace(got), secret)
}

// basic is RFC 7617.
func basic(s *signature, secret string, _ time.Time, r *request) error {
	user, password, ok := (&http.Request{Header: r.header}).BasicAuth()
	if !ok {
		return errUnsigned
	}
	return same(user+"\x00"+password, s.User+"\x00"+secret)
}

// queryToken is ?token= of the address, for services that sign nothing and send
// no header. It stands in the logs of every proxy on the way: prefer another.
func queryToken(_ *signature, secret string, _ time.Time, r *request) error {
	return same(r.query.Get("token"), secret)
}
