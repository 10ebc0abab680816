package chat

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// TestSchemes: each scheme takes its own signature, and not one of another body,
// secret or time. Twilio's is the example of its documentation.
func TestSchemes(t *testing.T) {
	now := time.Unix(1767225600, 0)
	stamp := strconv.FormatInt(now.Unix(), 10)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"a":1}`
	hexOf := func(algorithm string, parts ...string) string {
		return hex.EncodeToString(sum(algorithm, "s3cret", parts...))
	}
	ec := func() string {
		digest := sha256.Sum256([]byte(stamp + body))
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(sig)
	}
	digest := sha256.Sum256([]byte(body))
	bodySum := hex.EncodeToString(digest[:])
	jsonURL := "https://desk.example/hook?bodySHA256=" + bodySum
	for _, tc := range []struct {
		name   string
		s      signature
		header map[string]string
		query  string
		open   bool // signs nothing of the body
	}{
		{"hmac hex", signature{Scheme: "hmac", Header: "X-Sig", Prefix: "sha1=", Algorithm: "sha1"}, map[string]string{"X-Sig": "sha1=" + hexOf("sha1", body)}, "", false},
		{"hmac base64", signature{Scheme: "hmac", Header: "X-Sig", Algorithm: "sha512", Encoding: "base64"}, map[string]string{"X-Sig": b64(sum("sha512", "s3cret", body))}, "", false},
		{"github", signature{Scheme: "github"}, map[string]string{"X-Hub-Signature-256": "sha256=" + hexOf("sha256", body)}, "", false},
		{"intercom", signature{Scheme: "intercom"}, map[string]string{"X-Hub-Signature": "sha1=" + hexOf("sha1", body)}, "", false},
		{"crisp", signature{Scheme: "crisp"}, map[string]string{"X-Crisp-Request-Timestamp": stamp + "000", "X-Crisp-Signature": hexOf("sha256", "["+stamp+"000;"+body+"]")}, "", false},
		{"twilio json", signature{Scheme: "twilio"}, map[string]string{"X-Twilio-Signature": b64(sum("sha1", "s3cret", jsonURL))}, "bodySHA256=" + bodySum, false},
		{"sendgrid", signature{Scheme: "sendgrid", PublicKey: base64.StdEncoding.EncodeToString(der)}, map[string]string{"X-Twilio-Email-Event-Webhook-Timestamp": stamp, "X-Twilio-Email-Event-Webhook-Signature": ec()}, "", false},
		{"telegram", signature{Scheme: "telegram"}, map[string]string{"X-Telegram-Bot-Api-Secret-Token": "s3cret"}, "", true},
		{"token", signature{Scheme: "token", Header: "X-Key", Prefix: "k "}, map[string]string{"X-Key": "k s3cret"}, "", true},
		{"bearer", signature{Scheme: "bearer"}, map[string]string{"Authorization": "bearer s3cret"}, "", true},
		{"basic", signature{Scheme: "basic", User: "u"}, map[string]string{"Authorization": "Basic " + b64([]byte("u:s3cret"))}, "", true},
		{"query", signature{Scheme: "query"}, nil, "token=s3cret", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ask := func(secret, previous, body string, change func(*request), at time.Time) error {
				s := tc.s
				s.Secret, s.Previous, s.Window = secret, previous, 5*time.Minute
				if err := s.compile("https://desk.example/hook"); err != nil {
					t.Fatal(err)
				}
				q, err := url.ParseQuery(tc.query)
				if err != nil {
					t.Fatal(err)
				}
				r := &request{header: http.Header{}, query: q, body: []byte(body), rawURL: jsonURL, form: func() (url.Values, error) { return url.Values{}, nil }}
				for k, v := range tc.header {
					r.header.Set(k, v)
				}
				if change != nil {
					change(r)
				}
				return s.verify(at, r)
			}
			if err := ask("s3cret", "", body, nil, now); err != nil {
				t.Error(err)
			}
			if err := ask("new", "s3cret", body, nil, now); err != nil {
				t.Error("the previous secret:", err)
			}
			if err := ask("wrong", "", body, nil, now); err == nil && tc.s.PublicKey == "" {
				t.Error("another secret is taken")
			}
			if err := ask("s3cret", "", body+" ", nil, now); err == nil && !tc.open {
				t.Error("another body is taken")
			}
			if err := ask("s3cret", "", body, func(r *request) { r.header, r.query = http.Header{}, url.Values{} }, now); err == nil {
				t.Error("no signature is taken")
			}
			for k := range tc.header {
				if err := ask("s3cret", "", body, func(r *request) { r.header.Set(k, r.header.Get(k)+"0") }, now); err == nil {
					t.Error("a changed", k, "is taken")
				}
			}
			if _, timed := tc.header["X-Crisp-Request-Timestamp"]; timed || tc.name == "sendgrid" {
				for _, d := range []time.Duration{301 * time.Second, -301 * time.Second} {
					if err := ask("s3cret", "", body, nil, now.Add(d)); err == nil {
						t.Error("an old request is taken", d)
					}
				}
			}
		})
	}
	t.Run("twilio form", func(t *testing.T) {
		fields := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+12349013030"}, "Digits": {"1234"}, "From": {"+12349013030"}, "To": {"+18005551212"}}
		s := signature{Scheme: "twilio", Secret: "12345", Window: time.Minute}
		if err := s.compile("https://mycompany.com/myapp.php"); err != nil {
			t.Fatal(err)
		}
		r := &request{header: http.Header{"X-Twilio-Signature": {b64(sum("sha1", "12345", "https://mycompany.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDECaller+12349013030Digits1234From+12349013030To+18005551212"))}},
			query: url.Values{}, rawURL: "https://mycompany.com/myapp.php?foo=1&bar=2", form: func() (url.Values, error) { return fields, nil }}
		if err := s.verify(now, r); err != nil {
			t.Error(err)
		}
		fields.Set("Digits", "1235")
		if s.verify(now, r) == nil {
			t.Error("another field is taken")
		}
	})
}

// A secret before that is none is said at its own place, not at the one in force.
func TestThePreviousSecretIsNamed(t *testing.T) {
	s := signature{Scheme: "standard-webhooks", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Previous: "whsec_short", Window: time.Minute}
	if bad := desk.Invalids(s.compile("")); len(bad) != 1 || bad[0].Field != "signature.previous" {
		t.Errorf("%v", bad)
	}
}
