package workers

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// An asynq server that looks once an hour takes up at once what its own process
// queued, again and again, from either of its queues.
func TestTheBellWakesTheOwnWorkers(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "redis": brokertest.Redis} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Open(t.Context(), options(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			client := asynq.NewClient(b.AsynqOpt())
			defer client.Close()
			d := NewDispatch(client, nil, time.Now, slog.New(slog.DiscardHandler), DefaultSettings())
			defer d.Stop()
			done, ran := make(chan struct{}), make(chan struct{})
			opt := &listening{RedisConnOpt: b.AsynqOpt(), bell: d.bell, queues: 2, every: time.Hour, done: done}
			srv := asynq.NewServer(opt, asynq.Config{Queues: map[string]int{Urgent.queue(): 4, Normal.queue(): 1}, TaskCheckInterval: bellSleep,
				Logger: quiet{slog.New(slog.DiscardHandler)}})
			if err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { ran <- struct{}{}; return nil })); err != nil {
				t.Fatal(err)
			}
			defer srv.Shutdown()
			defer close(done)
			for n := range 6 {
				d.Queue([]Class{Normal, Urgent}[n%2], desk.NewID[desk.ReceiptID](time.Now()))
				select {
				case <-ran:
				case <-time.After(time.Minute):
					t.Fatalf("task %d waits for a look in an hour", n)
				}
			}
		})
	}
}

// A round of looks that found nothing lasts until the bell, the next look or the
// end; nothing else is held back.
func TestOnlyARoundThatFoundNothingWaits(t *testing.T) { synctest.Test(t, aRoundThatFoundNothing) }

func aRoundThatFoundNothing(t *testing.T) {
	answer := error(redis.Nil)
	done := make(chan struct{})
	l := &listening{bell: newBell(), queues: 2, every: time.Hour, done: done}
	tells := func(context.Context, []string) ([]int64, error) { return []int64{1, 1}, nil }
	hook := (&patientLook{l, newPeek(tells, l.queues)}).ProcessHook(func(context.Context, redis.Cmder) error { return answer })
	looks := 0
	look := func() error {
		looks++
		queue := []string{"asynq:{intake}", "asynq:{intake-urgent}"}[looks%2]
		return hook(t.Context(), redis.NewCmd(t.Context(), "evalsha", "sha", 4, queue+":pending", queue+":paused", queue+":active"))
	}
	began := time.Now()
	held := func() chan error {
		t.Helper()
		if err := look(); !errors.Is(err, redis.Nil) { // the first queue of two
			t.Fatal(err)
		}
		out := make(chan error, 1)
		go func() { out <- look() }()
		synctest.Wait()
		if len(out) > 0 || time.Since(began) > 0 {
			t.Fatal("the last look of a round did not wait")
		}
		return out
	}
	for range 3 {
		for range 5 {
			if err := hook(t.Context(), redis.NewCmd(t.Context(), "get", "a")); !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
		}
		out := held()
		l.bell.ring()
		if err := <-out; !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	}
	look() // a task in the second queue begins a new round
	answer = nil
	if err := look(); err != nil {
		t.Fatal(err)
	}
	answer = redis.Nil
	<-held()
	if d := time.Since(began); d != time.Hour {
		t.Errorf("the next look came after %v, want an hour", d)
	}
	began = time.Now()
	out := held()
	close(done)
	<-out
	if d := time.Since(began); d != 0 {
		t.Errorf("at the end a look lasted %v", d)
	}
}
