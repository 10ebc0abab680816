package bench

import (
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// A virtual machine whose neighbours fill the caches does everything two or three times
// as slowly, and not everything alike: what mostly waits suffers least. So each round
// says what a step through memory costs.

// cacheLine is 64 bytes; its number is the line to go to next.
type cacheLine struct {
	next int32
	_    [60]byte
}

// steps is how many are timed.
const steps = 500_000

// walk returns how many nanoseconds a step takes from one line of so many bytes to
// another that is only known when the first was read.
func walk(bytes int) float64 {
	lines := ring(bytes / 64)
	at := stroll(lines, 0, len(lines)/2) // into the caches, as far as they take it
	start := time.Now()
	at = stroll(lines, at, steps)
	took := time.Since(start)
	if at < 0 { // so that nobody leaves the walk out
		return 0
	}
	return float64(took.Nanoseconds()) / steps
}

// ring is lines each of which leads to the next, in an order that no prefetcher guesses
// (Sattolo's algorithm: one cycle through all).
func ring(n int) []cacheLine {
	lines := make([]cacheLine, n)
	for i := range lines {
		lines[i].next = int32(i)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := n - 1; i > 0; i-- {
		j := random.IntN(i)
		lines[i].next, lines[j].next = lines[j].next, lines[i].next
	}
	return lines
}

func stroll(lines []cacheLine, at int32, n int) int32 {
	for range n {
		at = lines[at].next
	}
	return at
}

// machine reads what the machine is like as a round begins.
func (r *Report) machine() {
	const ns = "ns"
	r.add("machine.step.4mb", "the machine: a step through 4 MB of memory", ns, walk(4<<20))
	r.add("machine.step.64mb", "the machine: a step through 64 MB of memory", ns, walk(64<<20))
	debug.FreeOSMemory() // the walk's memory
}
