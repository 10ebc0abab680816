package chat

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestSchemesAreMirrored: a canary is signed by every scheme there is as its
// other side would sign, but for the two whose keys are not ours.
func TestSchemesAreMirrored(t *testing.T) {
	now := time.Unix(1_770_000_000, 0)
	stamp := strconv.FormatInt(now.Unix(), 10)
	for _, name := range schemeNames() {
		for _, encoding := range []string{"hex", "base64"} {
			s := &signature{Scheme: name, Secret: "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQ=", Header: "X-Sign", Prefix: "v=", User: "ada", Encoding: encoding, Window: time.Minute}
			theirs := slices.Contains([]string{"discord", "sendgrid"}, name)
			if !theirs {
				if err := s.compile("https://desk.example.com/hooks/chat/shop"); err != nil {
					t.Fatal(err)
				}
			}
			c := canaryCall{header: http.Header{}, query: url.Values{}, body: []byte("{}")}
			signed, err := s.sign(stamp, "canary-1", &c)
			if err != nil || signed == theirs {
				t.Errorf("%s: signed %v, %v", name, signed, err)
				continue
			}
			if theirs {
				continue
			}
			in := func(c canaryCall) *request {
				at := "https://desk.example.com/hooks/chat/shop"
				if len(c.query) > 0 {
					at += "?" + c.query.Encode()
				}
				return &request{header: c.header, query: c.query, rawURL: at, body: c.body,
					form: func() (url.Values, error) { return formOf(c.header.Get("Content-Type"), c.body) }}
			}
			if err := s.verify(now, in(c)); err != nil {
				t.Errorf("%s: our own door refuses it: %v", name, err)
			}
			wrong := *s
			wrong.Secret = "whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="
			other := canaryCall{header: http.Header{}, query: url.Values{}, body: []byte("{}")}
			if _, err := wrong.sign(stamp, "canary-1", &other); err != nil {
				t.Fatal(err)
			}
			if err := s.verify(now, in(other)); err == nil {
				t.Errorf("%s: another secret will do", name)
			}
		}
	}
}
