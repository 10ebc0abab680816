package workers

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"switchboard/pipeline/desk"
)

// TestFewStayTogether: a reading that would not fill half a transaction goes to
// one lane, and to another while that one writes; a large one is spread so that
// what concerns one person meets in one lane.
func TestFewStayTogether(t *testing.T) {
	gate, begun := make(chan struct{}), make(chan int, 8)
	l := newLanes(nil, 2, 64, 1000, 0, func(_ context.Context, fs []*desk.Filing) ([]desk.FilingResult, error) {
		begun <- len(fs)
		<-gate
		return make([]desk.FilingResult, len(fs)), nil
	})
	filings := make([]*desk.Filing, 64)
	for n := range filings {
		filings[n] = &desk.Filing{Customer: &desk.Customer{ID: desk.CustomerID(fmt.Sprint("c", n%20))}}
	}
	var wait sync.WaitGroup
	file := func(lane int, fs []*desk.Filing) {
		wait.Go(func() {
			if _, err := l.lanes[lane].do(t.Context(), fs, len(fs)); err != nil {
				t.Error(err)
			}
		})
	}
	few := func() int {
		choose := l.choose(32)
		first := choose(filings[0])
		for _, f := range filings[:32] {
			if lane := choose(f); lane != first {
				t.Fatalf("a small reading went to lanes %d and %d", first, lane)
			}
		}
		return first
	}
	one := few()
	file(one, filings[:32])
	if n := <-begun; n != 32 {
		t.Errorf("a transaction of %d, want 32", n)
	}
	two := few()
	if two == one {
		t.Error("both went to the lane that writes")
	}
	file(two, filings[:32])
	if n := <-begun; n != 32 {
		t.Errorf("a transaction of %d, want 32", n)
	}
	choose, lanes, used := l.choose(33), map[desk.CustomerID]int{}, map[int]bool{}
	for _, f := range filings {
		lane := choose(f)
		if before, ok := lanes[f.Customer.ID]; ok && before != lane {
			t.Errorf("%s is in two lanes", f.Customer.ID)
		}
		lanes[f.Customer.ID], used[lane] = lane, true
	}
	if len(used) != 2 {
		t.Errorf("a large reading used %d lanes", len(used))
	}
	close(gate)
	wait.Wait()
	l.stop()
}
