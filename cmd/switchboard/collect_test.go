package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		live, floor int64
		want        int
	}{{10 * mb, 0, 400}, {10 * mb, 40 * mb, 400}, {10 * mb, 128 * mb, 1180}, {200 * mb, 128 * mb, 400}, {0, 128 * mb, 12700}} {
		if got := percentFor(c.live, 400, c.floor); got != c.want {
			t.Errorf("%d live, floor %d: %d %%, want %d", c.live, c.floor, got, c.want)
		}
	}
}

// TestCollectFollows: after each collection the next goal is the floor again,
// whatever is in use.
func TestCollectFollows(t *testing.T) {
	const floor = 900 << 20
	before := debug.SetGCPercent(100)
	stop := collect(50, floor)
	t.Cleanup(func() {
		stop()
		debug.SetGCPercent(before)
	})
	var held [][]byte
	for range 3 {
		held = append(held, make([]byte, 20<<20))
		debug.SetGCPercent(50)
		for hang := time.Now().Add(time.Minute); ; {
			runtime.GC()
			goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
			metrics.Read(goal)
			if n := goal[0].Value.Uint64(); n > floor*9/10 {
				break
			} else if time.Now().After(hang) {
				t.Fatalf("the goal is %d", n)
			}
		}
	}
	runtime.KeepAlive(held)
}
