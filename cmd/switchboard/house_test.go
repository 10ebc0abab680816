package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"switchboard/channels/email"
	"switchboard/pipeline/desk"
)

// lived is a real house in this process: books, queue and line, in a folder of
// its own.
type lived struct {
	*house
	t     *testing.T
	place place
	url   string // of HTTP, once answering
	later atomic.Int64
	well  time.Time // when all its dependencies were last seen up
}

// noEnv is an environment without variables.
func noEnv(string) (string, bool) { return "", false }

// liveIn opens a house on a config in dir.
func liveIn(t *testing.T, dir, config string) *lived {
	t.Helper()
	l := &lived{t: t, place: place{Config: filepath.Join(dir, "switchboard.yaml"), Data: filepath.Join(dir, "data")}}
	l.write(config)
	h, err := open(t.Context(), l.place, streams{strings.NewReader(""), io.Discard, t.Output(), noEnv})
	if err != nil {
		t.Fatal(err)
	}
	h.now = func() time.Time { return time.Now().Add(time.Duration(l.later.Load())) }
	l.house = h
	return l
}

// live is liveIn a new folder; the house is closed with the test.
func live(t *testing.T, config string) *lived {
	t.Helper()
	l := liveIn(t, t.TempDir(), config)
	t.Cleanup(l.close)
	return l
}

// patient is a config under which a ticket is waited for until it is there, however slow
// the machine is: else it would be answered 202.
func patient(config string) string {
	if strings.Contains(config, "intake:") {
		return config
	}
	return config + "\nintake: { fileTimeout: 2m }\n"
}

// write replaces the config file.
func (l *lived) write(config string) {
	l.t.Helper()
	if err := os.WriteFile(l.place.Config, []byte(patient("redis: { mode: embedded }\nlog: { level: warn }\n"+config)), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// answer starts HTTP on a free port; it ends with the test.
func (l *lived) answer() {
	l.t.Helper()
	ctx, stop := context.WithCancel(l.t.Context())
	up, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- l.runWeb(ctx, "127.0.0.1:0", func(addr string) { up <- addr }) }()
	select {
	case addr := <-up:
		l.url = "http://" + addr
	case err := <-done:
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			l.t.Errorf("HTTP ended with %v", err)
		}
	})
}

// newKey makes a key of a role.
func (l *lived) newKey(role desk.Role) string {
	l.t.Helper()
	secret, err := l.createKey(l.t.Context(), "the "+string(role), role)
	if err != nil {
		l.t.Fatal(err)
	}
	return secret
}

// mail accepts a mail as its mailbox would and runs it through the line; change
// may alter the draft before.
func (l *lived) mail(text string, change func(*desk.Draft)) desk.Receipt {
	l.t.Helper()
	r, err := l.tryMail(text, change)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// tryMail is mail for any goroutine.
func (l *lived) tryMail(text string, change func(*desk.Draft)) (desk.Receipt, error) {
	source := desk.Source{Name: "support", Channel: desk.Email}
	d, err := email.Parse(l.t.Context(), strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n")), l.blobs, source, l.secret, l.now())
	if err != nil {
		return desk.Receipt{}, err
	}
	if change != nil {
		change(d)
	}
	return l.intake.FileNow(l.t.Context(), d)
}

func (l *lived) receipt(id desk.ReceiptID) desk.Receipt {
	l.t.Helper()
	r, err := l.store.Receipt(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// kept counts what the books hold: receipts, tickets and messages.
func (l *lived) kept() (receipts, tickets, messages int) {
	l.t.Helper()
	counts, err := l.store.Counts(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, n := range counts {
		receipts += int(n)
	}
	for cursor := ""; ; {
		page, next, err := l.store.Tickets(l.t.Context(), desk.TicketFilter{Limit: desk.MaxPage, Cursor: cursor})
		if err != nil {
			l.t.Fatal(err)
		}
		tickets += len(page)
		for _, k := range page {
			messages += k.MessageCount
		}
		if cursor = next; cursor == "" {
			return receipts, tickets, messages
		}
	}
}

// reply is an HTTP answer, read.
type reply struct {
	status int
	header http.Header
	raw    []byte
	json   map[string]any
}

// ask sends a request; headers come in pairs. An answer of 400 and above must
// be a problem of RFC 9457.
func (l *lived) ask(key, method, path, body string, headers ...string) reply {
	l.t.Helper()
	a, err := ask(l.t.Context(), key, method, l.url+path, body, headers...)
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

func ask(ctx context.Context, key, method, url, body string, headers ...string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptPatience)
	defer cancel()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return reply{}, err
	}
	if key != "" {
		req.Header.Set("x-api-key", key)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	a := reply{status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.raw, &a.json); err != nil {
			return a, fmt.Errorf("%s %s: %w: %s", method, url, err, a.raw)
		}
	}
	if ct := resp.Header.Get("Content-Type"); a.status >= 400 && (ct != "application/problem+json" || a.json["status"] != float64(a.status)) {
		return a, fmt.Errorf("%s %s: %d is no problem: %q %s", method, url, a.status, ct, a.raw)
	}
	return a, nil
}

func (a reply) want(t *testing.T, status int) reply {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d, want %d: %.500s", a.status, status, a.raw)
	}
	return a
}

func (a reply) text(field string) string {
	s, _ := a.json[field].(string)
	return s
}

// names reports whether a problem names the field.
func (a reply) names(field string) bool {
	errs, _ := a.json["errors"].([]any)
	for _, e := range errs {
		if m, ok := e.(map[string]any); ok && m["field"] == field {
			return true
		}
	}
	return false
}

// command runs a command line in this process and returns its exit code and
// what it wrote.
func command(t *testing.T, in io.Reader, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	if in == nil {
		in = strings.NewReader("")
	}
	code = run(t.Context(), args, streams{in, &o, &e, noEnv})
	return code, o.String(), e.String()
}
