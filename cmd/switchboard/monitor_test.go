package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/channels/inbox/gate"
	"switchboard/channels/webform/webformtest"
	"switchboard/pipeline/desk"
)

// watched is a house with an operator named ada.
func watched(t *testing.T) *lived {
	t.Helper()
	hash, err := gate.Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := &lived{t: t, place: place{Config: dir + "/switchboard.yaml", Data: dir + "/data"}}
	l.write("operators: { accounts: [{ name: ada, password: '${HASH}' }] }\n")
	h, err := open(t.Context(), l.place, streams{strings.NewReader(""), io.Discard, t.Output(), func(name string) (string, bool) { return hash, name == "HASH" }})
	if err != nil {
		t.Fatal(err)
	}
	l.house = h
	t.Cleanup(l.close)
	l.answer()
	return l
}

func TestQueuesAreOffWithoutOperators(t *testing.T) {
	l := live(t, "")
	l.answer()
	for _, path := range []string{"/queues", "/queues/", "/queues/api/queues", "/login"} {
		if got := statusOf(t, http.MethodGet, l.url+path, nil); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %d", path, got.StatusCode)
		}
	}
}

func TestQueuesAreBehindTheLogin(t *testing.T) {
	l := watched(t)
	for path, want := range map[string]string{"/queues": "/login?next=%2Fqueues", "/queues/api/queues": "/login?next=%2Fqueues%2Fapi%2Fqueues",
		"/queues/static/js/main.5adda2da.chunk.js": "/login?next=%2Fqueues%2Fstatic%2Fjs%2Fmain.5adda2da.chunk.js"} {
		if r := statusOf(t, http.MethodGet, l.url+path, nil); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	r := statusOf(t, http.MethodPost, l.url+"/login", url.Values{"name": {"ada"}, "password": {"correct horse"}})
	if r.StatusCode != http.StatusSeeOther || len(r.Cookies()) != 1 {
		t.Fatalf("login: %d", r.StatusCode)
	}
	cookie := r.Cookies()[0]
	if r := statusOf(t, http.MethodGet, l.url+"/queues", nil, cookie); r.StatusCode != http.StatusOK {
		t.Errorf("with a session: %d", r.StatusCode)
	}
	// It only shows.
	for _, path := range []string{"/queues/api/queues/intake:pause", "/queues/api/queues/intake/pending_tasks:batch_delete"} {
		if r := statusOf(t, http.MethodPost, l.url+path, nil, cookie); r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, r.StatusCode)
		}
	}
}

// statusOf makes a request and follows nothing.
func statusOf(t *testing.T, method, target string, form url.Values, cookies ...*http.Cookie) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// TestQueuesInABrowser logs in as a person does and looks at a task that waits:
// the queue is there, and of the message only its receipt.
func TestQueuesInABrowser(t *testing.T) {
	b := webformtest.Start(t)
	l := watched(t)
	draft := &desk.Draft{Source: "support", Channel: desk.Email, Scope: "email", ExternalID: "<1@x>", Fingerprint: "f",
		From: desk.Party{Name: "Grace Hopper", Handle: "grace@example.org"}, Subject: "My secret", Text: "Only for you", ReceivedAt: l.now()}
	ids, err := l.intake.Submit(t.Context(), nil, draft)
	if err != nil {
		t.Fatal(err)
	}
	inspector := asynq.NewInspector(l.broker.AsynqOpt())
	defer inspector.Close()
	for end := time.Now().Add(scriptPatience); ; time.Sleep(10 * time.Millisecond) {
		if info, err := inspector.GetQueueInfo("intake"); err == nil && info.Pending == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no task was queued")
		}
	}

	p := b.Page(webformtest.Look{NoScript: true}) // the login needs no script
	p.Open(l.url + "/queues/queues/intake?status=pending")
	p.Shows(`#password`)
	p.Fill(`#name`, "ada")
	p.Fill(`#password`, "correct hose")
	p.Click(`button`)
	p.Shows(`#problem`)
	p.Fill(`#password`, "correct horse")
	p.Click(`button`)
	p.Wait(`location.pathname === "/queues/queues/intake"`)

	p = b.Page(webformtest.Look{Width: 1400, Height: 900})
	p.Open(l.url + "/queues")
	p.Wait(`document.body.innerText.includes("intake")`)
	p.Open(l.url + "/queues/queues/intake?status=pending")
	p.Wait(`document.body.innerText.includes("intake:process")`)
	text := p.Text(`document.body.innerText`)
	if !strings.Contains(strings.ReplaceAll(text, "\n", ""), string(ids[0])) {
		t.Errorf("the receipt is not shown:\n%s", text)
	}
	for _, private := range []string{"Grace", "grace@", "secret", "Only for you"} {
		if strings.Contains(text, private) {
			t.Errorf("%q is shown", private)
		}
	}
}

func TestLoginPageIsAccessible(t *testing.T) {
	b := webformtest.Start(t)
	script := webformtest.Axe(t)
	l := watched(t)
	for _, look := range []webformtest.Look{{}, {Dark: true, Width: 360, Height: 640}} {
		p := b.Page(look)
		p.Open(l.url + "/login")
		p.Shows(`#password`)
		for _, f := range p.Check(script) {
			t.Errorf("the login page: %s", f)
		}
	}
}
