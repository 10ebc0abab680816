package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"switchboard/pipeline/desk"
)

// TestStopInFullFlight sends SIGTERM to a server that is taking tickets as fast
// as it can. It ends with exit code 0; every request was answered or never
// taken, and everything accepted is a ticket after the next start.
func TestStopInFullFlight(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "fast.yaml")
	if err := os.WriteFile(config, []byte("limits: { requestsPerKey: { rate: 100000, burst: 100000 } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := launch(dir, "serve", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.kill()
	key, url := s.key(), "http://"+s.addr
	if key == "" {
		t.Fatalf("the first start printed no key: %s", s.out.String())
	}

	const senders, before = 8, 200
	var mu sync.Mutex
	accepted := map[string]string{} // title to where it is
	var sent, taken atomic.Int64
	warm := make(chan struct{})
	var g errgroup.Group
	for range senders {
		g.Go(func() error {
			for {
				title := fmt.Sprintf("ticket %d", sent.Add(1))
				prefer := "respond-async"
				if sent.Load()%3 == 0 {
					prefer = "wait=10"
				}
				a, err := ask(t.Context(), key, http.MethodPost, url+"/v1/tickets", `{"title":"`+title+`"}`, "Prefer", prefer, "Idempotency-Key", title)
				if err != nil {
					return nil // the door is closed
				}
				switch a.status {
				case 201, 202:
					mu.Lock()
					accepted[title] = a.header.Get("Location")
					mu.Unlock()
					if taken.Add(1) == before {
						close(warm)
					}
				case 429, 503: // said no: try the next
				default:
					return fmt.Errorf("%d: %s", a.status, a.raw)
				}
			}
		})
	}
	done := make(chan error, 1)
	go func() { done <- g.Wait() }()
	select {
	case <-warm:
	case err := <-done:
		t.Fatalf("the senders gave up: %v\n%s", err, s.err.String())
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	s, err = launch(dir, "serve", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.kill()
	if s.key() != "" {
		t.Error("the second start printed a key")
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	left := titles(t, dir)
	t.Logf("%d of %d sent were accepted", len(accepted), sent.Load())
	for title := range accepted {
		if left[title] != 1 {
			t.Errorf("%s was accepted and is %d tickets", title, left[title])
		}
		delete(left, title)
	}
	for title, n := range left { // taken, but the answer did not get through
		if n != 1 {
			t.Errorf("%s is %d tickets", title, n)
		}
	}
}

// TestStopWhileStarting: who is told to stop while it takes up what the process before
// left ends without a complaint.
func TestStopWhileStarting(t *testing.T) {
	l := live(t, "")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for n := range 2 { // the second has something to take up
		if err := l.runWorkers(ctx); err != nil {
			t.Errorf("start %d: %v", n+1, err)
		}
	}
}

// titles lets workers finish what is in the ledger of a data folder at rest, and
// counts the tickets by title.
func titles(t *testing.T, dir string) map[string]int {
	t.Helper()
	l := liveIn(t, dir, "")
	defer l.close()
	ctx, stop := context.WithTimeout(t.Context(), scriptPatience)
	working := make(chan error, 1)
	go func() { working <- l.runWorkers(ctx) }()
	err := l.settled(ctx, 1)
	stop()
	if end := <-working; err != nil || end != nil {
		t.Fatal(err, end)
	}
	counts, err := l.store.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	n := 0
	for cursor := ""; ; {
		page, next, err := l.store.Tickets(t.Context(), desk.TicketFilter{Limit: desk.MaxPage, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			out[k.Title]++
			n++
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(counts) != 1 || counts[desk.Filed] != int64(n) {
		t.Errorf("the ledger has %v, and there are %d tickets", counts, n)
	}
	return out
}
