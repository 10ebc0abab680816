package bench

import "testing"

// A walk comes by every line once before it is where it began.
func TestAWalkComesByEveryLine(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000} {
		lines := ring(n)
		seen, at := map[int32]bool{}, int32(0)
		for range n {
			at = stroll(lines, at, 1)
			seen[at] = true
		}
		if len(seen) != n || at != 0 {
			t.Errorf("of %d lines %d were seen, and the walk ends at %d", n, len(seen), at)
		}
	}
	if ns := walk(1 << 20); ns <= 0 {
		t.Errorf("a step takes %g ns", ns)
	}
}
