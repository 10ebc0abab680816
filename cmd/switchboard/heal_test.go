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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/brokertest"
)

// healConfig is a house on servers that go away.
const healConfig = `redis: { mode: single, addrs: [%q], password: "${REDIS}" }
database: { url: "${DB}" }
log: { level: error }
teams: [{ id: support }]
limits: { requestsPerKey: { rate: 1000, burst: 1000 } }
health: { every: 200ms, timeout: 1s }
intake: { sweepEvery: 200ms, sweepAfter: 500ms, sweepAgain: 2s, fileTimeout: 2s }
`

// Every dependency goes away and comes back under a house that runs on: /readyz
// and /metrics show it, the door stays open without Redis, and afterwards all is
// well without a restart and nothing is lost or doubled.
func TestHeals(t *testing.T) {
	pg, redis := pgtest.Start(t), brokertest.StartRedis(t)
	dir := t.TempDir()
	l := &lived{t: t, place: place{Config: filepath.Join(dir, "heal.yaml"), Data: dir}}
	config := fmt.Appendf(nil, healConfig, redis.Options.Addrs[0])
	secrets := map[string]string{"REDIS": redis.Options.Password, "DB": pg.Database(t)}
	err := os.WriteFile(l.place.Config, config, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if l.house, err = open(t.Context(), l.place, streams{strings.NewReader(""), io.Discard, t.Output(), func(name string) (string, bool) { v, ok := secrets[name]; return v, ok }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.house.close)
	l.serveAll()
	key := l.newKey(desk.RoleIntegration)
	l.healthy()

	calls := l.callOn(key)
	redis.Kill()
	l.unhealthy(200, api.HealthDegraded, "queue")
	calls.more(20) // the door is open, and what it takes is filed without Redis
	l.until(func() string {
		if p, err := l.store.Pulse(t.Context()); err != nil || p.Oldest.Before(time.Now().Add(-5*time.Second)) && !p.Oldest.IsZero() {
			return fmt.Sprintf("without Redis nothing is filed: the oldest waits since %v (%v)", p.Oldest, err)
		}
		return ""
	})
	redis.Restart()
	l.healthy()
	calls.more(20)

	pg.Stop(t)
	l.unhealthy(503, api.HealthFailing, "database")
	if f := l.families(); len(f["switchboard_ledger_receipts"].values) > 0 {
		t.Errorf("the ledger is counted without a database: %v", f["switchboard_ledger_receipts"].values)
	}
	pg.Restart(t)
	l.healthy()
	calls.more(20)
	pg.Crash(t)
	redis.Kill()
	l.unhealthy(503, api.HealthFailing, "database", "queue")
	redis.Restart()
	pg.Restart(t)
	l.healthy()
	calls.more(20)
	redis.FlushAll()
	calls.more(20)

	taken := calls.end()
	l.until(func() string {
		if receipts, tickets, messages := l.kept(); receipts != taken || tickets != taken || messages != taken {
			return fmt.Sprintf("%d calls were answered, and there are %d receipts, %d tickets, %d messages", taken, receipts, tickets, messages)
		}
		return ""
	})
	if p, err := l.store.Pulse(t.Context()); err != nil || p.Receipts[desk.Failed]+p.Receipts[desk.Held]+p.Receipts[desk.Accepted] > 0 {
		t.Errorf("%+v (%v)", p, err)
	}
	t.Logf("%d calls answered, %d of them only when asked again", taken, calls.again.Load())
}

// readiness asks /readyz.
func (l *lived) readiness() (int, api.Health) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), scriptPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", l.url+"/readyz", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	var h api.Health
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, h
}

// healthy waits until everything is up, in /readyz and in the metrics.
func (l *lived) healthy() {
	l.t.Helper()
	l.until(func() string {
		l.well = time.Now()
		if status, h := l.readiness(); status != 200 || h.Status != api.HealthOK || len(h.Checks) < 3 {
			return fmt.Sprintf("%d %+v, want all well", status, h)
		}
		for name, up := range l.families()["switchboard_dependency_up"].values {
			if up != 1 {
				return name + " is not up in the metrics"
			}
		}
		return ""
	})
}

// unhealthy waits until exactly these dependencies are down, with a reason that
// names no address, and since after all was well.
func (l *lived) unhealthy(status int, sum api.HealthStatus, down ...string) {
	l.t.Helper()
	l.until(func() string {
		got, h := l.readiness()
		if got != status || h.Status != sum {
			return fmt.Sprintf("%d %+v, want %d %s", got, h, status, sum)
		}
		for _, name := range down {
			c := h.Checks[name]
			if c.State != api.CheckDown || c.Error == "" || strings.Contains(c.Error, "127.0.0.1") || c.Since.Before(l.well.Add(-5*time.Second)) || c.Since.After(time.Now()) {
				return fmt.Sprintf("%s is %+v", name, c)
			}
			if l.families()["switchboard_dependency_up"].values["dependency="+name] != 0 {
				return name + " is up in the metrics"
			}
		}
		return ""
	})
}

// serveAll starts all roles; they end with the test.
func (l *lived) serveAll() {
	l.t.Helper()
	ctx, stop := context.WithCancel(l.t.Context())
	up, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- l.serve(ctx, "127.0.0.1:0", func(addr string) { up <- addr }) }()
	select {
	case addr := <-up:
		l.url = "http://" + addr
	case err := <-done:
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			l.t.Errorf("serve ended with %v", err)
		}
	})
}

// healCalls posts tickets one after the other, each until it is answered with
// yes.
type healCalls struct {
	l     *lived
	again atomic.Int64
	mu    sync.Mutex
	taken int
	stop  context.CancelFunc
	done  sync.WaitGroup
}

func (l *lived) callOn(key string) *healCalls {
	ctx, stop := context.WithCancel(l.t.Context())
	c := &healCalls{l: l, stop: stop}
	for worker := range 3 {
		c.done.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.call(key, fmt.Sprintf("%d-%d", worker, n))
			}
		})
	}
	return c
}

// call goes on until the answer is yes; a third of the tickets is filed later. It
// does not stop in between, so that what is counted is what was taken.
func (c *healCalls) call(key, id string) {
	headers := []string{"Idempotency-Key", id}
	if strings.HasSuffix(id, "1") || strings.HasSuffix(id, "4") || strings.HasSuffix(id, "7") {
		headers = append(headers, "Prefer", "respond-async")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*scriptPatience)
	defer cancel()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for ctx.Err() == nil {
		a, err := ask(ctx, key, "POST", c.l.url+"/v1/tickets", `{"title":"`+id+`","description":"x"}`, headers...)
		if err == nil && (a.status == 201 || a.status == 202) {
			c.mu.Lock()
			c.taken++
			c.mu.Unlock()
			<-pause.C
			return
		}
		if err == nil && a.status < 500 && a.status != http.StatusTooManyRequests {
			c.l.t.Errorf("call %s: %d %s", id, a.status, a.raw)
			return
		}
		c.again.Add(1)
		<-pause.C
	}
	c.l.t.Errorf("call %s was never answered with yes", id)
}

// more waits for so many more answers.
func (c *healCalls) more(n int) {
	c.l.t.Helper()
	count := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.taken
	}
	want := count() + n
	c.l.until(func() string {
		if got := count(); got < want {
			return fmt.Sprintf("%d calls are answered, want %d", got, want)
		}
		return ""
	})
}

func (c *healCalls) end() int {
	c.stop()
	c.done.Wait()
	return c.taken
}

// work runs the workers; they end with the test.
func (l *lived) work() {
	l.t.Helper()
	ctx, stop := context.WithCancel(l.t.Context())
	done := make(chan error, 1)
	go func() { done <- l.runWorkers(ctx) }()
	l.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			l.t.Errorf("the workers ended with %v", err)
		}
	})
}
