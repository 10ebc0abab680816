package workers

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// telling is a Redis whose queues have so many tasks; it counts what it is asked.
type telling struct {
	tasks         map[string]int64
	down          error
	asks, scripts int
}

func (a *telling) lengths(_ context.Context, keys []string) (out []int64, err error) {
	a.asks++
	for _, key := range keys {
		out = append(out, a.tasks[key])
	}
	return out, a.down
}

// round looks into the queues one after the other, as asynq does, and says which gave
// a task.
func (a *telling) round(p *peek, queues ...string) (taken string, last bool, err error) {
	for _, q := range queues {
		last, err = p.take(context.Background(), q, func() error {
			a.scripts++
			switch {
			case a.down != nil:
				return a.down
			case a.tasks[q] == 0:
				return redis.Nil
			}
			a.tasks[q]--
			return nil
		})
		if !errors.Is(err, redis.Nil) {
			return q, last, err
		}
	}
	return "", last, err
}

// Once the queues are known, one that is empty is not looked into, a round that
// finds nothing is one question, and the last task is not followed by any.
func TestEmptyQueuesAreNotLookedInto(t *testing.T) {
	a := &telling{tasks: map[string]int64{"a": 1}}
	p := newPeek(a.lengths, 2)
	steps := []struct {
		give          map[string]int64
		taken         string
		asks, scripts int
	}{
		{nil, "a", 0, 1},                              // not known yet
		{nil, "", 0, 2},                               // known now
		{nil, "", 1, 0},                               // asked for together
		{map[string]int64{"b": 1}, "b", 1, 1},         // the second alone
		{map[string]int64{"a": 1}, "", 0, 0},          // it was the last known of
		{nil, "a", 1, 1},                              // found by the next round
		{nil, "", 0, 0},                               //
		{map[string]int64{"a": 1, "b": 2}, "a", 1, 1}, // several
		{map[string]int64{"a": 1}, "a", 1, 1},         // what came meanwhile in the first is seen
		{nil, "b", 1, 1},
		{nil, "b", 1, 1},
		{nil, "", 0, 0},
		{nil, "", 1, 0},
	}
	for i, s := range steps {
		for q, n := range s.give {
			a.tasks[q] += n
		}
		a.asks, a.scripts = 0, 0
		taken, last, err := a.round(p, "a", "b")
		if taken != s.taken || last != (s.taken == "") || (err != nil) != (s.taken == "") {
			t.Fatalf("step %d: took from %q, last %v, %v; want %q", i, taken, last, err, s.taken)
		}
		if a.asks != s.asks || a.scripts != s.scripts {
			t.Fatalf("step %d: asked %d times, %d scripts; want %d, %d", i, a.asks, a.scripts, s.asks, s.scripts)
		}
	}
}

// A length is a hint: another process may have taken what was there, and a Redis that
// does not tell is looked into as ever.
func TestLengthsAreHints(t *testing.T) {
	a := &telling{tasks: map[string]int64{}}
	p := newPeek(a.lengths, 2)
	lies := func(context.Context, []string) ([]int64, error) { return []int64{3, 3}, nil }
	a.round(p, "a", "b")
	p.ask = lies
	if taken, last, _ := a.round(p, "a", "b"); taken != "" || !last {
		t.Fatalf("took %q from an empty queue, last %v", taken, last)
	}
	p.ask = a.lengths
	a.down = errors.New("away")
	if _, last, err := a.round(p, "a", "b"); !errors.Is(err, a.down) || last {
		t.Fatalf("Redis is away: %v, last %v", err, last)
	}
	a.down, a.tasks["b"] = nil, 1
	if taken, _, err := a.round(p, "a", "b"); taken != "b" || err != nil {
		t.Fatalf("Redis is back: took %q, %v", taken, err)
	}
}

// One queue with many tasks is asked for once.
func TestOneQueueIsNotAskedAgain(t *testing.T) {
	a := &telling{tasks: map[string]int64{"a": 0}}
	p := newPeek(a.lengths, 1)
	a.round(p, "a")
	a.tasks["a"] = 5
	for range 5 {
		if taken, _, _ := a.round(p, "a"); taken != "a" {
			t.Fatal("a task was left")
		}
	}
	if a.asks != 1 {
		t.Errorf("asked %d times for one queue of five", a.asks)
	}
	if a.round(p, "a"); a.asks != 1 {
		t.Error("asked after the last")
	}
}

// requests is how often Redis ran scripts for looks and how often it was asked for lengths.
type requests struct{ scripts, asks int }

// An idle asynq server asks for lengths and runs no scripts to look for tasks; what
// another process queues is found all the same.
func TestAnIdleServerRunsNoScripts(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "redis": brokertest.Redis, "cluster": brokertest.Cluster} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Open(t.Context(), options(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			client := asynq.NewClient(b.AsynqOpt())
			defer client.Close()
			seen := make(chan requests, 1000)
			l := counting{&listening{RedisConnOpt: b.AsynqOpt(), queues: 2, every: bellSleep}, seen}
			ran := make(chan struct{})
			srv := asynq.NewServer(l, asynq.Config{Queues: map[string]int{Urgent.queue(): 4, Normal.queue(): 1}, TaskCheckInterval: bellSleep,
				Logger: quiet{slog.New(slog.DiscardHandler)}})
			if err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { ran <- struct{}{}; return nil })); err != nil {
				t.Fatal(err)
			}
			defer srv.Shutdown()
			for n := range 4 {
				d := NewDispatch(client, nil, time.Now, slog.New(slog.DiscardHandler), DefaultSettings())
				d.Queue([]Class{Normal, Urgent}[n%2], desk.NewID[desk.ReceiptID](time.Now()))
				<-ran
				d.Stop()
			}
			for len(seen) > 0 {
				<-seen
			}
			first, last := <-seen, requests{}
			for range 20 {
				last = <-seen
			}
			if last.scripts != first.scripts || last.asks != first.asks+20 {
				t.Errorf("while its queues were empty it was asked %d times and ran %d scripts", last.asks-first.asks, last.scripts-first.scripts)
			}
		})
	}
}

// counting tells what its connections were asked.
type counting struct {
	asynq.RedisConnOpt
	seen chan requests
}

func (c counting) MakeRedisClient() any {
	client := c.RedisConnOpt.MakeRedisClient()
	client.(redis.UniversalClient).AddHook(&counter{seen: c.seen})
	return client
}

type counter struct {
	seen chan requests
	requests
}

func (c *counter) tell() {
	select {
	case c.seen <- c.requests:
	default:
	}
}

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if _, look := isLook(cmd); look {
			c.scripts++
			c.tell()
		}
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "llen" {
			c.asks++
			c.tell()
		}
		return next(ctx, cmds)
	}
}
