package msteams

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"switchboard/channels/msteams/faketeams"
	"switchboard/pipeline/desk"
)

// hmacToken is the old trick: a token signed with HS256 under the public key.
func hmacToken(t *testing.T, f *faketeams.Server) string {
	id, public := f.PublicKey()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": faketeams.Issuer, "aud": f.AppID,
		"serviceurl": f.ServiceURL(), "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = id
	s, err := token.SignedString(der)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noneToken is unsigned.
func noneToken(t *testing.T, f *faketeams.Server) string {
	id, _ := f.PublicKey()
	token := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": faketeams.Issuer, "aud": f.AppID,
		"serviceurl": f.ServiceURL(), "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = id
	s, err := token.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHostile: nothing that is not Microsoft's word for this activity gets in.
func TestHostile(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	chat := f.Personal(h.person)
	claim := func(name string, value any) func(*testing.T) string {
		return func(*testing.T) string {
			return "Bearer " + f.Token(func(_ map[string]any, c jwt.MapClaims) {
				if c[name] = value; value == nil {
					delete(c, name)
				}
			})
		}
	}
	header := func(name string, value any) func(*testing.T) string {
		return func(*testing.T) string {
			return "Bearer " + f.Token(func(h map[string]any, _ jwt.MapClaims) {
				if h[name] = value; value == nil {
					delete(h, name)
				}
			})
		}
	}
	text := func(s string) func(*testing.T) string { return func(*testing.T) string { return s } }
	good := func(*testing.T) string { return "Bearer " + f.Token(nil) }
	bend := func(fn func(faketeams.Activity)) func() []byte {
		return func() []byte {
			a := f.Message(chat, h.person, "let me in")
			fn(a)
			b, _ := json.Marshal(a)
			return b
		}
	}
	serviceURL := func(u string) func() []byte { return bend(func(a faketeams.Activity) { a["serviceUrl"] = u }) }
	now := h.clock.Now()
	cases := []struct {
		name   string
		token  func(*testing.T) string
		body   func() []byte // nil: a good one
		status int
	}{
		{"no token", text(""), nil, 401},
		{"no scheme", func(*testing.T) string { return f.Token(nil) }, nil, 401},
		{"other scheme", func(*testing.T) string { return "Basic " + f.Token(nil) }, nil, 401},
		{"only the scheme", text("Bearer "), nil, 401},
		{"garbage", text("Bearer x"), nil, 401},
		{"garbage with dots", text("Bearer x.y.z"), nil, 401},
		{"two tokens", func(*testing.T) string { return "Bearer " + f.Token(nil) + ", Bearer " + f.Token(nil) }, nil, 401},
		{"too long", text("Bearer " + strings.Repeat("a", 20000)), nil, 401},
		{"alg none", func(t *testing.T) string { return "Bearer " + noneToken(t, f) }, nil, 401},
		{"HS256 with the public key", func(t *testing.T) string { return "Bearer " + hmacToken(t, f) }, nil, 401},
		{"PS256", header("alg", "PS256"), nil, 401},
		{"signature cut", func(*testing.T) string { s := f.Token(nil); return "Bearer " + s[:len(s)-8] }, nil, 401},
		{"payload changed", func(*testing.T) string {
			a, b := strings.Split(f.Token(nil), "."), strings.Split(f.Token(func(_ map[string]any, c jwt.MapClaims) { c["x"] = 1 }), ".")
			return "Bearer " + a[0] + "." + b[1] + "." + a[2]
		}, nil, 401},
		{"wrong audience", claim("aud", "another app"), nil, 401},
		{"no audience", claim("aud", nil), nil, 401},
		{"array of wrong audiences", claim("aud", []string{"a", "b"}), nil, 401},
		{"audience of odd type", claim("aud", map[string]any{"a": 1}), nil, 401},
		{"wrong issuer", claim("iss", "https://login.example.com"), nil, 401},
		{"no issuer", claim("iss", nil), nil, 401},
		{"issuer of odd type", claim("iss", []string{faketeams.Issuer}), nil, 401},
		{"no exp", claim("exp", nil), nil, 401},
		{"exp of odd type", claim("exp", "tomorrow"), nil, 401},
		{"expired beyond leeway", claim("exp", now.Add(-6*time.Minute).Unix()), nil, 401},
		{"not yet valid", claim("nbf", now.Add(6*time.Minute).Unix()), nil, 401},
		{"made in the future", claim("iat", now.Add(6*time.Minute).Unix()), nil, 401},
		{"no kid", header("kid", nil), nil, 401},
		{"kid of odd type", header("kid", 7), nil, 401},
		{"unknown kid", header("kid", "nobody's"), nil, 401},
		{"no serviceurl claim", claim("serviceurl", nil), nil, 403},
		{"serviceurl claim of odd type", claim("serviceurl", []int{1}), nil, 401},
		{"serviceurl claim of another service", claim("serviceurl", "https://smba.trafficmanager.net/emea/"), nil, 403},
		{"activity of another service", good, serviceURL("http://" + f.Host() + "/other/"), 403},
		{"service at a private address", claim("serviceurl", "https://10.0.0.1/"), serviceURL("https://10.0.0.1/"), 403},
		{"service at the metadata address", claim("serviceurl", "http://169.254.169.254/"), serviceURL("http://169.254.169.254/"), 403},
		{"service at another port here", claim("serviceurl", "http://127.0.0.1:1/"), serviceURL("http://127.0.0.1:1/"), 403},
		{"service on a host like ours", claim("serviceurl", "https://botframework.com.evil.example/"), serviceURL("https://botframework.com.evil.example/"), 403},
		{"service with a user", claim("serviceurl", "http://a@"+f.Host()+"/emea/"), serviceURL("http://a@" + f.Host() + "/emea/"), 403},
		{"no serviceUrl", good, bend(func(a faketeams.Activity) { delete(a, "serviceUrl") }), 403},
		{"channel the key is not endorsed for", good, bend(func(a faketeams.Activity) { a["channelId"] = "slack" }), 403},
		{"no channelId", good, bend(func(a faketeams.Activity) { delete(a, "channelId") }), 403},
		{"tenant not on the list", good, bend(func(a faketeams.Activity) {
			a["conversation"].(map[string]any)["tenantId"] = "another"
		}), 403},
		{"no tenant", good, bend(func(a faketeams.Activity) {
			delete(a["conversation"].(map[string]any), "tenantId")
			delete(a, "channelData")
		}), 403},
		{"10 MB", good, func() []byte { return bytes.Repeat([]byte(" "), 10<<20) }, 413},
		{"10 MB without token", text(""), func() []byte { return bytes.Repeat([]byte(" "), 10<<20) }, 401},
		{"empty", good, func() []byte { return nil }, 400},
		{"no JSON", good, func() []byte { return []byte("hello=world") }, 400},
		{"an array", good, func() []byte { return []byte("[1]") }, 400},
		{"a text", good, func() []byte { return []byte(`"message"`) }, 400},
		{"null", good, func() []byte { return []byte("null") }, 400},
		{"cut", good, func() []byte { return []byte(`{"type":"message","text":"abc`) }, 400},
		{"two objects", good, func() []byte { return []byte(`{"type":"typing"}{"type":"typing"}`) }, 400},
		{"no type", good, bend(func(a faketeams.Activity) { delete(a, "type") }), 400},
		{"deep", good, func() []byte {
			return []byte(`{"type":"message","value":` + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + `}`)
		}, 400},
		{"deep objects", good, func() []byte {
			return []byte(`{"type":"message","value":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `}`)
		}, 400},
		{"all odd", good, func() []byte {
			return []byte(`{"type":"message","from":1,"conversation":"x","recipient":[],"serviceUrl":{},"channelData":"s","entities":{},"attachments":"no"}`)
		}, 403},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			body := c.body
			if body == nil {
				body = bend(func(faketeams.Activity) {})
			}
			answer, err := h.fake.DeliverRaw(t.Context(), h.endpoint, body(), c.token(t))
			if err != nil || answer.Status != c.status {
				t.Errorf("answered %d %q (%v), want %d", answer.Status, answer.Body, err, c.status)
			}
			if strings.Contains(answer.Body, "kid") || strings.Contains(answer.Body, "tenant") {
				t.Errorf("the answer tells too much: %q", answer.Body)
			}
		})
	}
	if h.ledger.calls != 0 {
		t.Errorf("%d submits", h.ledger.calls)
	}
	if n := f.Hits("/v1/.well-known/keys"); n > 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if len(f.Sent()) != 0 || f.Hits("/botframework.com/oauth2/v2.0/token") != 0 {
		t.Error("something was sent, or a token fetched")
	}
	h.well(t)
}

// TestTolerated: what differs from the norm and is right all the same.
func TestTolerated(t *testing.T) {
	for name, bend := range map[string]func(f *faketeams.Server, a faketeams.Activity, c jwt.MapClaims){
		"audience in an array": func(f *faketeams.Server, _ faketeams.Activity, c jwt.MapClaims) {
			c["aud"] = []string{"other", f.AppID}
		},
		"RS512": func(f *faketeams.Server, _ faketeams.Activity, c jwt.MapClaims) { c["alg"] = "RS512" },
		"no slash in the claim": func(f *faketeams.Server, _ faketeams.Activity, c jwt.MapClaims) {
			c["serviceurl"] = strings.TrimRight(f.ServiceURL(), "/")
		},
		"no slash in the activity": func(f *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) {
			a["serviceUrl"] = strings.TrimRight(f.ServiceURL(), "/")
		},
		"expired within the leeway": func(_ *faketeams.Server, _ faketeams.Activity, c jwt.MapClaims) { c["exp"] = c["iat"].(int64) - 240 },
		"no nbf and iat":            func(_ *faketeams.Server, _ faketeams.Activity, c jwt.MapClaims) { delete(c, "nbf"); delete(c, "iat") },
		"channelData is a text":     func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) { a["channelData"] = "odd" },
		"value is an array":         func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) { a["value"] = []int{1} },
		"time without a zone": func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) {
			a["timestamp"] = "2026-01-02T03:04:05"
		},
		"times that are none": func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) {
			a["timestamp"], a["localTimestamp"] = "now", 5
		},
		"ids are numbers": func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) { a["id"] = 1481567603816 },
		"members of odd types": func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) {
			a["entities"], a["recipient"], a["name"] = "x", 1, []int{}
		},
		"NUL and half a character": func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) {
			a["text"] = "a\x00b\xff"
			delete(a, "attachments")
		},
		"tenant in channelData": func(_ *faketeams.Server, a faketeams.Activity, _ jwt.MapClaims) {
			delete(a["conversation"].(map[string]any), "tenantId")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, options{})
			a := h.fake.Message(h.fake.Personal(h.person), h.person, "hello")
			token := h.fake.Token(func(head map[string]any, c jwt.MapClaims) {
				if bend(h.fake, a, c); c["alg"] != nil {
					head["alg"] = c["alg"]
				}
			})
			body, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := h.fake.DeliverRaw(t.Context(), h.endpoint, body, "Bearer "+token)
			if err != nil || answer.Status != 200 {
				t.Fatalf("answered %d %q (%v)", answer.Status, answer.Body, err)
			}
			if d := h.one(t); !strings.Contains(d.Text, "hello") && d.Text != "ab\ufffd" {
				t.Errorf("text %q", d.Text)
			}
			h.well(t)
		})
	}
}

// TestNotTaken: while the ledger cannot take a message, Microsoft hears 503 and
// sends it again; it ends as one.
func TestNotTaken(t *testing.T) {
	h := newHouse(t, options{})
	for _, err := range []error{desk.ErrBusy, desk.ErrUnavailable, errors.New("disk full")} {
		h.ledger.refuse(func(*desk.Draft) error { return err })
		a := h.fake.Message(h.fake.Personal(h.person), h.person, "hello")
		if got := h.deliver(t, a, 503); got.Tries != 3 {
			t.Errorf("%v: %d tries, want 3", err, got.Tries)
		}
	}
	if len(h.ledger.all()) != 0 {
		t.Fatal("a refused message is in the ledger")
	}
	tries := 0
	h.ledger.refuse(func(*desk.Draft) error {
		if tries++; tries < 3 {
			return desk.ErrBusy
		}
		return nil
	})
	if got := h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "hello"), 200); got.Tries != 3 {
		t.Errorf("%d tries, want 3", got.Tries)
	}
	h.one(t)
	h.well(t)
}

// TestRefusedByLedger: a draft the ledger will never take goes in as a note with
// the raw activity.
func TestRefusedByLedger(t *testing.T) {
	h := newHouse(t, options{})
	h.ledger.refuse(func(d *desk.Draft) error {
		if d.Text == "poison" {
			return desk.Permanent(errors.New("no"))
		}
		return nil
	})
	a := h.fake.Message(h.fake.Personal(h.person), h.person, "poison")
	h.deliver(t, a, 200)
	d := h.one(t)
	if len(d.Attachments) != 1 || len(d.Damage) != 1 || !bytes.Contains(h.bytes(t, d.Attachments[0].Blob), []byte("poison")) {
		t.Errorf("no note: %+v", d)
	}
}

// TestPanic: a panic costs one request.
func TestPanic(t *testing.T) {
	h := newHouse(t, options{})
	h.ledger.refuse(func(*desk.Draft) error { panic("boom") })
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "hello"), 500)
	h.ledger.refuse(nil)
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "hello again"), 200)
	h.one(t)
	if h.Counts()["panics"] != 3 {
		t.Errorf("counts: %v", h.Counts())
	}
}

func TestRate(t *testing.T) {
	h := newHouse(t, options{extra: "rate: { perSecond: 1, burst: 3 }\n"})
	for i := range 3 {
		h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, fmt.Sprint(i)), 200)
	}
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "too many"), http.StatusTooManyRequests)
	h.clock.Add(2 * time.Second)
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "later"), 200)
	if n := len(h.ledger.all()); n != 4 {
		t.Errorf("%d drafts", n)
	}
}

// TestRateBehindProxy: behind a proxy of ours a stranger spends what is theirs, and
// Microsoft's requests are taken meanwhile.
func TestRateBehindProxy(t *testing.T) {
	h := newHouse(t, options{extra: "rate: { perSecond: 1, burst: 3 }\ntrustedProxies: [127.0.0.0/8, \"::1\"]\n"})
	stranger := func() int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.endpoint, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "203.0.113.1, 198.51.100.7") // the first is what they say themselves
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for range 3 {
		if got := stranger(); got != http.StatusUnauthorized {
			t.Fatalf("a stranger was answered %d", got)
		}
	}
	if got := stranger(); got != http.StatusTooManyRequests {
		t.Errorf("a stranger who sends too many was answered %d", got)
	}
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "hello"), 200)
	h.one(t)
}

// TestEvents: what is no message is counted and answered.
func TestEvents(t *testing.T) {
	h := newHouse(t, options{})
	chat := h.fake.Channel()
	chat.Root = "1"
	for _, kind := range []string{"conversationUpdate", "installationUpdate", "messageReaction", "typing", "endOfConversation", "brandNew"} {
		h.deliver(t, h.fake.Event(kind, chat, h.person), 200)
	}
	h.deliver(t, h.fake.Event("invoke", chat, h.person), 501)
	if h.ledger.calls != 0 {
		t.Error("an event was filed")
	}
	if c := h.Counts(); c["messageReaction"] != 1 || c["conversationUpdate"] != 1 || c["brandNew"] != 1 || c["refused 501"] != 1 {
		t.Errorf("counts: %v", c)
	}
	for i := range 2 * knownCounts {
		h.deliver(t, h.fake.Event(fmt.Sprintf("kind%d", i), chat, h.person), 200)
	}
	if c := h.Counts(); len(c) > knownCounts+1 || c["others"] == 0 {
		t.Errorf("%d names are kept", len(c))
	}
	h.well(t)
}

// TestManyAtOnce: no message is lost or doubled under load, with keys rotating.
func TestManyAtOnce(t *testing.T) {
	h := newHouse(t, options{})
	chat := h.fake.Personal(h.person)
	const people, each = 8, 20
	var wg sync.WaitGroup
	for p := range people {
		wg.Go(func() {
			for i := range each {
				a := h.fake.Message(chat, h.person, fmt.Sprintf("message %d of %d", i, p))
				for range 2 { // and again
					if answer, err := h.fake.Deliver(t.Context(), h.endpoint, a); err != nil || answer.Status != 200 {
						t.Errorf("answered %d (%v)", answer.Status, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(h.ledger.all()); n != people*each {
		t.Errorf("%d drafts, want %d", n, people*each)
	}
	if n := h.fake.Hits("/v1/.well-known/keys"); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	h.well(t)
}

// TestEndlessBody: a body of unknown length is read up to the limit, no further.
func TestEndlessBody(t *testing.T) {
	h := newHouse(t, options{})
	body := &spaces{}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.endpoint, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.fake.Token(nil))
	client := h.server.Client()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge || h.ledger.calls != 0 {
		t.Errorf("answered %d, %d submits", res.StatusCode, h.ledger.calls)
	}
}

// spaces is 64 MB of blanks.
type spaces struct{ n int }

func (s *spaces) Read(b []byte) (int, error) {
	if s.n += len(b); s.n > 64<<20 {
		return 0, io.EOF
	}
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
