package workers

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/brokertest"
	"switchboard/workers/broker/program"
)

// fleet is a door of this process and workers of their own, on PostgreSQL and
// Redis.
type fleet struct {
	t     *testing.T
	env   []string
	w     *watched
	door  *Intake
	press *Pressure
	n     int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	url, redis := pgtest.New(t), brokertest.Redis(t)
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, d := queued(t, redis)
	f := &fleet{t: t, w: &watched{Store: s, settled: make(chan desk.ReceiptID, 10)}, env: append(os.Environ(), childDatabase+"="+url, childRedis+"="+redis.Addrs[0], childPassword+"="+redis.Password)}
	f.door = intake(t, f.w, d)
	f.press = NewPressure(s, nil, nil, time.Now, log, DefaultSettings())
	f.door.pressure = f.press
	return f
}

// worker starts one; its log is a file.
func (f *fleet) worker(env ...string) (p *program.Process, log string) {
	f.t.Helper()
	f.n++
	log = filepath.Join(f.t.TempDir(), fmt.Sprintf("worker-%d.log", f.n))
	p, err := program.Start(context.Background(), program.Options{Path: os.Args[0], Env: append(f.env, env...), Log: log, Death: syscall.SIGKILL})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		p.Kill()
		if f.t.Failed() {
			f.t.Logf("%s ends:\n%s", log, program.Tail(log, 2000))
		}
	})
	return p, log
}

func (f *fleet) submit(drafts ...*desk.Draft) []desk.ReceiptID {
	f.t.Helper()
	ids, err := f.door.Submit(f.t.Context(), nil, drafts...)
	if err != nil {
		f.t.Fatal(err)
	}
	return ids
}

// until polls a condition.
func (f *fleet) until(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.Now().Add(hang)
	for !ok() {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: waited in vain; ledger %v", what, counts(f.t, f.w))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// within5s kills a worker and waits for what others make good: within 5 s, to
// which comes only the time in which this machine did not let this process run
// either, and the race detector's. asynq's own way takes 30 s and more. That the
// death is noticed in time on any machine is TestADeadWorkerIsNoticedInTime.
func (f *fleet) within5s(worker *program.Process, what string, ok func() bool) (took time.Duration) {
	f.t.Helper()
	var stalled atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		const every = 10 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				stalled.Add(int64(max(0, time.Since(last)-every)))
				last = time.Now()
			}
		}
	}()
	worker.Kill()
	killed := time.Now()
	f.until(what, ok)
	took = time.Since(killed)
	if most := slower*5*time.Second + time.Duration(stalled.Load()); took > most {
		f.t.Errorf("%s: it took %s, want at most %s", what, took, most)
	}
	return took
}

func (f *fleet) settled(ids []desk.ReceiptID) bool {
	f.t.Helper()
	states, err := f.w.States(f.t.Context(), ids)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range states {
		if s == desk.Accepted {
			return false
		}
	}
	return len(states) == len(ids)
}

// A worker is killed with receipts in its hands while the queue is behind:
// another one has them at once, and not when asynq's lease or the sweep's
// patience ends.
func TestWhatADeadWorkerHeldIsTakenUpAtOnce(t *testing.T) {
	const held, flood = 12, 8000
	f := newFleet(t)
	one, log := f.worker(childHolds + "=hold me")
	var ids []desk.ReceiptID
	for n := range held {
		ids = append(ids, f.submit(mail(fmt.Sprint("held", n), fmt.Sprint("c", n, "@held.example"), "hold me"))...)
		f.until("a task in the worker's hands", func() bool {
			b, _ := os.ReadFile(log)
			return strings.Count(string(b), "HOLDING") > n
		})
	}
	batch := make([]*desk.Draft, 0, 200)
	for n := range flood {
		d := mail(fmt.Sprint("flood", n), fmt.Sprint("c", n%300, "@flood.example"), "flood")
		d.Source = "flooded"
		if batch = append(batch, d); len(batch) == cap(batch) {
			f.submit(batch...)
			batch = batch[:0]
		}
	}
	_, other := f.worker()
	f.until("another worker", func() bool {
		b, _ := os.ReadFile(other)
		return strings.Contains(string(b), "queue opened")
	})
	took := f.within5s(one, "what the dead worker held", func() bool { return f.settled(ids) })
	killed := time.Now().Add(-took)
	if b, err := os.ReadFile(other); err == nil {
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, "died") {
				t.Logf("killed at %s: %s", killed.UTC().Format("05.000"), line[:60])
				break
			}
		}
	}
	behind := counts(t, f.w)[desk.Accepted]
	t.Logf("settled %s after the kill, with %d messages still waiting", took.Round(10*time.Millisecond), behind)
	f.until("the flood", func() bool { return counts(t, f.w)[desk.Filed] == held+flood })
}

// A worker is killed while it sends an answer: another one has it at once, and not
// when nobody waits for the first any more.
func TestADeadWorkersAnswerIsSentAtOnce(t *testing.T) {
	f := newFleet(t)
	r, err := f.door.FileNow(t.Context(), mail("question", "ann@acme.example", "help"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	m := &desk.Message{ID: desk.NewID[desk.MessageID](now), TicketID: r.TicketID, Direction: desk.Outbound, Public: true, Send: desk.SendQueued,
		Author: desk.Actor{Kind: desk.ByAgent, ID: "bob"}, Channel: desk.API, Source: "api", Scope: "EMAIL", Text: "hold me", CreatedAt: now}
	if _, _, err := f.w.AddMessage(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	said := func(log, word string) func() bool {
		return func() bool {
			b, _ := os.ReadFile(log)
			return strings.Contains(string(b), word)
		}
	}
	one, log := f.worker(childHolds + "=hold me")
	f.door.dispatch.Deliver(m.ID)
	f.until("the answer in the worker's hands", said(log, "SENDING"))
	_, other := f.worker()
	f.until("another worker", said(other, "queue opened"))
	took := f.within5s(one, "the answer", func() bool {
		m, err := f.w.Message(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		return m.Send == desk.SendSent
	})
	t.Logf("sent %s after the kill", took.Round(10*time.Millisecond))
	if got, err := f.w.Message(t.Context(), m.ID); err != nil || got.ExternalID != "probed" {
		t.Errorf("sent blindly: %q, %v", got.ExternalID, err)
	}
}

// A message that kills its worker each time ends as failed after the named
// attempts, alone; so does one that panics, and their neighbours are filed.
func TestPoisonIsIsolated(t *testing.T) {
	const good = 60
	f := newFleet(t)
	batch := []*desk.Draft{mail("panic", "p@bad.example", "panic")}
	for n := range good {
		batch = append(batch, mail(fmt.Sprint("good", n), fmt.Sprint("c", n, "@good.example"), "help"))
	}
	batch = append(batch, mail("poison", "k@bad.example", "poison"))
	ids := f.submit(batch...)
	deaths := 0
	one, _ := f.worker()
	f.until("all to be settled", func() bool {
		select {
		case <-one.Done():
			deaths++
			one, _ = f.worker()
		default:
		}
		return f.settled(ids)
	})
	t.Logf("%d workers died of it", deaths)
	if c := counts(t, f.w); c[desk.Filed] != good || c[desk.Failed] != 2 {
		t.Errorf("ledger %v", c)
	}
	rs, err := f.w.Receipts(t.Context(), []desk.ReceiptID{ids[0], ids[len(ids)-1]})
	if err != nil || len(rs) != 2 {
		t.Fatal(rs, err)
	}
	if !strings.Contains(rs[0].Reason, "a stage that panics") {
		t.Errorf("the one that panics: %q", rs[0].Reason)
	}
	if r := rs[1]; r.Attempts != childAttempts || !strings.Contains(r.Reason, "isolated") {
		t.Errorf("the poison: %q after %d attempts", r.Reason, r.Attempts)
	}
	// One death alone, one with its group, and the named ones; a slow machine may
	// take a living worker for dead.
	if most := childAttempts + 4; deaths > most {
		t.Errorf("%d workers died, want at most %d", deaths, most)
	}
}
