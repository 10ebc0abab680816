package msteams

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"switchboard/channels/msteams/faketeams"
)

const (
	jwksPath     = "/v1/.well-known/keys"
	metadataPath = "/v1/.well-known/openidconfiguration"
)

func onPath(part string, f faketeams.Fault) func(*http.Request) *faketeams.Fault {
	return func(r *http.Request) *faketeams.Fault {
		if strings.HasPrefix(r.URL.Path, part) {
			return &f
		}
		return nil
	}
}

func (h *house) say(t *testing.T, want int) {
	t.Helper()
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "hello"), want)
}

// TestRotation: a new key is found at once when it was a minute since the last
// look, and old keys go on.
func TestRotation(t *testing.T) {
	h := newHouse(t, options{})
	h.say(t, 200)
	old := h.fake.Token(nil)
	if err := h.fake.Rotate(); err != nil {
		t.Fatal(err)
	}
	h.clock.Add(2 * time.Minute)
	h.say(t, 200)
	a := []byte(`{"type":"typing","channelId":"msteams","serviceUrl":"` + h.fake.ServiceURL() + `","conversation":{"id":"a","tenantId":"` + h.fake.Tenant + `"}}`)
	if answer, err := h.fake.DeliverRaw(t.Context(), h.endpoint, a, "Bearer "+old); err != nil || answer.Status != 200 {
		t.Errorf("the old key: %d (%v)", answer.Status, err)
	}
	if n := h.fake.Hits(jwksPath); n != 2 {
		t.Errorf("%d fetches", n)
	}
	// A key taken back is trusted no more once the keys are looked at again.
	h.fake.Forget()
	h.clock.Add(keysFresh + time.Minute)
	h.say(t, 200)
	old = "Bearer " + old
	if answer, err := h.fake.DeliverRaw(t.Context(), h.endpoint, a, old); err != nil || answer.Status != 401 {
		t.Errorf("the key taken back: %d (%v)", answer.Status, err)
	}
	h.well(t)
}

// TestUnknownKey: whoever makes up key IDs has the keys fetched once a minute.
func TestUnknownKey(t *testing.T) {
	h := newHouse(t, options{})
	h.say(t, 200)
	for minute := range 3 {
		h.clock.Add(time.Minute)
		for range 20 {
			token := h.fake.Token(func(h map[string]any, _ jwt.MapClaims) { h["kid"] = "made up" })
			if answer, err := h.fake.DeliverRaw(t.Context(), h.endpoint, []byte("{}"), "Bearer "+token); err != nil || answer.Status != 401 {
				t.Fatalf("%d (%v)", answer.Status, err)
			}
		}
		if n := h.fake.Hits(jwksPath); n != minute+2 {
			t.Errorf("minute %d: %d fetches", minute, n)
		}
	}
}

// TestKeysDown: when there are no keys at the start the sender is asked to come
// again; later the old ones serve for days, but not for ever.
func TestKeysDown(t *testing.T) {
	for name, fault := range map[string]faketeams.Fault{"cut": {Cut: true}, "500": {Status: 500}, "elsewhere": {Status: 302}, "nonsense": {Status: 200}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, options{before: func(f *faketeams.Server) { f.Break(onPath(metadataPath, fault)) }})
			h.say(t, 503)
			h.say(t, 503)
			if h.ledger.calls != 0 {
				t.Fatal("submitted without a key")
			}
			h.fake.Break(nil)
			h.clock.Add(keysRetry)
			h.say(t, 200)
		})
	}
	h := newHouse(t, options{})
	h.say(t, 200)
	h.fake.Break(onPath(jwksPath, faketeams.Fault{Status: 503}))
	h.clock.Add(4 * 24 * time.Hour)
	h.say(t, 200)
	h.clock.Add(25 * time.Hour)
	h.say(t, 503)
	h.fake.Break(nil)
	h.clock.Add(time.Minute)
	h.say(t, 200)
	h.well(t)
}

// TestEndorsements: a key must be endorsed for the channel, unless the config
// says that the keys have no such thing.
func TestEndorsements(t *testing.T) {
	h := newHouse(t, options{before: func(f *faketeams.Server) { f.RotateFor() }})
	h.say(t, 403)
	if err := h.fake.RotateFor("skype", "webchat"); err != nil {
		t.Fatal(err)
	}
	h.clock.Add(time.Minute)
	h.say(t, 403)
	if err := h.fake.RotateFor("skype", "msteams"); err != nil {
		t.Fatal(err)
	}
	h.clock.Add(time.Minute)
	h.say(t, 200)
	lenient := newHouse(t, options{extra: "requireEndorsements: false\n", before: func(f *faketeams.Server) { f.RotateFor() }})
	lenient.say(t, 200)
}

// TestJWK: only RSA signing keys of a fit size are keys.
func TestJWK(t *testing.T) {
	raw := func(n int) string {
		return base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, n-1)...))
	}
	good := jwk{KTY: "RSA", KID: "a", Use: "sig", N: raw(256), E: "AQAB"}
	if good.rsa() == nil {
		t.Fatal("a good key is none")
	}
	for name, bend := range map[string]func(*jwk){
		"elliptic":       func(j *jwk) { j.KTY = "EC" },
		"no ID":          func(j *jwk) { j.KID = "" },
		"for encryption": func(j *jwk) { j.Use = "enc" },
		"too short":      func(j *jwk) { j.N = raw(128) },
		"too long":       func(j *jwk) { j.N = raw(2000) },
		"no modulus":     func(j *jwk) { j.N = "" },
		"no base64":      func(j *jwk) { j.N = "***" },
		"exponent 1":     func(j *jwk) { j.E = "AQ" },
		"even exponent":  func(j *jwk) { j.E = "AQAC" },
		"huge exponent":  func(j *jwk) { j.E = "AQABAQAB" },
	} {
		j := good
		if bend(&j); j.rsa() != nil {
			t.Errorf("%s: is a key", name)
		}
	}
}

// TestFetchedMeanwhile: a message that found no key, and none to fetch since
// somebody just had, is judged by what that one fetched.
func TestFetchedMeanwhile(t *testing.T) {
	f, err := faketeams.Start(faketeams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	var (
		k    *keys
		asks int
	)
	k = newKeys([]string{f.MetadataURL()}, http.DefaultClient, func() time.Time {
		if asks++; asks == 2 { // it looked, and asks now whether a fetch is due
			k.warm(t.Context())
		}
		return time.Now()
	}, slog.New(slog.DiscardHandler))
	id, public := f.PublicKey()
	found, err := k.find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !found.public.Equal(public) {
		t.Error("another key was found")
	}
	if n := f.Hits(jwksPath); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}
