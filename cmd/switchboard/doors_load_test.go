package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// TestSlackLoad sends Slack events at a steady rate while no worker is there,
// one in twenty of them twice, then lets the workers come. Slack must hear yes
// in time, and nothing may be lost or doubled.
//
// SWITCHBOARD_TRIAL=full sends 300 a second for half a minute.
func TestSlackLoad(t *testing.T) {
	rate, lasts := 50, 3*time.Second
	full := os.Getenv("SWITCHBOARD_TRIAL") == "full"
	if full {
		rate, lasts = 300, 30*time.Second
	}
	total, people := rate*int(lasts/time.Second), rate
	s := openStreet(t)
	s.lived.answer() // the web role alone
	if err := s.slack.Connect(t.Context(), s.url+"/hooks/slack/acme-slack"); err != nil {
		t.Fatal(err)
	}
	for n := range people {
		s.slack.AddUser(fakeslack.User{ID: loadUser(n), Name: fmt.Sprint("Person ", n), Email: fmt.Sprintf("p%d@load.example", n), Confirmed: true})
	}

	var mu sync.Mutex
	var took []time.Duration
	again := 0
	var sending sync.WaitGroup
	start := time.Now()
	due := time.NewTimer(0)
	defer due.Stop()
	for n := range total {
		// Who is late sends at once: the rate does not wait for the answers.
		due.Reset(time.Until(start.Add(lasts * time.Duration(n) / time.Duration(total))))
		<-due.C
		sending.Go(func() {
			_, d := s.slack.Say(t.Context(), fakeslack.Message{Channel: demoChannel, User: loadUser(n % people), Text: loadText(n)})
			if n%20 == 0 {
				if copy := s.slack.Deliver(t.Context(), d.Body); !copy.OK {
					t.Errorf("a copy of message %d was not taken: %+v", n, copy.Attempts)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if !d.OK {
				t.Errorf("message %d was not taken: %+v", n, d.Attempts)
			}
			took = append(took, d.Attempts[0].Took)
			again += len(d.Attempts) - 1
		})
	}
	sending.Wait()
	sent := time.Since(start)
	slices.Sort(took)
	counts, err := s.store.Counts(t.Context())
	if err != nil || counts[desk.Accepted] != int64(total) {
		t.Fatalf("the ledger has %v, want %d accepted (%v)", counts, total, err)
	}

	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	working := make(chan error, 1)
	start = time.Now()
	go func() { working <- s.runWorkers(ctx) }()
	err = s.settled(ctx, int64(total))
	drained := time.Since(start)
	stop()
	if end := <-working; err != nil || end != nil {
		t.Fatal(err, end)
	}

	said, tickets := map[string]int{}, 0
	for cursor := ""; ; {
		page, next, err := s.store.Tickets(t.Context(), desk.TicketFilter{Limit: desk.MaxPage, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			tickets++
			for _, m := range s.said(k) {
				said[m.Text]++
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	lost, doubled := 0, 0
	for n := range total {
		switch c := said[loadText(n)]; {
		case c == 0:
			lost++
		case c > 1:
			doubled++
		}
	}
	t.Logf("slack load: %d events in %s (%.0f/s), %d sent twice; acknowledged p50 %s, p99 %s, worst %s, %d retries; backlog drained in %s (%.0f/s); %d tickets of %d people; %d lost, %d doubled",
		total, sent.Round(time.Millisecond), float64(total)/sent.Seconds(), (total+19)/20, at(took, 50), at(took, 99), at(took, 100), again,
		drained.Round(time.Millisecond), float64(total)/drained.Seconds(), tickets, people, lost, doubled)
	if lost > 0 || doubled > 0 || len(said) != total || tickets != people {
		t.Errorf("%d lost, %d doubled, %d said of %d; %d tickets of %d people", lost, doubled, len(said), total, tickets, people)
	}
	if p99 := at(took, 99); full && p99 > 3*time.Second { // what else the machine does says nothing
		t.Errorf("p99 of the acknowledgement is %s; Slack waits 3s", p99)
	}
}

func loadUser(n int) string { return fmt.Sprintf("ULOAD%05d", n) }

func loadText(n int) string { return fmt.Sprintf("message %d of the load", n) }

// at is a percentile of sorted durations.
func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100].Round(10 * time.Microsecond)
}
