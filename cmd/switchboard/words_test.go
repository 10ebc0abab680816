package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"switchboard/channels/api"
	"switchboard/workers/broker/brokertest"
)

// TestAQueueThatTakesNothingIsDown: a Redis that answers, and takes nothing, is said to
// be down, and why; and up as soon as it takes something.
func TestAQueueThatTakesNothingIsDown(t *testing.T) {
	r := brokertest.StartRedis(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "switchboard.yaml")
	text := fmt.Appendf(nil, "redis: { mode: single, addrs: [%q], password: \"${REDIS}\" }\nhealth: { every: 10m }\nlog: { level: error }\n", r.Options.Addrs[0])
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return r.Options.Password, name == "REDIS" }
	h, err := open(t.Context(), place{Config: config, Data: dir}, streams{strings.NewReader(""), io.Discard, t.Output(), env})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	direct := redis.NewClient(&redis.Options{Addr: r.Options.Addrs[0], Password: r.Options.Password})
	defer direct.Close()
	do := func(args ...any) {
		t.Helper()
		if err := direct.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	ready := func(needs []string) api.Health {
		h.watchman.fresh(t.Context(), 0)
		return h.readyFor(needs, false)(t.Context())
	}
	for _, c := range []struct {
		end, mend []any
		says      string
	}{
		{[]any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}, "its memory is full (maxmemory), it takes nothing"},
		{[]any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}, "has too few replicas (min-replicas-to-write), it takes nothing"},
		{[]any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}, "is a replica, it takes nothing"},
	} {
		if got := ready(needsOfWork); got.Status != api.HealthOK {
			t.Fatalf("before: %+v", got)
		}
		do(c.end...)
		if got := ready(needsOfWork); got.Status != api.HealthFailing || got.Checks["queue"].Error != c.says {
			t.Errorf("%v: work is %+v, want %q", c.end, got, c.says)
		}
		if got := ready(needsOfWeb); got.Status != api.HealthDegraded { // the door works without
			t.Errorf("%v: web is %+v", c.end, got)
		}
		do(c.mend...)
	}
	if got := ready(needsOfWork); got.Status != api.HealthOK {
		t.Errorf("after: %+v", got)
	}
	if says := inWords(fmt.Errorf("queue: %w", context.DeadlineExceeded)); says != "no answer in time" {
		t.Error(says)
	}
}

// TestRedisInWords: a disk that cannot be written to is named as what it is.
func TestRedisInWords(t *testing.T) {
	said := misconf("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.")
	if got := inWords(fmt.Errorf("broker: ping: %w", said)); got != "cannot write to its disk, it takes nothing" {
		t.Error(got)
	}
	if got := inWords(fmt.Errorf("OOM in another's words")); got != "does not work; the log says why" {
		t.Error(got)
	}
}

// misconf is an answer of Redis.
type misconf string

func (m misconf) Error() string { return string(m) }
func (misconf) RedisError()     {}
