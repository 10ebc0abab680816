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
				case <-time.After(hang):
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

// redisError is what Redis answers.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

// A look that Redis refuses is not made again at once, as asynq would; one that it
// does not know yet, and whatever else is asked, is.
func TestALookThatIsRefusedLastsAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer error
		done := make(chan struct{})
		hook := (&calmLook{&calm{done: done}}).ProcessHook(func(context.Context, redis.Cmder) error { return answer })
		took := func(args ...any) time.Duration {
			t.Helper()
			began := time.Now()
			if err := hook(t.Context(), redis.NewCmd(t.Context(), args...)); err != answer {
				t.Fatalf("%v, want %v", err, answer)
			}
			return time.Since(began)
		}
		look := []any{"evalsha", "sha", 4, "asynq:{intake}:pending", "asynq:{intake}:paused", "asynq:{intake}:active"}
		for _, c := range []struct {
			answer error
			want   time.Duration
		}{{nil, 0}, {redis.Nil, 0}, {redisError("NOSCRIPT No matching script."), 0}, {redisError("OOM command not allowed"), refusedLook}, {errors.New("EOF"), refusedLook}} {
			answer = c.answer
			if got := took(look...); got != c.want {
				t.Errorf("after %v a look lasted %v, want %v", c.answer, got, c.want)
			}
			if got := took("get", "a"); got != 0 {
				t.Errorf("after %v something else lasted %v", c.answer, got)
			}
		}
		close(done)
		if got := took(look...); got != 0 {
			t.Errorf("at the end a look lasted %v", got)
		}
	})
}
