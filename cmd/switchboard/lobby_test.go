//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/brokertest"
)

// lobbyConfig is a house on a PostgreSQL that a process does not reach when it
// starts.
const lobbyConfig = `redis: { mode: single, addrs: [%q], password: "${LOBBY_REDIS}" }
database: { url: "${LOBBY_DB}", startPatience: %s }
teams: [{ id: support }]
health: { every: 200ms, timeout: 1s }
`

// absence is a database behind a line that is cut, and a config that names it.
type absence struct {
	lived // for until
	line  *wire
	dsn   string // of the database, past the line
	dir   string
}

func absent(t *testing.T, patience string) *absence {
	t.Helper()
	a := &absence{dsn: pgtest.New(t), dir: t.TempDir()}
	a.t = t
	u, err := url.Parse(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if a.line, err = newWire("lobby", toBooks, u.Host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.line.proxy.Stop() })
	a.line.cut()
	redis := brokertest.Redis(t)
	u.Host = a.line.listen
	t.Setenv("LOBBY_DB", u.String())
	t.Setenv("LOBBY_REDIS", redis.Password)
	a.place = place{Config: filepath.Join(a.dir, "lobby.yaml"), Data: filepath.Join(a.dir, "data")}
	if err := os.WriteFile(a.place.Config, fmt.Appendf(nil, lobbyConfig, redis.Addrs[0], patience), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// begin starts a role as a process; it ends with the test.
func (a *absence) begin(role string) *server {
	a.t.Helper()
	s, err := begin(a.dir, role, "--config", a.place.Config)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(s.kill)
	return s
}

// said waits for words in the log of a process.
func (a *absence) said(s *server, pattern string) []string {
	a.t.Helper()
	m, err := s.await(0, pattern)
	if err != nil {
		a.t.Fatal(err)
	}
	return m
}

// ended waits until the process ends, and returns its exit code.
func (a *absence) ended(s *server) int {
	a.t.Helper()
	select {
	case err := <-s.done:
		s.done <- err
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(scriptPatience):
		a.t.Fatalf("it does not end:\n%s", s.err.String())
		return -1
	}
}

// Processes that start while PostgreSQL is away wait for it. Meanwhile each says
// what it waits for where it will answer later, and takes nothing; when PostgreSQL
// is back they work, without a restart, and the same address goes on answering.
func TestStartWaitsForPostgres(t *testing.T) {
	a := absent(t, "10m")
	began := time.Now()
	web, work := a.begin("web"), a.begin("work")
	for _, s := range []*server{web, work} {
		s.addr = a.said(s, `msg=lobby addr=(\S+)`)[1]
		l := lived{t: t, url: "http://" + s.addr}
		status, h := l.readiness()
		if c := h.Checks["database"]; status != 503 || h.Status != "failing" || len(h.Checks) != 1 || c.State != "down" || !c.Needed ||
			c.Error != "cannot be reached" || c.Since.Before(began.Add(-time.Second)) || c.Since.After(time.Now()) {
			t.Errorf("readyz: %d %+v", status, h)
		}
		if a := l.ask("", "GET", "/healthz", "").want(t, 200); a.text("status") != "ok" {
			t.Errorf("healthz: %s", a.raw)
		}
		if text := string(l.ask("", "GET", "/metrics", "").want(t, 200).raw); !strings.Contains(text, "\nswitchboard_dependency_up{dependency=\"database\"} 0\n") ||
			!strings.Contains(text, "switchboard_build_info{") || !strings.Contains(text, "\ngo_goroutines ") {
			t.Errorf("metrics: %s", text)
		}
		no := l.ask("any", "POST", "/v1/tickets", `{"title":"early"}`).want(t, 503)
		if after, err := strconv.Atoi(no.header.Get("Retry-After")); err != nil || after < 1 || no.text("detail") == "" {
			t.Errorf("Retry-After %q, %s", no.header.Get("Retry-After"), no.raw)
		}
	}
	if err := a.line.heal(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*server{web, work} {
		a.said(s, `msg="PostgreSQL answers" after=`)
		if n := strings.Count(s.err.String(), "PostgreSQL is away"); n != 1 {
			t.Errorf("the log says %d times that PostgreSQL is away:\n%s", n, s.err.String())
		}
		l := lived{t: t, url: "http://" + s.addr}
		l.until(func() string {
			if status, h := l.readiness(); status != 200 || h.Status != "ok" || len(h.Checks) < 3 {
				return fmt.Sprintf("%d %+v, want all well", status, h)
			}
			return ""
		})
		if text := string(l.ask("", "GET", "/metrics", "").want(t, 200).raw); !strings.Contains(text, "\nswitchboard_dependency_up{dependency=\"database\"} 1\n") ||
			strings.Count(text, "\nswitchboard_build_info{") != 1 {
			t.Errorf("metrics: %s", text)
		}
	}

	h, err := books(t.Context(), a.place, streams{strings.NewReader(""), t.Output(), t.Output(), os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	defer h.store.Close()
	key, err := h.createKey(t.Context(), "lobby", desk.RoleIntegration)
	if err != nil {
		t.Fatal(err)
	}
	l := lived{t: t, url: "http://" + web.addr}
	where := l.ask(key, "POST", "/v1/tickets", `{"title":"late"}`, "Prefer", "respond-async").want(t, 202).header.Get("Location")
	l.until(func() string {
		if got := l.ask(key, "GET", where, ""); got.text("state") != "filed" {
			return fmt.Sprintf("not filed: %s", got.raw)
		}
		return ""
	})
	for _, s := range []*server{web, work} {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	}
}

// SIGTERM ends a process that waits, with exit code 0.
func TestStartThatWaitsEndsOnSIGTERM(t *testing.T) {
	a := absent(t, "10m")
	for _, role := range []string{"serve", "listen"} {
		s := a.begin(role)
		a.said(s, `msg=lobby addr=`)
		if err := s.end(); err != nil {
			t.Error(err)
		}
	}
}

// What is not cured by waiting, or not soon enough, ends a start with exit code 1
// and the reason.
func TestStartGivesUp(t *testing.T) {
	a := absent(t, "3s")
	s := a.begin("web")
	waited := regexp.MustCompile(`waited \d+s for PostgreSQL \(database\.startPatience\)`)
	if code, said := a.ended(s), s.err.String(); code != 1 || !waited.MatchString(said) ||
		!strings.Contains(said, "refused") || !strings.Contains(said, "msg=lobby") {
		t.Errorf("patience ended with %d: %s", code, said)
	}

	config, err := os.ReadFile(a.place.Config)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(patience string) {
		t.Helper()
		if err := os.WriteFile(a.place.Config, []byte(strings.Replace(string(config), "startPatience: 3s", "startPatience: "+patience, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("0s")
	s = a.begin("work")
	if code, said := a.ended(s), s.err.String(); code != 1 || !strings.Contains(said, "refused") || strings.Contains(said, "away") {
		t.Errorf("without patience it ended with %d: %s", code, said)
	}

	rewrite("10m")
	u, err := url.Parse(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	right := *u
	u.User = url.UserPassword(u.User.Username(), "wrong")
	right.Path = "/nowhere"
	for url, reason := range map[string]string{u.String(): "password authentication failed", right.String(): "does not exist"} {
		t.Setenv("LOBBY_DB", url)
		s = a.begin("web")
		if code, said := a.ended(s), s.err.String(); code != 1 || !strings.Contains(said, reason) || strings.Contains(said, "away") {
			t.Errorf("want %q: it ended with %d: %s", reason, code, said)
		}
	}
}

// A try that fails after the connection, too, is made again, and nothing of it is
// left; nobody answers HTTP twice.
func TestStartTriesAllOfItAgain(t *testing.T) {
	a := absent(t, "10m")
	if err := a.line.heal(); err != nil {
		t.Fatal(err)
	}
	var tries []*house
	err := role(t.Context(), a.place, streams{strings.NewReader(""), t.Output(), t.Output(), os.LookupEnv}, part{
		addr: opsAt("127.0.0.1:0"),
		first: func(_ context.Context, h *house) error {
			if tries = append(tries, h); len(tries) == 1 {
				return fmt.Errorf("went away again: %w", desk.ErrUnavailable)
			}
			return nil
		},
		run: func(ctx context.Context, h *house) error {
			if h.lobby == nil || h.lobby.taken.Load() {
				return errors.New("there is no lobby to take over")
			}
			resp, err := http.Get("http://" + h.lobby.listener.Addr().String() + "/readyz")
			if err != nil {
				return err
			}
			resp.Body.Close()
			return errSaid
		},
	})
	if !errors.Is(err, errSaid) || len(tries) != 2 {
		t.Fatalf("%d tries: %v", len(tries), err)
	}
	for n, h := range tries {
		if err := h.store.Ping(t.Context()); err == nil {
			t.Errorf("try %d left its books open", n+1)
		}
	}
	if _, err := http.Get("http://" + tries[1].lobby.listener.Addr().String() + "/readyz"); err == nil {
		t.Error("the lobby is still open")
	}
}
