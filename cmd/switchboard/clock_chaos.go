//go:build chaos

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// clock is what the time is on a machine whose clock is wrong: off by the
// duration that stands in the file named in SWITCHBOARD_CHAOS_CLOCK, which is
// read again every 100 ms. Only the binary of the chaos run has it.
func clock() func() time.Time {
	file := os.Getenv("SWITCHBOARD_CHAOS_CLOCK")
	if file == "" {
		return time.Now
	}
	var off atomic.Int64
	read := func() {
		text, err := os.ReadFile(file)
		if err != nil {
			return
		}
		if ms, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			off.Store(ms * int64(time.Millisecond))
		}
	}
	read()
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			read()
		}
	}()
	// Round(0) drops the monotonic reading, as a step of a real clock shows only
	// in the wall time.
	return func() time.Time { return time.Now().Add(time.Duration(off.Load())).Round(0) }
}
