package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// noop is the yardstick: asynq moving tasks that do nothing, on the same Redis,
// with the settings the product gives it. One task is as large as one message.
type noop struct {
	redis       asynq.RedisConnOpt
	concurrency int
	check       time.Duration
	payload     []byte
}

// enqueuers is how many goroutines put tasks while others are processed.
const enqueuers = 16

func newNoop(redis asynq.RedisConnOpt, concurrency int, check time.Duration) noop {
	return noop{redis, concurrency, check, []byte(strings.Repeat("0123456789abcdef", 128))} // 2 KB
}

// run puts n tasks, processes them at the same time, and returns how long it
// took until the last was handled, and the latency of each from its due time to
// its handler. With a rate they are put on a timetable.
func (b noop) run(ctx context.Context, n int, rate float64, progress func()) (took time.Duration, latency []time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	due := make([]time.Time, n)
	latency = make([]time.Duration, n)
	var handled atomic.Int64
	all := make(chan struct{})
	srv := asynq.NewServer(b.redis, asynq.Config{Concurrency: b.concurrency, Queues: map[string]int{"noop": 1}, TaskCheckInterval: b.check,
		DelayedTaskCheckInterval: 100 * time.Millisecond, ShutdownTimeout: time.Second, LogLevel: asynq.FatalLevel})
	err = srv.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		var i int
		if _, err := fmt.Sscanf(string(t.Payload()[:12]), "%d", &i); err == nil && i < n {
			latency[i] = time.Since(due[i])
		}
		if progress != nil {
			progress()
		}
		if handled.Add(1) == int64(n) {
			close(all)
		}
		return nil
	}))
	if err != nil {
		return 0, nil, fmt.Errorf("bench: no-op: %w", err)
	}
	defer srv.Shutdown()
	client := asynq.NewClient(b.redis)
	defer client.Close()
	var next atomic.Int64
	var wait sync.WaitGroup
	var once sync.Once
	var failed error
	began := time.Now()
	for range enqueuers {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				due[i] = time.Now()
				if rate > 0 {
					due[i] = began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
					if !sleep(ctx, time.Until(due[i])) {
						return
					}
				}
				payload := append(fmt.Appendf(nil, "%-12d", i), b.payload[12:]...)
				_, err := client.EnqueueContext(ctx, asynq.NewTask("noop", payload), asynq.Queue("noop"), asynq.MaxRetry(10), asynq.Timeout(2*time.Minute))
				if err != nil {
					once.Do(func() { failed = err; cancel() })
					return
				}
			}
		})
	}
	wait.Wait()
	select {
	case <-all:
		return time.Since(began), latency, nil
	case <-ctx.Done():
		if failed == nil {
			failed = ctx.Err()
		}
		return 0, nil, fmt.Errorf("bench: no-op: %w", failed)
	}
}
