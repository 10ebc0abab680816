package brokertest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// TestMain looks for goroutines left behind. After failed dials go-redis leaves
// one that sleeps for up to a second before it sees that its pool is closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func client(t *testing.T, o broker.Options) redis.UniversalClient {
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
	return b.Client()
}

// get reads a key, trying again while the topology heals.
func get(t *testing.T, c redis.UniversalClient, key string) string {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		value, err := c.Get(context.Background(), key).Result()
		if err == nil || errors.Is(err, redis.Nil) {
			return value
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestHurt(t *testing.T) {
	ctx := context.Background()
	for name, start := range map[string]func(testing.TB) *brokertest.Handle{
		"redis": brokertest.StartRedis, "sentinel": brokertest.StartSentinel, "cluster": brokertest.StartCluster,
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			c := client(t, h.Options)
			keys := []string{"a", "b", "c", "d"} // of a cluster, on more than one node
			for _, key := range keys {
				if err := c.Set(ctx, key, "kept", 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 2 {
				h.Restart()
				for _, key := range keys {
					if got := get(t, c, key); got != "kept" {
						t.Fatalf("after an orderly restart %d: %s = %q", round, key, got)
					}
				}
			}
			h.FlushAll()
			if got := get(t, c, "a"); got != "" {
				t.Fatalf("after FlushAll: a = %q", got)
			}
			h.Kill()
			if name == "sentinel" {
				h.Ready() // the replica takes over
			} else if err := c.Ping(ctx).Err(); err == nil {
				t.Fatal("a killed server answers")
			}
			h.Restart()
			if got := get(t, c, "a"); got != "" {
				t.Fatalf("after a kill: a = %q", got)
			}
		})
	}
}

func TestPause(t *testing.T) {
	h := brokertest.StartRedis(t)
	c := client(t, h.Options)
	h.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("a frozen server answers")
	}
	h.Resume()
	if err := c.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}
