package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// street is a whole house, all its roles at work in this process, and the other
// sides of all its doors.
type street struct {
	*lived
	*demoDoors
	key string // of an agent
}

// openStreet opens the demo's house on the demo's config.
func openStreet(t *testing.T) *street {
	t.Helper()
	return openStreetOn(t, string(demoConfig))
}

// openStreetOn is openStreet on a config of its own; secrets are names and
// values for its environment.
func openStreetOn(t *testing.T, config string, secrets ...string) *street {
	t.Helper()
	doors, err := openDoors()
	t.Cleanup(doors.close)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(secrets); i += 2 {
		doors.secrets[secrets[i]] = secrets[i+1]
	}
	dir := t.TempDir()
	l := &lived{t: t, place: place{Config: filepath.Join(dir, "demo.yaml"), Data: dir}}
	if err := os.WriteFile(l.place.Config, []byte(patient(config)), 0o600); err != nil {
		t.Fatal(err)
	}
	if l.house, err = open(t.Context(), l.place, streams{strings.NewReader(""), io.Discard, t.Output(), doors.env}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.house.close)
	s := &street{lived: l, demoDoors: doors}
	s.key = s.newKey(desk.RoleAgent)
	return s
}

// run starts all roles; they end with the test.
func (s *street) run() {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	up, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- s.serve(ctx, "127.0.0.1:0", func(addr string) { up <- addr }) }()
	select {
	case addr := <-up:
		s.url = "http://" + addr
	case err := <-done:
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.t.Errorf("serve ended with %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	if err := s.slack.Connect(s.t.Context(), s.url+"/hooks/slack/acme-slack"); err != nil {
		s.t.Fatal(err)
	}
}

// until asks until cond says nothing is missing any more.
func (l *lived) until(cond func() (missing string)) {
	l.t.Helper()
	deadline := time.Now().Add(scriptPatience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := cond()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatal(missing)
		}
		<-tick.C
	}
}

// filed waits until n messages are in the ledger and all of them are settled.
func (s *street) filed(n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), scriptPatience)
	defer cancel()
	if err := s.settled(ctx, int64(n)); err != nil {
		s.t.Fatal(err)
	}
	if receipts, _, _ := s.kept(); receipts != n {
		s.t.Fatalf("%d messages are in the ledger, want %d", receipts, n)
	}
}

// only returns the only ticket.
func (s *street) only() *desk.Ticket {
	s.t.Helper()
	tickets, _, err := s.store.Tickets(s.t.Context(), desk.TicketFilter{Limit: 10})
	if err != nil || len(tickets) != 1 {
		s.t.Fatalf("%d tickets, want 1 (%v)", len(tickets), err)
	}
	return tickets[0]
}

// said are the messages on a ticket, oldest first.
func (s *street) said(t *desk.Ticket) []desk.Message {
	s.t.Helper()
	messages, _, err := s.store.Messages(s.t.Context(), t.ID, desk.MaxPage, "", false)
	if err != nil {
		s.t.Fatal(err)
	}
	return messages
}

// comment lets the agent say something.
func (s *street) comment(t *desk.Ticket, text string, public bool) desk.MessageID {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"content": text, "isPublic": public})
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.ask(s.key, "POST", "/v1/tickets/"+string(t.ID)+"/comments", string(body)).want(s.t, 201)
	return desk.MessageID(a.text("id"))
}

// file is the only file of the only comment, as the agent gets it.
func (s *street) file(id desk.MessageID) reply {
	s.t.Helper()
	path := "/v1/tickets/" + string(s.only().ID) + "/comments"
	var page struct {
		Items []struct {
			ID          desk.MessageID
			Attachments []struct{ URL string }
		}
	}
	a := s.ask(s.key, "GET", path, "").want(s.t, 200)
	if err := json.Unmarshal(a.raw, &page); err != nil {
		s.t.Fatal(err)
	}
	if len(page.Items) != 1 || page.Items[0].ID != id || len(page.Items[0].Attachments) != 1 {
		s.t.Fatalf("the comments are %s", a.raw)
	}
	return s.ask(s.key, "GET", page.Items[0].Attachments[0].URL, "").want(s.t, 200)
}

// sent waits until a comment went out.
func (s *street) sent(id desk.MessageID) *desk.Message {
	s.t.Helper()
	var m *desk.Message
	s.until(func() string {
		var err error
		if m, err = s.store.Message(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
		switch m.Send {
		case desk.SendSent:
			return ""
		case desk.SendFailed, desk.SendNone:
			s.t.Fatalf("the answer is %q: %s", m.Send, m.SendError)
		}
		return fmt.Sprintf("the answer is still %s: %s", m.Send, m.SendError)
	})
	return m
}

// bytes reads a blob.
func (s *street) bytes(ref desk.BlobRef) []byte {
	s.t.Helper()
	r, err := s.blobs.Open(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}
