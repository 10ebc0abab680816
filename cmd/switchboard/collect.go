package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// collectSeldom trades memory for processor time: what the write path holds at a
// time is small, and what it throws away is much. Memory may grow by
// intake.gcPercent of what is in use, or up to intake.gcFloor when that is more.
// GOGC in the environment wins.
func (h *house) collectSeldom() {
	intake := h.config.First().Intake
	if _, set := h.env("GOGC"); intake.GCPercent > 0 && !set {
		h.frugal.Do(func() { h.uncollect = collect(intake.GCPercent, int64(intake.GCFloor)) })
	}
}

// collect sets how seldom the collector of this process runs, now and after each
// time it ran, until it is stopped: then it is as before.
func collect(percent int, floor int64) (stop func()) {
	c := &collected{percent: percent, floor: floor}
	before := debug.SetGCPercent(percent)
	c.adjust()
	if floor > 0 {
		runtime.SetFinalizer(&notice{c}, (*notice).ran)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended {
			c.ended = true
			debug.SetGCPercent(before)
		}
	}
}

type collected struct {
	percent int
	floor   int64

	mu    sync.Mutex
	ended bool
}

// adjust sets the percentage anew and reports whether to go on.
func (c *collected) adjust() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		debug.SetGCPercent(percentFor(liveHeap(), c.percent, c.floor))
	}
	return !c.ended
}

// notice is garbage that notices being collected.
type notice struct{ of *collected }

func (t *notice) ran() {
	if t.of.adjust() {
		runtime.SetFinalizer(t, (*notice).ran)
	}
}

// percentFor is the percentage by which a heap may grow over what is live, in
// bytes.
func percentFor(live int64, percent int, floor int64) int {
	if live = max(live, 1<<20); floor > live {
		percent = max(percent, int((floor-live)*100/live))
	}
	return percent
}

// liveHeap is how much was in use when the collector ran last, in bytes.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}
