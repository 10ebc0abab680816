package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// A database that stops or crashes is no message's fault: every error says so,
// and the same store works on when the database is back, with all it accepted.
func TestADatabaseThatIsGoneIsNobodysFault(t *testing.T) {
	server := pgtest.Start(t)
	s := opened(t, server.Database(t))
	accept := func(id string) (desk.Receipt, error) {
		r := desk.NewReceipt(benchDraft(0), time.Now())
		r.ExternalID = id
		ids, err := s.Accept(t.Context(), nil, []desk.Receipt{r})
		if err == nil {
			r.ID = ids[0]
		}
		return r, err
	}
	r, err := accept("before")
	if err != nil {
		t.Fatal(err)
	}
	for name, down := range map[string]func(testing.TB){"stopped": server.Stop, "crashed": server.Crash} {
		down(t)
		for what, call := range map[string]func() error{
			"accept":   func() error { _, err := accept(name); return err },
			"receipts": func() error { _, err := s.Receipts(t.Context(), []desk.ReceiptID{r.ID}); return err },
			"view":     func() error { _, err := s.View(t.Context(), []*desk.Draft{r.Draft}); return err },
			"file": func() error {
				_, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())})
				return err
			},
			"trouble": func() error { _, err := s.Trouble(t.Context(), r.ID, 1, "x", time.Now()); return err },
			"ping":    func() error { return s.Ping(t.Context()) },
			"change":  func() error { _, err := s.Change(t.Context(), "x", 0, nil); return err },
		} {
			if err := call(); !errors.Is(err, desk.ErrUnavailable) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		server.Restart(t)
		if _, err := s.Receipt(t.Context(), r.ID); err != nil {
			t.Errorf("%s: accepted and lost: %v", name, err)
		}
		if _, err := accept(name); err != nil {
			t.Errorf("%s, back: %v", name, err)
		}
	}
	if results, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())}); err != nil || results[0].Err != nil {
		t.Errorf("filed after all: %v, %v", results, err)
	}
}

// hang is longer than anything here takes on the busiest machine.
const hang = 5 * time.Minute

// A process that sleeps in the middle of a transaction keeps its rows from nobody for
// long. When it wakes up it finds that the books did not take what it did.
func TestWhoSleepsInATransactionLetsGo(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	s, err := store.Open(t.Context(), store.Options{URL: url, Idle: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := desk.NewReceipt(benchDraft(0), time.Now())
	if _, err := s.Accept(t.Context(), nil, []desk.Receipt{r}); err != nil {
		t.Fatal(err)
	}
	results, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())})
	if err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	change := func(title string, meanwhile func()) error {
		_, err := s.Change(ctx, results[0].Ticket, 0, func(tk *desk.Ticket) ([]desk.Event, error) {
			meanwhile()
			return tk.Apply(desk.NewPolicy(), desk.Change{At: time.Now(), By: desk.Actor{Kind: desk.ByAgent, ID: "ann"}, Title: &title})
		})
		return err
	}
	awake := make(chan error, 1)
	if err := change("of the sleeper", func() { // holds the ticket's row
		awake <- change("of the other", func() {})
	}); !errors.Is(err, desk.ErrUnavailable) {
		t.Errorf("who slept hears %v", err)
	}
	if err := <-awake; err != nil {
		t.Errorf("the other waits for who sleeps: %v", err)
	}
	if tk, err := s.Ticket(t.Context(), string(results[0].Ticket)); err != nil || tk.Title != "of the other" {
		t.Errorf("the ticket is %q, %v", tk.Title, err)
	}
}

// A database that swallows what it is told and says nothing is given up in time,
// by who reads and by who writes, and what waited goes on when it is back.
func TestADatabaseThatSaysNothingIsGivenUp(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	line := emailtest.CutProxy(t, fmt.Sprintf("127.0.0.1:%d", server.Port()))
	s, err := store.Open(t.Context(), store.Options{URL: strings.Replace(dsn, fmt.Sprintf("127.0.0.1:%d", server.Port()), line.Addr(), 1),
		MaxConns: 2, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	line.BlackHoleDown()
	for what, call := range map[string]func() error{
		"accept": func() error { _, err := s.Accept(t.Context(), nil, benchReceipts(0, 1)); return err },
		"read":   func() error { _, err := s.Receipts(t.Context(), []desk.ReceiptID{"x"}); return err },
		"ping":   func() error { return s.Ping(t.Context()) },
	} {
		done := make(chan error, 1)
		go func() { done <- call() }()
		select {
		case err := <-done:
			if !errors.Is(err, desk.ErrUnavailable) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(hang):
			t.Fatalf("%s waits for ever", what)
		}
	}
	line.Heal()
	if _, err := s.Accept(t.Context(), nil, benchReceipts(0, 1)); err != nil {
		t.Errorf("back: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	line.BlackHoleDown()
	if _, err := s.Receipts(ctx, []desk.ReceiptID{"x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a shorter time of the caller's: %v", err)
	}
	line.Heal()
}

func TestATimeThatRunsOutIsNobodysFault(t *testing.T) {
	for _, d := range dialects {
		s := opened(t, d.fresh(t))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Receipts(ctx, []desk.ReceiptID{"x"}); !errors.Is(err, desk.ErrUnavailable) {
			t.Errorf("%s: %v", d.name, err)
		}
		if _, err := s.Accept(ctx, nil, benchReceipts(0, 1)); !errors.Is(err, desk.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", d.name, err)
		}
	}
}

// A URL may name several servers. One that swallows everything costs Open the
// knock, not the whole timeout, and the next one has its turn.
func TestOpenKnocksAtEachServer(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // connects, by the backlog, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hole.Close()
	u, err := url.Parse(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	good := u.Host
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	u.Host = hole.Addr().String()
	if _, err := store.Open(ctx, store.Options{URL: u.String(), Timeout: 10 * time.Minute, Knock: 200 * time.Millisecond}); !errors.Is(err, desk.ErrUnavailable) || ctx.Err() != nil {
		t.Fatalf("a server that says nothing: %v (%v)", err, ctx.Err())
	}
	u.Host += "," + good
	s, err := store.Open(ctx, store.Options{URL: u.String(), Timeout: time.Minute, Knock: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
