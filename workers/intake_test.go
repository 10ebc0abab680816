package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// watched is a store that tells when receipts are settled, and fails where a
// test says so.
type watched struct {
	*store.Store
	settled chan desk.ReceiptID
	mu      sync.Mutex
	broken  func([]*desk.Filing) error
	filings int // File calls
}

func (w *watched) File(ctx context.Context, fs []*desk.Filing) ([]desk.FilingResult, error) {
	w.mu.Lock()
	w.filings++
	broken := w.broken
	w.mu.Unlock()
	if broken != nil {
		if err := broken(fs); err != nil {
			return nil, err
		}
	}
	results, err := w.Store.File(ctx, fs)
	for i, r := range results {
		if err == nil && r.Err == nil {
			w.settled <- fs[i].Receipt
		}
	}
	return results, err
}

func (w *watched) breakWith(fn func([]*desk.Filing) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = fn
}

func openBooks(t *testing.T) *watched {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "books.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &watched{Store: s, settled: make(chan desk.ReceiptID, 10000)}
}

// queued opens a queue and starts a dispatcher on it.
func queued(t *testing.T, o broker.Options) (*broker.Broker, *Dispatch) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), o, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	client := asynq.NewClient(b.AsynqOpt())
	t.Cleanup(func() { client.Close() })
	d := NewDispatch(client, nil, time.Now, log, DefaultSettings())
	t.Cleanup(d.Stop)
	return b, d
}

// intake builds an intake on the books; dispatch may be nil.
func intake(t *testing.T, w *watched, d *Dispatch) *Intake {
	t.Helper()
	set := DefaultSettings()
	i := NewIntake(Parts{
		Books: w, Policy: policy, Line: &pipeline.Line{Stages: pipeline.Standard()}, Dispatch: d, Now: time.Now,
		View: func(ctx context.Context, ds []*desk.Draft) (pipeline.Books, error) { return w.View(ctx, ds) },
		Log:  slog.New(slog.DiscardHandler), Settings: set,
	})
	t.Cleanup(i.Stop)
	return i
}

var thePolicy = func() *desk.Policy {
	p := desk.NewPolicy()
	p.Teams[0].Strategy, p.Teams[0].Members = desk.RoundRobin, []desk.AgentID{"ann", "bob"}
	return p
}()

func policy() *desk.Policy { return thePolicy }

func mail(id, from, subject string, refs ...string) *desk.Draft {
	d := &desk.Draft{Source: "support", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: desk.Fingerprint(id, from, subject),
		From: desk.Party{Handle: from}, Subject: subject, Text: "text of " + id, References: refs, ReceivedAt: time.Now()}
	d.Thread.Key = id
	if len(refs) > 0 {
		d.Thread.Key = refs[len(refs)-1]
	}
	return d
}

// hang is longer than anything here takes on the busiest machine.
const hang = 5 * time.Minute

// await waits until n receipts were settled.
func (w *watched) await(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(hang)
	for i := range n {
		select {
		case <-w.settled:
		case <-deadline:
			counts, _ := w.Counts(context.Background())
			t.Fatalf("%d of %d settled; ledger %v", i, n, counts)
		}
	}
}

func counts(t *testing.T, w *watched) map[desk.State]int64 {
	t.Helper()
	c, err := w.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSubmitTwiceIsOneReceiptAndOneEntry(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	var first desk.ReceiptID
	for n := range 3 {
		ids, err := i.Submit(t.Context(), nil, mail("m1", "a@b.example", "hello"))
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = ids[0]
		}
		if ids[0] != first {
			t.Errorf("receipt %s, want the first one %s", ids[0], first)
		}
		if err := i.Process(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	if c := counts(t, w); c[desk.Filed] != 1 || len(c) != 1 {
		t.Errorf("ledger %v", c)
	}
}

func TestFileNowGivesTheTicket(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	r, err := i.FileNow(t.Context(), mail("m1", "a@b.example", "hello"))
	if err != nil || r.State != desk.Filed || r.TicketID == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	// The caller goes away; the work is done all the same.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.FileNow(ctx, mail("m2", "a@b.example", "other")); err == nil || !errors.Is(err, context.Canceled) {
		// Accepting may win the race against the cancelled context.
		w.await(t, 2)
	}
}

func TestDraftWithoutIDIsRefused(t *testing.T) {
	i := intake(t, openBooks(t), nil)
	if _, err := i.Submit(t.Context(), nil, &desk.Draft{}); !desk.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
}

// Five hundred mails, 150 of them replies, in any order, handed out in small
// tasks to many goroutines, some twice: every mail once, every thread whole.
func TestAnyOrderAnyWorkersOneTicketAThread(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	r := rand.New(rand.NewPCG(1, 2))
	var drafts []*desk.Draft
	const roots, replies = 350, 150
	for n := range roots {
		drafts = append(drafts, mail(fmt.Sprintf("root%d", n), fmt.Sprintf("c%d@x%d.example", n%90, n%90), fmt.Sprintf("subject %d", n)))
	}
	for n := range replies {
		root := n % 40 // some threads are long
		refs := []string{fmt.Sprintf("root%d", root)}
		if n >= 40 {
			refs = []string{fmt.Sprintf("reply%d", n-40), refs[0]}
		}
		drafts = append(drafts, mail(fmt.Sprintf("reply%d", n), fmt.Sprintf("c%d@x%d.example", root%90, root%90), fmt.Sprintf("Re: subject %d", root), refs...))
	}
	r.Shuffle(len(drafts), func(a, b int) { drafts[a], drafts[b] = drafts[b], drafts[a] })
	var ids []desk.ReceiptID
	for _, d := range drafts {
		got, err := i.accept(t.Context(), nil, []*desk.Draft{d})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got...)
	}
	var all sync.WaitGroup
	for n := 0; n < len(ids); n += 25 {
		for range 2 { // every task runs twice at once
			all.Go(func() {
				if err := i.Process(context.Background(), ids[n:n+25]); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	for counts(t, w)[desk.Accepted] > 0 { // those that waited for another task
		if err := i.Process(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	if c := counts(t, w); c[desk.Filed] != roots+replies || len(c) != 1 {
		t.Errorf("ledger %v", c)
	}
	tickets, messages := everything(t, w)
	if tickets != roots || messages != roots+replies {
		t.Errorf("%d tickets with %d messages, want %d with %d", tickets, messages, roots, roots+replies)
	}
}

func everything(t *testing.T, w *watched) (tickets, messages int) {
	t.Helper()
	for cursor := ""; ; {
		list, next, err := w.Tickets(t.Context(), desk.TicketFilter{Limit: 100, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, tk := range list {
			tickets++
			ms, _, err := w.Messages(t.Context(), tk.ID, 100, "", false)
			if err != nil {
				t.Fatal(err)
			}
			if len(ms) == 0 || len(ms) != tk.MessageCount {
				t.Errorf("ticket %d has %d messages and counts %d", tk.Number, len(ms), tk.MessageCount)
			}
			messages += len(ms)
		}
		if cursor = next; cursor == "" {
			return tickets, messages
		}
	}
}

func TestOneBadMessageCostsItsGroupNothing(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	w.breakWith(func(fs []*desk.Filing) error {
		for _, f := range fs {
			if f.Message != nil && f.Message.Subject == "poison" {
				return errors.New("disk says no")
			}
		}
		return nil
	})
	var ids []desk.ReceiptID
	for n := range 40 {
		subject := "fine"
		if n == 17 {
			subject = "poison"
		}
		got, err := i.accept(t.Context(), nil, []*desk.Draft{mail(fmt.Sprint("m", n), "a@b.example", subject)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got...)
	}
	for range i.set.Attempts {
		if err := i.Process(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	if c := counts(t, w); c[desk.Filed] != 39 || c[desk.Failed] != 1 {
		t.Errorf("ledger %v", c)
	}
	r, err := w.Receipt(t.Context(), ids[17])
	if err != nil || r.State != desk.Failed || !strings.Contains(r.Reason, "disk says no") || r.Attempts != i.set.Attempts {
		t.Errorf("the bad one: %s %q after %d attempts, %v", r.State, r.Reason, r.Attempts, err)
	}
}

func TestAnOutageOfTheBooksIsNoMessagesFault(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	w.breakWith(func([]*desk.Filing) error { return fmt.Errorf("connection refused: %w", desk.ErrUnavailable) })
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("m", "a@b.example", "x"), mail("n", "a@b.example", "y")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * i.set.Attempts {
		if err := i.Process(t.Context(), ids); !errors.Is(err, desk.ErrUnavailable) {
			t.Fatalf("error %v", err)
		}
	}
	if calls := w.filings; calls > 4*i.set.Attempts {
		t.Errorf("%d calls: a group is not halved when nothing answers", calls)
	}
	w.breakWith(nil)
	if err := i.Process(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	r, _ := w.Receipt(t.Context(), ids[0])
	if r.State != desk.Filed || r.Attempts != 0 {
		t.Errorf("%s after %d attempts", r.State, r.Attempts)
	}
}

// server runs a dispatcher, an intake and a worker on a broker.
func server(t *testing.T, w *watched, o broker.Options) (*Intake, *Sweep) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), o, log)
	if err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClient(b.AsynqOpt())
	set := DefaultSettings()
	d := NewDispatch(client, nil, time.Now, log, set)
	i := intake(t, w, d)
	srv := NewServer(i, b.AsynqOpt(), w, time.Now, log, set)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		i.Stop()
		d.Stop()
		client.Close()
		b.Close()
	})
	return i, &Sweep{Books: w, Intake: i, Log: log, Set: set}
}

func TestQueueToBooks(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "redis": brokertest.Redis} {
		t.Run(name, func(t *testing.T) {
			w := openBooks(t)
			i, _ := server(t, w, options(t))
			var all sync.WaitGroup
			for n := range 300 {
				all.Go(func() {
					if _, err := i.Submit(t.Context(), nil, mail(fmt.Sprint("m", n), "a@b.example", "hello")); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			w.await(t, 300)
			if c := counts(t, w); c[desk.Filed] != 300 || len(c) != 1 {
				t.Errorf("ledger %v", c)
			}
		})
	}
}

// Redis forgets everything while messages come in: the sweep queues them again.
func TestFlushedRedisLosesNothing(t *testing.T) {
	redis := brokertest.StartRedis(t)
	w := openBooks(t)
	i, sweep := server(t, w, redis.Options)
	for n := range 400 {
		if n == 100 || n == 250 {
			redis.FlushAll()
		}
		if _, err := i.Submit(t.Context(), nil, mail(fmt.Sprint("m", n), "a@b.example", "hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep.All(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	w.await(t, 400)
	if c := counts(t, w); c[desk.Filed] != 400 || len(c) != 1 {
		t.Errorf("ledger %v", c)
	}
}

// A dead Redis refuses nothing, and the sweep files without it.
func TestDeadRedisRefusesNothing(t *testing.T) {
	redis := brokertest.StartRedis(t)
	w := openBooks(t)
	i, sweep := server(t, w, redis.Options)
	redis.Kill()
	for n := range 50 {
		if _, err := i.Submit(t.Context(), nil, mail(fmt.Sprint("m", n), "a@b.example", "hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep.All(t.Context(), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	w.await(t, 50)
	if c := counts(t, w); c[desk.Filed] != 50 || len(c) != 1 {
		t.Errorf("ledger %v", c)
	}
}

func TestBreachIsMarkedOnce(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	old := thePolicy
	p := *old
	p.SLAs = []desk.SLA{{Name: "fast", Targets: []desk.Target{{Metric: desk.FirstResponse, Default: time.Minute}}}}
	i.policy = func() *desk.Policy { return &p }
	r, err := i.FileNow(t.Context(), mail("m", "a@b.example", "x"))
	if err != nil {
		t.Fatal(err)
	}
	job := &Breach{Books: w, Log: slog.New(slog.DiscardHandler)}
	for _, after := range []time.Duration{0, 2 * time.Minute, 3 * time.Minute} {
		if err := job.Once(t.Context(), time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	events, err := w.Events(t.Context(), r.TicketID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	breaches := 0
	for _, e := range events {
		if e.Kind == desk.EventBreached {
			breaches++
		}
	}
	if breaches != 1 {
		t.Errorf("%d breach events, want 1", breaches)
	}
}

// A message whose ticket was deleted and whose receipt is kept no more comes once again, as
// when a mailbox is read anew: it ends as a duplicate, and the line does not run for it
// again and again.
func TestAMessageOfADeletedTicketComesAgain(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	r, err := i.FileNow(t.Context(), mail("m", "a@b.example", "hello"))
	if err != nil || r.State != desk.Filed {
		t.Fatal(r.State, err)
	}
	_, err = w.Change(t.Context(), r.TicketID, 0, func(tk *desk.Ticket) ([]desk.Event, error) {
		return tk.Apply(policy(), desk.Change{At: time.Now(), By: desk.Actor{Kind: desk.ByAgent, ID: "ann"}, Delete: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.RetireLedger(t.Context(), time.Now().Add(time.Hour), 100); err != nil {
		t.Fatal(err)
	}
	before := w.filings
	again, err := i.FileNow(t.Context(), mail("m", "a@b.example", "hello"))
	if err != nil || again.State != desk.Duplicate || again.ID == r.ID {
		t.Errorf("%s: %q, %v", again.State, again.Reason, err)
	}
	if n := w.filings - before; n > 3 {
		t.Errorf("it took %d filings", n)
	}
}
