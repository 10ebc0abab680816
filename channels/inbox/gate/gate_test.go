package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/channels/limit"
)

// memory keeps sessions as a server would.
type memory struct {
	mu  sync.Mutex
	by  map[string]Session
	err error
}

func (m *memory) Save(_ context.Context, id string, s Session, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by[id] = s
	return m.err
}

func (m *memory) Load(_ context.Context, id string) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.by[id]
	if m.err != nil {
		return s, m.err
	}
	if !ok {
		return s, ErrNoSession
	}
	return s, nil
}

func (m *memory) Drop(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, id)
	return m.err
}

// building is a gate in front of one page, over HTTP, and a browser's cookies.
type building struct {
	t      *testing.T
	gate   *Gate
	memory *memory
	url    string
	client *http.Client
	now    time.Time
}

var adaHash = func() string {
	h, err := Hash("correct horse")
	if err != nil {
		panic(err)
	}
	return h
}()

func build(t *testing.T, change func(*Options)) *building {
	t.Helper()
	b := &building{t: t, memory: &memory{by: map[string]Session{}}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	o := Options{Operators: []Operator{{"ada", adaHash}}, Sessions: b.memory, For: time.Hour, Home: "/queues",
		PerAddress: limit.Rate{PerSecond: 0.1, Burst: 5}, PerName: limit.Rate{PerSecond: 0.1, Burst: 20}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now }}
	if change != nil {
		change(&o)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.gate = g
	mux := http.NewServeMux()
	g.Mount(mux)
	mux.Handle("/queues/", g.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the page") })))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	b.url = srv.URL
	jar, _ := cookiejar.New(nil)
	b.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b
}

func (b *building) do(method, path string, form url.Values, header ...string) *http.Response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func (b *building) login(name, password string, header ...string) *http.Response {
	return b.do("POST", "/login", url.Values{"name": {name}, "password": {password}, "next": {"/queues/intake"}}, header...)
}

func (b *building) want(r *http.Response, status int, location string) {
	b.t.Helper()
	if r.StatusCode != status || r.Header.Get("Location") != location {
		b.t.Errorf("%d %q, want %d %q", r.StatusCode, r.Header.Get("Location"), status, location)
	}
}

func TestInAndOut(t *testing.T) {
	b := build(t, nil)
	b.want(b.do("GET", "/queues/a?b=c&d", nil), 303, "/login?next=%2Fqueues%2Fa%3Fb%3Dc%26d")
	b.want(b.do("DELETE", "/queues/a", nil), 401, "")
	b.want(b.login("ada", "wrong"), 401, "")
	b.want(b.login("eve", "correct horse"), 401, "")
	b.want(b.login("ada", ""), 422, "")
	r := b.login("ada", "correct horse")
	b.want(r, 303, "/queues/intake")
	c := r.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure || c.MaxAge != 3600 || c.Path != "/" {
		t.Errorf("the cookie is %+v", c)
	}
	for id := range b.memory.by {
		if strings.Contains(id, c.Value) || len(id) != 64 {
			t.Errorf("sessions are kept under %q", id)
		}
	}
	b.want(b.do("GET", "/queues/a", nil), 200, "")
	b.want(b.do("POST", "/logout", nil), 303, "/login")
	b.want(b.do("GET", "/queues/a", nil), 303, "/login?next=%2Fqueues%2Fa")
	// The cookie itself, kept by a thief, is worth nothing now.
	b.want(b.do("GET", "/queues/a", nil, "Cookie", c.Name+"="+c.Value), 303, "/login?next=%2Fqueues%2Fa")
	if len(b.memory.by) != 0 {
		t.Error("the session is still there")
	}
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(*building){
		"by time":         func(b *building) { b.now = b.now.Add(time.Hour) },
		"by new password": func(b *building) { b.gate.Operators[0].Hash, _ = Hash("another") },
		"by removal":      func(b *building) { b.gate.Operators = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := build(t, nil)
			b.want(b.login("ada", "correct horse"), 303, "/queues/intake")
			b.want(b.do("GET", "/queues/a", nil), 200, "")
			end(b)
			b.want(b.do("GET", "/queues/a", nil), 303, "/login?next=%2Fqueues%2Fa")
		})
	}
}

func TestNewLoginEndsTheOld(t *testing.T) {
	b := build(t, nil)
	first := b.login("ada", "correct horse").Cookies()[0].Value
	second := b.login("ada", "correct horse").Cookies()[0].Value
	if first == second || len(b.memory.by) != 1 {
		t.Errorf("%d sessions, the same token: %t", len(b.memory.by), first == second)
	}
}

func TestOtherSites(t *testing.T) {
	b := build(t, nil)
	b.want(b.login("ada", "correct horse", "Sec-Fetch-Site", "cross-site"), 403, "")
	b.want(b.login("ada", "correct horse", "Origin", "https://evil.example"), 403, "")
	b.want(b.login("ada", "correct horse", "Sec-Fetch-Site", "same-origin"), 303, "/queues/intake")
	b.want(b.do("POST", "/logout", nil, "Sec-Fetch-Site", "cross-site"), 403, "")
	b.want(b.do("POST", "/queues/a", nil, "Sec-Fetch-Site", "same-site"), 403, "")
}

func TestAttempts(t *testing.T) {
	b := build(t, nil)
	for range 5 {
		b.want(b.login("ada", "wrong"), 401, "")
	}
	r := b.login("ada", "correct horse")
	b.want(r, 429, "")
	if r.Header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	b.now = b.now.Add(10 * time.Second)
	b.want(b.login("ada", "correct horse"), 303, "/queues/intake")

	// One name from many addresses, by a proxy of ours.
	b = build(t, func(o *Options) {
		o.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.PerName.Burst = 3
	})
	for i := range 3 {
		b.want(b.login("ada", "wrong", "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)), 401, "")
	}
	b.want(b.login("ada", "wrong", "X-Forwarded-For", "192.0.2.9"), 429, "")
	b.want(b.login("bob", "wrong", "X-Forwarded-For", "192.0.2.9"), 401, "")
}

func TestNext(t *testing.T) {
	b := build(t, nil)
	for next, want := range map[string]string{"/queues/x?y=1": "/queues/x?y=1", "": "/queues", "//evil.example": "/queues",
		"https://evil.example/": "/queues", `/\evil.example`: "/queues", "/a\tb": "/queues", "javascript:x": "/queues", "/%2f/x": "/queues"} {
		if got := b.gate.local(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func TestHTTPS(t *testing.T) {
	b := build(t, func(o *Options) { o.PublicURL = "https://desk.example.com" })
	r := b.login("ada", "correct horse", "Origin", "https://desk.example.com")
	b.want(r, 303, "/queues/intake")
	if c := r.Cookies()[0]; !c.Secure || !strings.HasPrefix(c.Name, "__Host-") || c.Domain != "" {
		t.Errorf("the cookie is %+v", c)
	}
}

func TestSessionsDown(t *testing.T) {
	b := build(t, nil)
	b.want(b.login("ada", "correct horse"), 303, "/queues/intake")
	b.memory.err = errors.New("no answer")
	b.want(b.do("GET", "/queues/a", nil), 503, "")
	b.want(b.login("ada", "correct horse"), 503, "")
	b.want(b.do("POST", "/logout", nil), 503, "")
}

func TestHash(t *testing.T) {
	h, err := parseHash(adaHash)
	if err != nil || !h.is("correct horse") || h.is("correct horse ") || h.memory != costMemory {
		t.Errorf("%v: %s", err, adaHash)
	}
	if again, _ := Hash("correct horse"); again == adaHash {
		t.Error("two hashes of one password are the same")
	}
	for _, bad := range []string{"", "secret", "$argon2id$v=19$m=19456,t=2,p=1$AA$AA", strings.Replace(adaHash, "m=19456", "m=99999999", 1),
		strings.Replace(adaHash, "t=2", "t=0", 1), strings.Replace(adaHash, "argon2id", "argon2i", 1), adaHash + "x=", strings.Replace(adaHash, "p=1", "p=1,x=2", 1)} {
		if CheckHash(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := Hash(""); err == nil {
		t.Error("an empty password is taken")
	}
	if _, err := New(Options{Operators: []Operator{{"ada", "secret"}}}); !errors.Is(err, ErrHash) {
		t.Errorf("a gate with an open password: %v", err)
	}
}

// A hash that another program made may cost more or less than ours: a name that
// does not exist costs the same.
func TestUnknownNameCostsAsMuch(t *testing.T) {
	hashed := func(memory, time uint32) string {
		h := hash{memory: memory, time: time, lanes: 1, salt: make([]byte, saltSize)}
		h.key = h.derive("correct horse", keySize)
		return h.String()
	}
	for _, c := range []struct {
		operators    []Operator
		memory, time uint32
	}{
		{nil, costMemory, costTime},
		{[]Operator{{"ada", adaHash}}, costMemory, costTime},
		{[]Operator{{"ada", hashed(64, 1)}}, 64, 1},
		{[]Operator{{"ada", hashed(64, 1)}, {"bob", hashed(64, 3)}, {"eve", hashed(128, 1)}}, 64, 3},
	} {
		g, err := New(Options{Operators: c.operators})
		if err != nil || g.nobody.memory != c.memory || g.nobody.time != c.time || g.nobody.is("") {
			t.Errorf("%v: %+v, %v", c.operators, g.nobody, err)
		}
	}
}
