package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// ledgerOf is what a test says waits.
type ledgerOf struct {
	mu   sync.Mutex
	list []desk.Backlog
	err  error
}

func (l *ledgerOf) Waiting(_ context.Context, most int) ([]desk.Backlog, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.list)
	for i := range out {
		out[i].Count = min(out[i].Count, most)
	}
	return out, l.err
}

func TestPressure(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set := DefaultSettings()
	set.BulkAfter, set.ShedAfter = 100, time.Minute
	var books ledgerOf
	p := NewPressure(&books, func(s string) Class {
		if s == "vip" {
			return Urgent
		}
		return Normal
	}, nil, func() time.Time { return now }, slog.New(slog.DiscardHandler), set)
	check := func(source string, class Class, shed bool) {
		t.Helper()
		if got := p.Class(source); got != class {
			t.Errorf("%s is %s, want %s", source, got, class)
		}
		if _, got := p.Shed(source); got != shed {
			t.Errorf("%s shed: %v", source, got)
		}
	}
	look := func(list ...desk.Backlog) {
		t.Helper()
		books.mu.Lock()
		books.list = list
		books.mu.Unlock()
		if err := p.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check("mail", Normal, false)
	check("vip", Urgent, false)
	p.accepted("mail", 99)
	check("mail", Normal, false)
	asked := func(want bool) {
		t.Helper()
		select {
		case <-p.ask:
			if !want {
				t.Error("asked to look at once")
			}
		default:
			if want {
				t.Error("did not ask to look at once")
			}
		}
	}
	asked(false)
	p.accepted("mail", 1) // before the ledger is asked: perhaps they are settled
	check("mail", Normal, false)
	asked(true)
	look(desk.Backlog{Source: "mail", Count: 100, Oldest: now})
	check("mail", Bulk, false)
	look(desk.Backlog{Source: "mail", Count: 60, Oldest: now})
	check("mail", Bulk, false) // not half done
	look(desk.Backlog{Source: "mail", Count: 50, Oldest: now})
	check("mail", Normal, false)
	look(desk.Backlog{Source: "mail", Count: 5000, Oldest: now.Add(-time.Hour)}, desk.Backlog{Source: "vip", Count: 1, Oldest: now.Add(-time.Hour)})
	check("mail", Bulk, true)
	check("vip", Urgent, false) // one message that waits long is no backlog
	check("other", Normal, false)
	now = now.Add(time.Minute)
	check("mail", Bulk, false) // what was seen long ago refuses nobody
	var many []desk.Backlog
	for n := range 20 {
		many = append(many, desk.Backlog{Source: fmt.Sprint("few", n), Count: 60, Oldest: now.Add(-time.Hour)})
	}
	look(append(many, desk.Backlog{Source: "mail", Count: 100, Oldest: now.Add(-time.Hour)})...)
	check("mail", Bulk, true)
	check("few0", Normal, false) // the others' backlog is not its own
	check("c", Normal, false)
	if got := p.Shedding(); !slices.Equal(got, []string{"mail"}) {
		t.Errorf("shedding %v", got)
	}
	look()
	check("mail", Normal, false)
	books.err = errors.New("away")
	if err := p.Look(t.Context()); err == nil {
		t.Error("no error")
	}
	check("a", Normal, false)

	// Busy, and not behind: what is settled at the pace of the last while may come.
	books.err = nil
	look()
	now = now.Add(time.Second)
	p.accepted("busy", 105)
	look(desk.Backlog{Source: "busy", Count: 5, Oldest: now}) // 100 a second
	now = now.Add(time.Second / 2)
	asked(true)
	p.accepted("busy", 100)
	check("busy", Normal, false)
	asked(false)
	p.accepted("busy", 50)
	check("busy", Normal, false)
	asked(true)
	p.accepted("busy", 100) // no look came: twice as much is too much for any doubt
	check("busy", Bulk, false)
}

// order notes who was settled when.
type order struct {
	*watched
	mu   sync.Mutex
	list []desk.ReceiptID
}

func (o *order) File(ctx context.Context, fs []*desk.Filing) ([]desk.FilingResult, error) {
	results, err := o.watched.File(ctx, fs)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, r := range results {
		if err == nil && r.Err == nil {
			o.list = append(o.list, fs[i].Receipt)
		}
	}
	return results, err
}

func (o *order) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list)
}

// Who has no bulk queue is never behind: one message that waits long refuses nobody.
func TestNothingIsShedWithoutBulk(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set := DefaultSettings()
	set.BulkAfter, set.ShedAfter = 0, time.Minute
	books := ledgerOf{list: []desk.Backlog{{Source: "mail", Count: 1, Oldest: now.Add(-time.Hour)}}}
	p := NewPressure(&books, nil, nil, func() time.Time { return now }, slog.New(slog.DiscardHandler), set)
	if err := p.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wait, shed := p.Shed("mail"); shed || p.Class("mail") != Normal {
		t.Errorf("it is %s, and shed for %s", p.Class("mail"), wait)
	}
}

// A flood in one source, all of it accepted before the single messages of
// another: these overtake it. Before the first one may stand what the source was
// given the benefit of the doubt for, and what the bulk workers have in hand.
func TestFloodStarvesNobody(t *testing.T) {
	const flood, singles = 8000, 5
	for name, open := range map[string]func(t *testing.T) (string, broker.Options){
		"embedded": func(t *testing.T) (string, broker.Options) {
			return "sqlite:" + t.TempDir() + "/books.db", brokertest.Embedded(t)
		},
		"servers": func(t *testing.T) (string, broker.Options) { return pgtest.New(t), brokertest.Redis(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url, options := open(t)
			log := slog.New(slog.DiscardHandler)
			s, err := store.Open(t.Context(), store.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			o := &order{watched: &watched{Store: s, settled: make(chan desk.ReceiptID, flood+singles)}}
			b, err := broker.Open(t.Context(), options, log)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			client := asynq.NewClient(b.AsynqOpt())
			defer client.Close()
			set := DefaultSettings()
			d := NewDispatch(client, nil, time.Now, log, set)
			defer d.Stop()
			p := NewPressure(o, nil, nil, time.Now, log, set)
			i := NewIntake(Parts{Books: o, Policy: policy, Line: &pipeline.Line{Stages: pipeline.Standard()}, Dispatch: d, Pressure: p, Now: time.Now,
				View: func(ctx context.Context, ds []*desk.Draft) (pipeline.Books, error) { return s.View(ctx, ds) }, Log: log, Settings: set})
			defer i.Stop()
			ctx, cancel := context.WithCancel(context.Background())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			all.Go(func() { p.Run(ctx) })
			most := doubt*set.BulkAfter + set.BulkConcurrency*set.TaskGroup
			bulk := make([]*desk.Draft, 0, 100)
			for n := range flood {
				one := mail(fmt.Sprint("flood", n), fmt.Sprint("customer", n%500, "@flood.example"), "flood")
				one.Source = "flooded"
				if bulk = append(bulk, one); len(bulk) == cap(bulk) {
					if _, err := i.Submit(t.Context(), nil, bulk...); err != nil {
						t.Fatal(err)
					}
					bulk = bulk[:0]
				}
			}
			if got := p.Class("flooded"); got != Bulk {
				t.Fatalf("the flooded source is %s", got)
			}
			srv := NewServer(i, b.AsynqOpt(), o, time.Now, log, set)
			var failed atomic.Value
			all.Go(func() {
				if err := srv.Run(ctx); err != nil {
					failed.Store(err)
				}
			})
			for n := range singles {
				before := o.count()
				id, err := i.Submit(t.Context(), nil, mail(fmt.Sprint("single", n), "ann@quiet.example", "help"))
				if err != nil {
					t.Fatal(err)
				}
				at := o.settles(t, id[0])
				t.Logf("single %d: %d of the flood were settled when it came, and %d when it was a ticket", n, before, at)
				if at-before > most {
					t.Errorf("single %d stood behind %d messages of the flood", n, at-before)
				}
			}
			for end := time.Now().Add(hang); o.count() < flood+singles && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			if err := failed.Load(); err != nil {
				t.Error(err)
			}
			if c := counts(t, o.watched); c[desk.Filed] != flood+singles || len(c) != 1 {
				t.Errorf("ledger %v", c)
			}
		})
	}
}

// settles waits until a receipt is settled and returns how many were before it.
func (o *order) settles(t *testing.T, id desk.ReceiptID) int {
	t.Helper()
	deadline := time.After(hang)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		o.mu.Lock()
		at := slices.Index(o.list, id)
		o.mu.Unlock()
		if at >= 0 {
			return at
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("a single message was not settled")
		}
	}
}
