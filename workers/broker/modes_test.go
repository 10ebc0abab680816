package broker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
	"switchboard/workers/broker/program/programtest"
)

// hang is longer than anything here takes on the busiest machine.
const hang = 3 * time.Minute

// TestMain looks for goroutines left behind. After failed dials go-redis leaves
// one that sleeps for up to a second before it sees that its pool is closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func open(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// spawned is a redis-server that the broker runs itself.
func spawned(t testing.TB) broker.Options {
	t.Helper()
	programtest.Need(t, "redis-server", "redis-server")
	return broker.Options{Mode: broker.Spawn, Dir: folder(t)}
}

// TestEveryModeRunsTasks puts tasks with IDs on three queues and sees each run
// once, on every kind of Redis.
func TestEveryModeRunsTasks(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{
		"single": brokertest.Redis, "sentinel": brokertest.Sentinel, "cluster": brokertest.Cluster,
		"embedded": brokertest.Embedded, "spawn": spawned,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, options(t))
			if err := b.Ping(context.Background()); err != nil {
				t.Fatal(err)
			}
			runTasks(t, b)
		})
	}
}

// runTasks runs 30 tasks over three queues and fails when one is lost, run
// twice or accepted twice.
func runTasks(t *testing.T, b *broker.Broker) {
	t.Helper()
	const tasks = 30
	var mu sync.Mutex
	var ran []string
	all := make(chan struct{})
	server := asynq.NewServer(b.AsynqOpt(), asynq.Config{
		Concurrency: 4, TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel,
		Queues: map[string]int{"intake": 3, "deliver": 2, "sweep": 1},
	})
	handler := asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		mu.Lock()
		defer mu.Unlock()
		if ran = append(ran, string(task.Payload())); len(ran) == tasks {
			close(all)
		}
		return nil
	})
	if err := server.Start(handler); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	client := asynq.NewClientFromRedisClient(b.Client())
	var want []string
	for i := range tasks {
		id := fmt.Sprintf("task-%02d", i)
		want = append(want, id)
		queue := []string{"intake", "deliver", "sweep"}[i%3]
		task := asynq.NewTask("test", []byte(id))
		// Kept after the run, so that the second offer below is refused for sure.
		opts := []asynq.Option{asynq.TaskID(id), asynq.Queue(queue), asynq.Retention(time.Minute)}
		if _, err := client.Enqueue(task, opts...); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if _, err := client.Enqueue(task, opts...); err == nil {
			t.Fatalf("%s was taken twice", id)
		}
	}
	select {
	case <-all:
	case <-time.After(hang):
		mu.Lock()
		t.Fatalf("%d of %d tasks ran", len(ran), tasks)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(ran)
	if !slices.Equal(ran, want) {
		t.Errorf("ran %q", ran)
	}
}

// TestEmbeddedClock sees a key expire, which miniredis alone never does.
func TestEmbeddedClock(t *testing.T) {
	b := open(t, brokertest.Embedded(t))
	ctx := context.Background()
	if err := b.Client().Set(ctx, "k", "v", 500*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(hang)
	for b.Client().Exists(ctx, "k").Val() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("the key never expires")
		}
	}
}
