package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// late is a ledger in which one source is an hour behind.
type late struct{}

func (late) Waiting(_ context.Context, most int) ([]desk.Backlog, error) {
	return []desk.Backlog{{Source: "late", Count: most, Oldest: time.Now().Add(-time.Hour)}}, nil
}

// reader is a door that reads all of a request, as most do.
func reader(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	switch {
	case errors.Is(err, desk.ErrBusy):
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func TestTurnstile(t *testing.T) {
	set := workers.DefaultSettings()
	set.PendingBytes, set.PendingBytesPerSource, set.ShedAfter = 1000, 500, time.Minute
	log := slog.New(slog.DiscardHandler)
	p := workers.NewPressure(late{}, nil, nil, time.Now, log, set)
	if err := p.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := workers.NewIntake(workers.Parts{Pressure: p, Now: time.Now, Log: log, Settings: set})
	defer in.Stop()
	g := turnstile{in}
	inside, leave := make(chan bool), make(chan bool)
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Unread") != "" {
			return
		}
		reader(w, r)
		if r.Header.Get("Stay") != "" {
			inside <- true
			<-leave
		}
	})
	ask := func(method, source string, bytes int, header string) *http.Response {
		r := httptest.NewRequest(method, "/hooks/"+source, strings.NewReader(strings.Repeat("x", bytes)))
		if header != "" {
			r.Header.Set(header, "yes")
		}
		w := httptest.NewRecorder()
		g.before(source, door).ServeHTTP(w, r)
		return w.Result()
	}
	status := func(what string, resp *http.Response, want int) {
		t.Helper()
		if resp.StatusCode != want || resp.Header.Get("Connection") != "" {
			t.Errorf("%s: %d %v, want %d", what, resp.StatusCode, resp.Header, want)
		}
	}
	status("a source that is behind", ask("POST", "late", 1, ""), 503)
	status("and says nothing", ask("POST", "late", 0, ""), 503)
	status("what reads", ask("GET", "late", 0, ""), 200)
	status("what is not read", ask("POST", "late", 1, "Unread"), 200)
	status("another source", ask("POST", "other", 1, ""), 200)
	done := make(chan bool)
	go func() { ask("POST", "other", 400, "Stay"); close(done) }()
	<-inside
	status("beyond the share", ask("POST", "other", 101, ""), 503)
	status("what fits beside", ask("POST", "other", 100, ""), 200)
	status("another has its own", ask("POST", "third", 350, ""), 200)
	status("and no more than all doors have", ask("POST", "third", 351, ""), 503)
	leave <- true
	<-done
	status("when there is room again", ask("POST", "third", 351, ""), 200)
	if got := in.Shedding(); len(got) != 3 || got["late"] != "shedAfter" || got["other"] != "pendingBytesPerSource" || got["third"] != "pendingBytes" {
		t.Errorf("shedding: %v", got)
	}
	status("larger than all, and alone", ask("POST", "other", 5000, ""), 200)
}

// A body counts as it arrives, in steps; one whose rest nobody will read ends its
// connection.
func TestABodyCountsAsItArrives(t *testing.T) {
	set := workers.DefaultSettings()
	set.PendingBytes, set.PendingBytesPerSource = 16*bodyStep, 4*bodyStep
	in := workers.NewIntake(workers.Parts{Now: time.Now, Log: slog.New(slog.DiscardHandler), Settings: set})
	defer in.Stop()
	g := turnstile{in}
	room := func(want int64) {
		t.Helper()
		v := in.Visit("hook")
		defer v.End()
		if v.Hold(want) != nil {
			t.Errorf("there is no room for %d", want)
		}
		if v.Hold(want+1) == nil {
			t.Errorf("there is room for more than %d", want)
		}
	}
	first := in.Visit("hook")
	defer first.End()
	if err := first.Hold(1); err != nil { // or the others would be alone
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.before("hook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := func(n int64) error { _, err := io.CopyN(io.Discard, r.Body, n); return err }
		for _, err := range []error{read(10), read(bodyStep - 10)} {
			if err != nil {
				t.Error(err)
			}
			room(3*bodyStep - 1)
		}
		if err := read(1); err != nil {
			t.Error(err)
		}
		room(2*bodyStep - 1)
		channels.Passed(r.Body, bodyStep) // into a blob
		if err := read(bodyStep); err != nil {
			t.Error(err)
		}
		room(2*bodyStep - 1)
		if err := read(9 * bodyStep); !errors.Is(err, desk.ErrBusy) {
			t.Errorf("beyond the share: %v", err)
		}
		if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, desk.ErrBusy) {
			t.Errorf("and again: %v", err)
		}
	})).ServeHTTP(w, httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(strings.Repeat("x", 20*bodyStep))))) // of no known length
	if w.Result().Header.Get("Connection") != "close" {
		t.Error("the connection stays open for the rest")
	}
	room(4*bodyStep - 1)
}

// /readyz names who is told to come again later, with 200: a door that refuses one
// source is there for the others.
func TestReadyzNamesWhoIsRefused(t *testing.T) {
	l := live(t, "intake: { bulkAfter: 1, shedAfter: 1ms }\n")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	l.ask("", "GET", "/readyz", "").want(t, 200)
	d := &desk.Draft{Source: "api", Channel: desk.API, Scope: "api", ExternalID: "1", Fingerprint: "1", Subject: "waits", ReceivedAt: time.Now()}
	if _, err := l.intake.Submit(t.Context(), nil, d); err != nil { // nobody works here
		t.Fatal(err)
	}
	l.until(func() string {
		a := l.ask("", "GET", "/readyz", "").want(t, 200)
		if shedding, _ := a.json["shedding"].(map[string]any); shedding["api"] != "shedAfter" || a.json["status"] != "degraded" {
			return string(a.raw)
		}
		return ""
	})
	l.ask(key, "POST", "/v1/tickets", `{"title":"x","requester":{"email":"a@b.example"}}`).want(t, 503)
	f := l.families()
	if n := f["switchboard_refused_total"].values["limit=shedAfter,source=api"]; n < 1 {
		t.Errorf("refused: %v", f["switchboard_refused_total"].values)
	}
}
