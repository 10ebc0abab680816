package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// backlog is an intake whose tasks nobody takes up, on a clock of its own, and the
// sweep that watches over it.
type backlog struct {
	*testing.T
	w      *watched
	i      *Intake
	set    Settings
	at     time.Time
	opt    asynq.RedisConnOpt
	client redis.UniversalClient
	sweep  *Sweep
	n      int // messages so far
}

// onQueues runs a test on each kind of Redis.
func onQueues(t *testing.T, test func(b *backlog)) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "redis": brokertest.Redis, "cluster": brokertest.Cluster} {
		t.Run(name, func(t *testing.T) {
			log := slog.New(slog.DiscardHandler)
			r, err := broker.Open(t.Context(), options(t), log)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			b := &backlog{T: t, w: openBooks(t), set: DefaultSettings(), at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), opt: r.AsynqOpt(), client: r.Client()}
			client := asynq.NewClient(r.AsynqOpt())
			t.Cleanup(func() { client.Close() })
			d := NewDispatch(client, nil, b.now, log, b.set)
			t.Cleanup(d.Stop)
			b.i = intake(t, b.w, d)
			b.i.now = b.now
			b.i.pressure = NewPressure(b.w, nil, nil, b.now, log, b.set)
			b.sweep = b.sweeper()
			test(b)
		})
	}
}

func (b *backlog) now() time.Time { return b.at }

// sweeper is the sweep of one process of a fleet.
func (b *backlog) sweeper() *Sweep {
	return &Sweep{Books: b.w, Intake: b.i, Log: slog.New(slog.DiscardHandler), Set: b.set, Recall: newRecall(b.client, b.set.SweepAgain).since}
}

// queued accepts messages, one every second, and queues each in a task of its own.
func (b *backlog) queued(name string, class Class, n int) (ids []desk.ReceiptID) {
	b.Helper()
	for range n {
		got := b.accepted(name, 1)
		if err := b.i.dispatch.enqueue(b.Context(), class, 0, task{Receipts: got}); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, got...)
		b.at = b.at.Add(time.Second)
	}
	return ids
}

// accepted accepts messages, and queues none of them.
func (b *backlog) accepted(name string, n int) (ids []desk.ReceiptID) {
	b.Helper()
	for range n {
		b.n++
		d := mail(fmt.Sprint(b.n), fmt.Sprint(b.n, "@b.example"), "x")
		d.Source = name
		got, err := b.i.accept(b.Context(), nil, []*desk.Draft{d})
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, got...)
	}
	return ids
}

// everywhere sets something in every server.
func (b *backlog) everywhere(name, value string) {
	b.Helper()
	set := func(ctx context.Context, c *redis.Client) error { return c.ConfigSet(ctx, name, value).Err() }
	var err error
	switch c := b.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(b.Context(), set)
	case *redis.Client:
		err = set(b.Context(), c)
	}
	if err != nil {
		b.Fatal(name, err)
	}
}

// sweeps runs the sweep after a while and returns which receipts wait in a queue
// then, each as often as it is there, in order.
func (b *backlog) sweeps(after time.Duration, class Class) []desk.ReceiptID {
	b.Helper()
	b.at = b.at.Add(after)
	if err := b.sweep.Once(b.Context(), b.at); err != nil {
		b.Fatal(err)
	}
	return b.pending(class)
}

func (b *backlog) pending(class Class) (out []desk.ReceiptID) {
	b.Helper()
	inspector := asynq.NewInspector(b.opt)
	defer inspector.Close()
	list, err := inspector.ListPendingTasks(class.queue(), asynq.PageSize(5000))
	if err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
		b.Fatal(err)
	}
	for _, info := range list {
		var t task
		if err := json.Unmarshal(info.Payload, &t); err != nil {
			b.Fatal(err)
		}
		out = append(out, t.Receipts...)
	}
	slices.Sort(out)
	return out
}

func (b *backlog) key(class Class, name string) string {
	return "asynq:{" + class.queue() + "}:" + name
}

// redis runs a command of ours.
func (b *backlog) redis(args ...any) any {
	b.Helper()
	v, err := b.client.Do(b.Context(), args...).Result()
	if err != nil {
		b.Fatal(args, err)
	}
	return v
}

// flush makes the queues forget all.
func (b *backlog) flush() {
	b.Helper()
	for _, class := range classes() {
		for _, name := range []string{"pending", "active", "retry"} {
			b.redis("DEL", b.key(class, name))
		}
	}
}

// files takes up the oldest tasks, one for each receipt or one for all, and does
// what they say.
func (b *backlog) files(class Class, ids ...desk.ReceiptID) {
	b.Helper()
	for range min(len(ids), int(b.redis("LLEN", b.key(class, "pending")).(int64))) {
		b.redis("RPOP", b.key(class, "pending"))
	}
	if err := b.i.Process(b.Context(), ids); err != nil {
		b.Fatal(err)
	}
}

func (b *backlog) same(what string, got, want []desk.ReceiptID) {
	b.Helper()
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		b.Errorf("%s: the queue has %d receipts, want %d: %v, want %v", what, len(got), len(want), got, want)
	}
}

// A backlog that waits longer than any limit of the sweep gets no copies, as long
// as the queue remembers it: pending, in hand, paused or waiting for another try.
func TestWhatTheQueueRemembersIsNotQueuedAgain(t *testing.T) {
	onQueues(t, func(b *backlog) {
		ids := b.queued("slow", Normal, 20)
		for range 5 {
			b.same("behind", b.sweeps(b.set.SweepAgain, Normal), ids)
		}
		b.redis("SET", b.key(Normal, "paused"), 1)
		b.same("paused", b.sweeps(time.Hour, Normal), ids)
		b.redis("DEL", b.key(Normal, "paused"))

		// The oldest is in somebody's hands for long, the others wait.
		hand := b.redis("RPOPLPUSH", b.key(Normal, "pending"), b.key(Normal, "active")).(string)
		b.same("in hand", b.sweeps(time.Second, Normal), ids[1:])
		b.same("in hand", b.sweeps(b.set.SweepAgain-time.Second, Normal), ids[1:])
		b.redis("LREM", b.key(Normal, "active"), 0, hand)
		if err := b.i.Process(b.Context(), ids[:1]); err != nil {
			b.Fatal(err)
		}
		b.same("done", b.sweeps(time.Second, Normal), ids[1:])

		// The database was away: all tasks wait for another try.
		list := b.redis("LRANGE", b.key(Normal, "pending"), 0, -1).([]any)
		b.redis("DEL", b.key(Normal, "pending"))
		for _, id := range list {
			b.redis("ZADD", b.key(Normal, "retry"), b.at.Unix(), id)
		}
		b.same("another try", b.sweeps(time.Second, Normal), nil)
		b.same("another try", b.sweeps(b.set.SweepAgain-time.Second, Normal), nil)
		b.redis("DEL", b.key(Normal, "retry"))
		for _, id := range list {
			b.redis("RPUSH", b.key(Normal, "pending"), id)
		}
		b.same("tried again", b.sweeps(time.Second, Normal), ids[1:])
	})
}

// Whatever the queue forgets it is given again, once: all of it after a flush,
// though new messages come in; its older half at once, its newer half when its
// turn would have come.
func TestWhatTheQueueForgotIsQueuedAgainOnce(t *testing.T) {
	onQueues(t, func(b *backlog) {
		ids := b.queued("slow", Normal, 20)
		b.same("before", b.sweeps(time.Hour, Normal), ids)
		b.flush()
		ids = append(ids, b.queued("slow", Normal, 2)...)
		b.same("flushed", b.sweeps(b.set.SweepEvery, Normal), ids)
		for range 3 {
			b.same("a copy", b.sweeps(b.set.SweepAgain, Normal), ids)
		}

		// In the queue: 20, 21, and all others in one task after them.
		b.files(Normal, ids[20])
		b.files(Normal, ids[21])
		b.redis("DEL", b.key(Normal, "pending"))
		ids = ids[:20]
		b.same("forgotten again", b.sweeps(2*b.set.SweepAfter+1, Normal), ids)
		b.files(Normal, ids...)

		older := b.queued("half", Normal, 10)
		b.at = b.at.Add(time.Minute)
		newer := b.queued("half", Normal, 10)
		b.redis("LTRIM", b.key(Normal, "pending"), 10, -1) // the newer ones are pushed to the left
		b.same("the newer half is lost", b.sweeps(time.Hour, Normal), older)
		b.files(Normal, older...)
		b.same("its turn came", b.sweeps(time.Second, Normal), newer)
		b.files(Normal, newer...)
		b.flush()

		older = b.queued("half", Normal, 10)
		b.at = b.at.Add(time.Minute)
		newer = b.queued("half", Normal, 10)
		b.redis("LTRIM", b.key(Normal, "pending"), 0, 9)
		b.same("the older half is lost", b.sweeps(time.Second, Normal), slices.Concat(older, newer))
		b.same("a copy", b.sweeps(time.Hour, Normal), slices.Concat(older, newer))
	})
}

// Nothing holds the sweep back for ever: neither a task that stays in hand, nor a
// dead worker's, nor tasks that fail again and again.
func TestNothingHoldsTheSweepBackForEver(t *testing.T) {
	onQueues(t, func(b *backlog) {
		hand := b.queued("hand", Normal, 1)
		id := b.redis("RPOPLPUSH", b.key(Normal, "pending"), b.key(Normal, "active")).(string)
		lost := b.queued("lost", Normal, 5)
		b.redis("DEL", b.key(Normal, "pending"))
		b.same("in hand", b.sweeps(b.set.SweepAfter, Normal), nil)
		b.same("in hand for too long", b.sweeps(b.set.SweepAgain, Normal), slices.Concat(hand, lost))
		b.flush()

		b.redis("LPUSH", b.key(Normal, "active"), id)
		b.sweep = b.sweeper()
		b.same("in hand of another", b.sweeps(time.Minute, Normal), nil)
		if err := b.client.Set(b.Context(), handsPrefix+"orphan:"+id, 1, handsKeep).Err(); err != nil {
			b.Fatal(err)
		}
		b.same("of a dead worker", b.sweeps(time.Second, Normal), slices.Concat(hand, lost))
		b.flush()

		// A task fails and is tried again every other second: the set is empty between.
		b.at = b.at.Add(time.Hour)
		for waited := time.Duration(0); ; waited += time.Second {
			b.redis("ZADD", b.key(Normal, "retry"), 1, "some")
			if got := b.sweeps(0, Normal); len(got) > 0 {
				b.same("one that fails again and again", got, slices.Concat(hand, lost))
				break
			}
			if waited > b.set.SweepAgain {
				b.Fatal("held back for ever")
			}
			b.at = b.at.Add(time.Second)
		}
	})
}

// Each class has its queue: a flood in bulk hides nothing that another forgot, and
// what a source had queued before it went to bulk is still remembered.
func TestEachQueueRemembersItsOwn(t *testing.T) {
	onQueues(t, func(b *backlog) {
		early := b.queued("flood", Normal, 2) // before it was one
		b.i.pressure.strains["flood"] = &strain{bulk: true, waiting: b.set.BulkAfter}
		flood := b.queued("flood", Bulk, 10)
		lost := b.queued("calm", Normal, 1)
		b.redis("LPOP", b.key(Normal, "pending"))
		calm := b.queued("calm", Normal, 1)
		b.same("calm, too early", b.sweeps(time.Minute, Normal), slices.Concat(early, calm))
		b.files(Normal, early...)
		b.same("calm", b.sweeps(time.Hour, Normal), calm) // one second is within sweepAfter
		b.files(Normal, calm...)
		b.same("calm", b.sweeps(time.Second, Normal), lost)
		b.same("bulk", b.pending(Bulk), flood)
		b.redis("DEL", b.key(Bulk, "pending"))
		b.files(Normal, lost...)
		b.same("bulk forgot", b.sweeps(time.Second, Bulk), flood)
		b.same("nothing else", b.pending(Normal), nil)
	})
}

// Several processes sweep at once: what was forgotten is queued by one of them.
func TestAFleetOfSweepsQueuesOnce(t *testing.T) {
	onQueues(t, func(b *backlog) {
		ids := b.queued("slow", Normal, 30)
		b.flush()
		fleet := []*Sweep{b.sweeper(), b.sweeper(), b.sweeper()}
		for range 3 {
			b.at = b.at.Add(time.Minute)
			done := make(chan error)
			for _, s := range fleet {
				go func() { done <- s.Once(context.Background(), b.at) }()
			}
			for range fleet {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.same("swept by many", b.pending(Normal), ids)
		}
	})
}

// A Redis that does not say what it remembers is not given copies: what waits is
// filed without it.
func TestASilentQueueGetsNoCopies(t *testing.T) {
	onQueues(t, func(b *backlog) {
		ids := b.queued("slow", Normal, 5)
		b.sweep.Recall = func(context.Context, Class, time.Time) (time.Time, error) {
			return time.Time{}, errors.New("LOADING")
		}
		b.same("silent", b.sweeps(time.Minute, Normal), ids)
		if c := counts(b.T, b.w); c[desk.Filed] != 5 {
			b.Errorf("ledger %v", c)
		}
	})
}

// What a dead worker held waits for workers of its own, however long that takes: no
// sweep puts it beside others meanwhile. What nobody queued is found as ever.
func TestSuspectsThatWaitAreNotQueuedBesideOthers(t *testing.T) {
	onQueues(t, func(b *backlog) {
		held := b.queued("support", Normal, 2)
		if err := b.client.Del(b.Context(), "asynq:{"+Normal.queue()+"}:pending").Err(); err != nil {
			b.Fatal(err) // a worker has it, and dies
		}
		s := NewServer(b.i, b.opt, b.w, b.now, slog.New(slog.DiscardHandler), b.set)
		if err := s.recovered(b.Context(), task{Receipts: held}, true); err != nil {
			b.Fatal(err)
		}
		lost, err := b.i.accept(b.Context(), nil, []*desk.Draft{mail("lost", "c@b.example", "x")})
		if err != nil {
			b.Fatal(err)
		}
		if got := b.sweeps(3*b.set.SweepAfter, Normal); !slices.Equal(got, lost) {
			b.Errorf("%v are queued, want %v alone", got, lost)
		}
		if got := b.pending(suspect); !slices.Equal(got, held) {
			b.Errorf("%v wait as suspects, want %v", got, held)
		}
		if err := b.client.Del(b.Context(), "asynq:{"+suspect.queue()+"}:pending").Err(); err != nil {
			b.Fatal(err)
		}
		if got := b.sweeps(time.Second, Normal); len(got) != 3 {
			b.Errorf("%v are queued after the suspects were lost", got)
		}
	})
}
