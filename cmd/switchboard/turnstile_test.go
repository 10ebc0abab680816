package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// late is a ledger in which one source is an hour behind.
type late struct{}

func (late) Waiting(_ context.Context, most int) ([]desk.Backlog, error) {
	return []desk.Backlog{{Source: "late", Count: most, Oldest: time.Now().Add(-time.Hour)}}, nil
}

func TestTurnstile(t *testing.T) {
	set := workers.DefaultSettings()
	set.PendingBytes, set.ShedAfter = 100, time.Minute
	log := slog.New(slog.DiscardHandler)
	p := workers.NewPressure(late{}, nil, nil, time.Now, log, set)
	if err := p.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := workers.NewIntake(workers.Parts{Pressure: p, Now: time.Now, Log: log, Settings: set})
	defer in.Stop()
	g := turnstile{intake: in, most: 1000}
	inside, leave := make(chan bool), make(chan bool)
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Stay") != "" {
			inside <- true
			<-leave
		}
	})
	ask := func(method, source, body string, stay bool) *http.Response {
		r := httptest.NewRequest(method, "/hooks/"+source, strings.NewReader(body))
		if stay {
			r.Header.Set("Stay", "yes")
		}
		w := httptest.NewRecorder()
		g.before(source, door).ServeHTTP(w, r)
		return w.Result()
	}
	busy := func(what string, resp *http.Response, want bool) {
		t.Helper()
		body, _ := io.ReadAll(resp.Body)
		if !want {
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %s", what, resp.StatusCode, body)
			}
			return
		}
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" ||
			resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(body), `"status":503`) {
			t.Errorf("%s: %d %v %s", what, resp.StatusCode, resp.Header, body)
		}
	}
	busy("a source that is behind", ask("POST", "late", "x", false), true)
	busy("what reads", ask("GET", "late", "", false), false)
	busy("another source", ask("POST", "other", "x", false), false)
	done := make(chan bool)
	go func() { ask("POST", "other", strings.Repeat("x", 60), true); close(done) }()
	<-inside
	busy("beyond the bytes", ask("POST", "other", strings.Repeat("x", 60), false), true)
	busy("what fits beside", ask("POST", "other", strings.Repeat("x", 30), false), false)
	leave <- true
	<-done
	busy("when there is room again", ask("POST", "other", strings.Repeat("x", 60), false), false)
	if got := in.Shedding(); len(got) != 2 || got["late"] != "shedAfter" || got["other"] != "pendingBytes" {
		t.Errorf("shedding: %v", got)
	}
	busy("larger than all, and alone", ask("POST", "other", strings.Repeat("x", 500), false), false)
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
