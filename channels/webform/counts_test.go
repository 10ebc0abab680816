package webform

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestCounts: each kind of hostile post is counted as what it is, as a page and
// as JSON alike, and as nothing else.
func TestCounts(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	aged := func(d time.Duration) string { return h.a.signer.token("contact", h.clock().Add(-d)) }
	plain := func(pairs []string, header ...string) func(string) int {
		return func(path string) int {
			body, media := multi(t, pairs)
			req := httptest.NewRequest("POST", path, body)
			req.Header.Set("Content-Type", media)
			for i := 0; i+1 < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			code, _, _ := h.do(req)
			return code
		}
	}
	raw := func(media, body string) func(string) int {
		return func(path string) int {
			req := httptest.NewRequest("POST", path, strings.NewReader(body))
			req.Header.Set("Content-Type", media)
			code, _, _ := h.do(req)
			return code
		}
	}
	minute := time.Minute
	for name, c := range map[string]struct {
		send func(path string) int
		want string
	}{
		"no token":       {plain(good("")), "refused: token missing"},
		"nothing at all": {raw("application/x-www-form-urlencoded", ""), "refused: token missing"},
		"rubbish":        {plain(good("<script>")), "refused: token forged"},
		"another's":      {plain(good(newSigner([]byte("another secret"), "site").token("contact", h.clock().Add(-minute)))), "refused: token forged"},
		"other form":     {plain(good(h.a.signer.token("short", h.clock().Add(-minute)))), "refused: token forged"},
		"from tomorrow":  {plain(good(aged(-24 * time.Hour))), "refused: token forged"},
		"old":            {plain(good(aged(25 * time.Hour))), "refused: token expired"},
		"at once":        {plain(good(aged(0))), "refused: too fast"},
		"bait":           {plain(good(aged(minute), "website", "https://spam.example")), "refused: honeypot"},
		"other site":     {plain(good(aged(minute)), "Origin", "https://evil.example"), "refused: origin"},
		"large":          {raw("application/x-www-form-urlencoded", "message="+strings.Repeat("x", 10<<20)), "refused: too large"},
		"many":           {raw("application/x-www-form-urlencoded", strings.Repeat("a=b&", 10_000)), "refused: too large"},
		"cut off":        {raw("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nabc"), "refused: malformed"},
		"bad escapes":    {raw("application/x-www-form-urlencoded", "name=%zz"), "refused: malformed"},
		"bad JSON":       {raw("application/json", `{"token":`), "refused: malformed"},
		"plain text":     {raw("text/plain", "hello"), "refused: malformed"},
		"no address":     {plain([]string{"_token", aged(minute), "name", "x"}), "refused: invalid fields"},
		"strange field":  {raw("application/json", `{"token":"`+aged(minute)+`","values":{"teamId":"x"}}`), "refused: invalid fields"},
		"good":           {plain(good(aged(minute))), "taken"},
	} {
		for _, path := range []string{"/forms/site/contact", "/forms/site/contact.json"} {
			want := h.a.Counts()
			if want == nil {
				want = map[string]int64{}
			}
			want[c.want]++
			if code := c.send(path); !maps.Equal(h.a.Counts(), want) {
				t.Errorf("%s to %s, answered %d: %v, want %v", name, path, code, h.a.Counts(), want)
			}
		}
	}
	// A browser that asks for another site will not post: that counts too.
	before := h.a.Counts()["refused: origin"]
	for _, origin := range []string{"https://evil.example", "https://www.example.com", ""} {
		req := httptest.NewRequest("OPTIONS", "/forms/site/contact.json", nil)
		req.Header.Set("Origin", origin)
		h.do(req)
	}
	if got := h.a.Counts()["refused: origin"]; got != before+1 {
		t.Errorf("%d refused preflights", got-before)
	}
	h.setFail(errors.New("no space left on device"))
	plain(good(aged(minute)))("/forms/site/contact")
	if c := h.a.Counts(); c["refused: unavailable"] != 1 || c["taken"] != 2 {
		t.Errorf("%v", c)
	}
	h.a.Counts()["taken"] = 99
	if h.a.Counts()["taken"] != 2 {
		t.Error("the map is not the caller's own")
	}
}

func TestCountsOfRates(t *testing.T) {
	for limits, want := range map[string]string{
		"perIP: { rate: 0.5, burst: 1 }, perForm: { rate: 1, burst: 9 }": "refused: rate per IP",
		"perIP: { rate: 0.5, burst: 9 }, perForm: { rate: 1, burst: 1 }": "refused: rate per form",
	} {
		h := newHouse(t, strings.Replace(siteYAML(t), "perIP: { rate: 0.5, burst: 1000 }, perForm: { rate: 1, burst: 1000 }", limits, 1))
		token := h.token("contact")
		for range 3 {
			h.post("/forms/site/contact", good(token))
		}
		if c := h.a.Counts(); !maps.Equal(c, map[string]int64{"taken": 1, want: 2}) {
			t.Errorf("%s: %v", limits, c)
		}
	}
}

func TestCountsOfCaptcha(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"success": false}`) }))
	defer srv.Close()
	h := newHouse(t, formYAML(fmt.Sprintf(`spam: { minSeconds: 0, captcha: { verifyURL: "%s", siteKey: key, secret: "${S}", scriptURL: "https://captcha.example/api.js", class: cf, response: cf-response } }, fields: [{ name: a, label: A }]`, srv.URL)))
	for _, response := range []string{"", "guessed"} {
		h.postForm("/forms/site/f", "_token", h.token("f"), "a", "x", "cf-response", response)
	}
	if c := h.a.Counts(); !maps.Equal(c, map[string]int64{"refused: captcha": 2}) {
		t.Errorf("%v", c)
	}
}
