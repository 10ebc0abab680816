package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

const slowHook = `
limits: { pendingBytes: 4MB, pendingBytesPerSource: 1MB }
sources:
  - name: hook
    channel: chat
    chat: { signature: { scheme: standard-webhooks, secret: "file:%s" }, mapping: { text: body.text, id: body.id, from: body.from } }
`

// Six anonymous requests without a length, each slower than slow, take the room of
// what they sent, and of nobody else.
func TestSlowRequestsKeepNobodyOut(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := live(t, fmt.Sprintf(slowHook, secret))
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	at, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	type slow struct {
		net.Conn
		read *bufio.Reader
	}
	say := func(s slow, text string) {
		t.Helper()
		if _, err := io.WriteString(s, text); err != nil {
			t.Fatal(err)
		}
	}
	var all []slow
	for range 6 {
		c, err := net.DialTimeout("tcp", at.Host, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s := slow{c, bufio.NewReader(c)}
		say(s, "POST /hooks/chat/hook HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
		if line, err := s.read.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // the door begins to read
			t.Fatalf("%q %v", line, err)
		}
		s.read.ReadString('\n')
		say(s, "1\r\n{\r\n")
		all = append(all, s)
	}
	made := func() {
		t.Helper()
		l.ask(key, "POST", "/v1/tickets", sampleTicket, "Prefer", "respond-async").want(t, 202)
		d := &desk.Draft{Source: "box", Channel: desk.Email, Scope: "box", ExternalID: "1", Fingerprint: "1", Subject: "a mail", ReceivedAt: time.Now()}
		if _, err := l.intake.Submit(t.Context(), nil, d); err != nil {
			t.Errorf("a mailbox: %v", err)
		}
	}
	made()
	// They send what they have, more than the share of their source: who comes too
	// late hears so, and only at that door.
	busy := make(chan string, len(all))
	for _, s := range all {
		go func() {
			chunk := fmt.Sprintf("%x\r\n%s\r\n", 400<<10, strings.Repeat(" ", 400<<10))
			io.WriteString(s, chunk) // until it is told to stop
			resp, err := http.ReadResponse(s.read, nil)
			if err != nil {
				busy <- err.Error()
				return
			}
			busy <- fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Retry-After"))
		}()
	}
	for range 4 { // two have room
		if got := <-busy; got != "503 5" {
			t.Errorf("beyond the share: %s", got)
		}
	}
	made()
	f := l.families()
	if n := f["switchboard_refused_total"].values["limit=pendingBytesPerSource,source=hook"]; n < 4 {
		t.Errorf("refused: %v", f["switchboard_refused_total"].values)
	}
	if n := f["switchboard_refused_total"].values["limit=pendingBytes,source=hook"]; n != 0 {
		t.Errorf("%v refused because the house is full", n)
	}
}

// Each door tells who comes to a full house to try again, in its own words.
func TestFullDoorsSayTryAgain(t *testing.T) {
	s := openStreet(t)
	s.run()
	full := func(source string) (leave func()) {
		t.Helper()
		v := s.intake.Visit(source)
		if err := v.Hold(64 << 20); err != nil {
			t.Fatal(err)
		}
		return v.End
	}
	post := func(source, path, media, body string) (*http.Response, string) {
		t.Helper()
		defer full(source)()
		resp, err := http.Post(s.url+path, media, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", path, resp.StatusCode, resp.Header, text)
		}
		return resp, string(text)
	}
	post("acme-slack", "/hooks/slack/acme-slack/events", "application/json", "{}")
	post("telegram", "/hooks/chat/telegram", "application/json", "{}")
	if resp, page := post("site", "/forms/site/contact", "application/x-www-form-urlencoded", "name=Ann"); !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(page, "reload this page") || !strings.Contains(page, "Contact us") {
		t.Errorf("the form says %v %s", resp.Header, page)
	}
	if resp, text := post("site", "/forms/site/contact.json", "application/json", "{}"); resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(text, "once more") {
		t.Errorf("the form's JSON says %v %s", resp.Header, text)
	}
	defer full("api")()
	defer full("teams")()
	if a := s.ask(s.key, "POST", "/v1/tickets", sampleTicket).want(t, 503); a.header.Get("Retry-After") == "" || a.text("detail") != "busy: nothing was taken, try again" {
		t.Errorf("the API says %v %s", a.header, a.raw)
	}
	s.ask("", "POST", "/v1/tickets", sampleTicket).want(t, 401) // who is nobody takes no room
	answer, err := s.teams.Deliver(t.Context(), s.url+"/hooks/msteams/teams/messages", s.teams.Message(s.teams.Channel(), s.teams.Person("Ada", "ada@customer.example"), "hello"))
	if err != nil || answer.Status != 503 {
		t.Errorf("Teams hears %d, %v", answer.Status, err)
	}
	if receipts, _, _ := s.kept(); receipts != 0 {
		t.Errorf("%d messages are in the ledger", receipts)
	}
}
