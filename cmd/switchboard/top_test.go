package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"switchboard/pipeline/desk"
	"switchboard/workers"
)

var rewrite = flag.Bool("rewrite-top", false, "write testdata/top anew")

// someFrame is a fleet as it may be.
func someFrame() *frame {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	back := func(d time.Duration) time.Time { return now.Add(-d) }
	return &frame{At: now,
		Dependencies: []dependency{{"database", true, 1200 * time.Microsecond, ""}, {"queue", true, 300 * time.Microsecond, ""}},
		Ledger:       map[desk.State]int{desk.Accepted: desk.PulseLimit, desk.Held: 3, desk.Failed: 1}, LedgerOldest: back(95 * time.Second),
		Answers: map[desk.SendState]int{desk.SendQueued: 12, desk.SendUnknown: 1},
		Sources: []sourceLine{
			{Name: "support", Channel: desk.Email, Accepted: 1520.4, Settled: 1498, Lag: 0.034, Waiting: desk.PulseLimit, Oldest: back(95 * time.Second), Canary: back(48 * time.Second), LastAt: back(12 * time.Millisecond), Failed: 1},
			{Name: "a source with a long and winding \x1b[31mname\x1b[0m", Channel: desk.Slack, Accepted: 0.4, Settled: 0.4, Lag: 1.5, Waiting: 2, Oldest: back(4 * time.Second), LastAt: back(3 * time.Hour)},
			{Name: "api", Channel: desk.API},
		},
		Queues: []queueLine{{Name: "intake", Tasks: map[string]int64{"pending": 157, "active": 32, "retry": 1, "scheduled": 4}, Oldest: back(80 * time.Second)}, {Name: "deliver", Tasks: map[string]int64{}}},
		Processes: []workers.Process{
			{Roles: []string{"listen"}, Host: "alpha", PID: 4101, Version: "1.2.0", Since: back(72 * time.Hour), CPU: 0.12, Memory: 48 << 20, Holder: "alpha/0/XYZ"},
			{Roles: []string{"web", "listen", "work"}, Host: "müller.example", PID: 7, Version: "dev", Since: back(5 * time.Minute), CPU: 1.874, Memory: 12 << 30, InHand: 812},
		},
		Mailboxes: []mailboxLine{{Source: "support", Holder: "alpha/0/XYZ", LastAt: back(12 * time.Millisecond)}, {Source: "sales"}},
	}
}

// TestTopFrames: a frame looks the same for ever, at every width.
func TestTopFrames(t *testing.T) {
	down := someFrame()
	down.Dependencies[1] = dependency{Name: "queue", Error: "connection refused"}
	down.Processes, down.Queues = nil, nil
	for name, x := range map[string]struct {
		frame         *frame
		width, height int
	}{"narrow": {someFrame(), 38, 0}, "usual": {someFrame(), 80, 0}, "wide": {someFrame(), 140, 0}, "low": {someFrame(), 80, 10}, "down": {down, 80, 0}} {
		lines := x.frame.draw(x.width, x.height, "name")
		for _, l := range lines {
			if utf8.RuneCountInString(l) > x.width || strings.ContainsAny(l, "\x1b\r\n") {
				t.Errorf("%s: %q", name, l)
			}
		}
		if x.height > 0 && len(lines) != x.height {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		got := strings.Join(lines, "\n") + "\n"
		file := filepath.Join("testdata", "top", name+".txt")
		if *rewrite {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
	for width := range 60 { // nothing breaks however small a window is made
		someFrame().draw(width, width/3, "name")
	}
}

func TestTopOrders(t *testing.T) {
	f := someFrame()
	for order, want := range map[string]string{"name": "a source", "accepted": "support", "waiting": "support", "oldest": "support"} {
		f.sort(order)
		if !strings.HasPrefix(f.Sources[0].Name, want) {
			t.Errorf("by %s the first is %q", order, f.Sources[0].Name)
		}
	}
}

// TestTopWatches: frame after frame goes to the screen, s sorts, q ends.
func TestTopWatches(t *testing.T) {
	for _, end := range []byte{'q', 3, 27} {
		var out bytes.Buffer
		keys := make(chan byte)
		looks := make(chan struct{})
		c := topCmd{Interval: time.Millisecond, Sort: "name"}
		done := make(chan error, 1)
		go func() {
			done <- c.watch(t.Context(), func(context.Context) *frame { looks <- struct{}{}; return someFrame() }, &out, keys, func() (int, int) { return 80, 40 })
		}()
		<-looks
		<-looks
		pressed := make(chan struct{})
		go func() { keys <- 's'; keys <- end; close(pressed) }()
		for waiting := true; waiting; {
			select {
			case <-looks:
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				waiting = false
			}
		}
		<-pressed
		screens := strings.Split(out.String(), goHome)[1:]
		if len(screens) < 2 || !strings.Contains(screens[0], "SOURCES by name") || !strings.Contains(screens[len(screens)-1], "SOURCES by accepted") {
			t.Errorf("%d screens, the last is %q", len(screens), screens[len(screens)-1])
		}
	}
}

// TestTopOfAHouse looks at a whole house at work, from beside it, and again when
// its processes are gone: the database still tells what it knows.
func TestTopOfAHouse(t *testing.T) {
	s := openStreetOn(t, string(demoConfig)+"\ncanary: { every: 24h, timeout: 3m }\n")
	ctx, stop := context.WithCancel(t.Context())
	up, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- s.serve(ctx, "127.0.0.1:0", func(addr string) { up <- addr }) }()
	s.url = "http://" + <-up
	for i := range 3 {
		s.post1("ann@example.com", string(rune('1'+i))+"@example.com", "", "Help", "Please.")
	}
	h, err := books(t.Context(), s.place, streams{strings.NewReader(""), &bytes.Buffer{}, t.Output(), s.env})
	if err != nil {
		t.Fatal(err)
	}
	o := newObserver(t.Context(), h, time.Minute)
	defer o.close()
	var f *frame
	source := func(name string) sourceLine {
		i := slices.IndexFunc(f.Sources, func(l sourceLine) bool { return l.Name == name })
		if i < 0 {
			t.Fatalf("no line of %s: %+v", name, f.Sources)
		}
		return f.Sources[i]
	}
	s.until(func() string {
		f = o.look(t.Context())
		l := source("support")
		if len(f.Processes) != 1 || f.Processes[0].Flows["support"].Total < 3 || f.Ledger[desk.Accepted] > 0 ||
			l.Settled == 0 || l.Accepted <= 0 || l.Lag <= 0 || l.LastAt.IsZero() || l.Canary.IsZero() || // of the last seconds, and so not always at once
			len(f.Mailboxes) != 2 || f.Mailboxes[0].Holder == "" || !f.Dependencies[0].Up || !f.Dependencies[1].Up {
			text, _ := json.Marshal(f)
			return "the house does not show what it does: " + string(text)
		}
		return ""
	})
	p := f.Processes[0]
	if !slices.Equal(p.Roles, []string{"web", "listen", "work"}) || p.PID != os.Getpid() || p.Memory < 1<<20 || p.Version != version || p.Since.IsZero() {
		t.Errorf("the process is %+v", p)
	}
	if l := source("support"); l.Channel != desk.Email {
		t.Errorf("support is %+v", l)
	}
	if f.Mailboxes[0].Holder != p.Holder {
		t.Errorf("the mailboxes are %+v, this process is %s", f.Mailboxes, p.Holder)
	}
	if !slices.ContainsFunc(f.Queues, func(q queueLine) bool { return q.Name == "intake" }) {
		t.Errorf("queues %+v, dependencies %+v", f.Queues, f.Dependencies)
	}
	if text := strings.Join(f.draw(120, 0, "name"), "\n"); strings.Contains(text, "ann@") || strings.Contains(text, "Please") {
		t.Errorf("a frame shows what customers say:\n%s", text)
	}

	// The command prints the same, to anything.
	for _, args := range [][]string{{"--once"}, {"--json"}} {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"top", "--config", s.place.Config, "--data", s.place.Data}, args...), streams{strings.NewReader(""), &out, t.Output(), s.env})
		if code != 0 || !strings.Contains(out.String(), "support") || args[0] == "--json" && !json.Valid(out.Bytes()) {
			t.Errorf("top %s: code %d\n%s", args[0], code, out.String())
		}
	}

	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if f = o.look(t.Context()); len(f.Processes) != 0 || !f.Dependencies[1].Up {
		t.Errorf("who left is still there: %+v", f.Processes)
	}
	if err := s.broker.Close(); err != nil {
		t.Fatal(err)
	}
	f = o.look(t.Context())
	if f.Dependencies[1].Up || f.Dependencies[1].Error == "" || !f.Dependencies[0].Up || source("support").Canary.IsZero() {
		t.Errorf("without its queue: %+v", f)
	}
}
