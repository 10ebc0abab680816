package workers

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

func TestGroupGathersUpToSize(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	g := newGroup(1, 10, 1000, time.Hour, func(_ context.Context, in []int) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(in))
		out := make([]string, len(in))
		for i, n := range in {
			out[i] = fmt.Sprint(n)
		}
		return out, nil
	})
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			if got, err := g.do(t.Context(), n, 1); err != nil || got != fmt.Sprint(n) {
				t.Errorf("%d: %q, %v", n, got, err)
			}
		})
	}
	all.Wait() // with an endless wait only full groups are handled
	for _, s := range sizes {
		if s != 10 {
			t.Errorf("group of %d, want 10", s)
		}
	}
	g.stop()
	if _, err := g.do(t.Context(), 1, 1); !errors.Is(err, errStopped) {
		t.Errorf("a stopped group took a value: %v", err)
	}
}

func TestGroupHandsOutTheError(t *testing.T) {
	bad := errors.New("bad")
	g := newGroup(2, 10, 10, time.Millisecond, func(context.Context, []int) ([]int, error) { return nil, bad })
	defer g.stop()
	if _, err := g.do(t.Context(), 1, 1); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
}

func TestGroupIsBusyWhenFull(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	g := newGroup(1, 1, 2, 0, func(_ context.Context, in []int) ([]int, error) {
		entered <- true
		<-leave
		return in, nil
	})
	done := make(chan error, 3)
	ask := func() { _, err := g.do(context.Background(), 1, 1); done <- err }
	go ask()
	<-entered // one is being handled
	if err := g.send(&entry[int, int]{done: make(chan outcome[int], 1)}); err != nil {
		t.Fatal(err)
	}
	if err := g.send(&entry[int, int]{done: make(chan outcome[int], 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.do(t.Context(), 1, 1); !errors.Is(err, desk.ErrBusy) {
		t.Errorf("a full group answered %v", err)
	}
	go func() {
		for range 2 {
			leave <- true
			<-entered
		}
		leave <- true
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
	g.stop()
}

// Groups that take turns go on filling while another one works, and never work
// together.
func TestGroupsThatTakeTurnsFillMeanwhile(t *testing.T) {
	turn := make(chan struct{}, 1)
	entered, leave := make(chan int, 10), make(chan bool)
	var working sync.Mutex
	handle := func(_ context.Context, in []int) ([]int, error) {
		if !working.TryLock() {
			t.Error("two groups work at a time")
		} else {
			defer working.Unlock()
		}
		entered <- len(in)
		<-leave
		return in, nil
	}
	a, b := newTaking(turn, 1, 4, 100, 0, handle), newTaking(turn, 1, 4, 100, 0, handle)
	var all sync.WaitGroup
	bring := func(g *group[int, int], n int) {
		for range n {
			all.Go(func() {
				if _, err := g.do(t.Context(), 1, 1); err != nil {
					t.Error(err)
				}
			})
		}
	}
	bring(a, 1)
	if n := <-entered; n != 1 {
		t.Errorf("a group of %d, want the one that was there", n)
	}
	bring(b, 6)
	// The four that fill the group are out of the channel, the others stay in it.
	for deadline := time.Now().Add(hang); len(b.in) != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want 2 beside the full group", len(b.in))
		}
	}
	leave <- true
	if n := <-entered; n != 4 {
		t.Errorf("a group of %d, want 4 that came while another worked", n)
	}
	leave <- true
	if n := <-entered; n != 2 {
		t.Errorf("a group of %d, want the last 2", n)
	}
	leave <- true
	all.Wait()
	a.stop()
	b.stop()
	if len(turn) != 0 {
		t.Error("the turn was not given back")
	}
}

// A lane in reserve stands still until as much waits as a group holds.
func TestGroupReserve(t *testing.T) {
	begun, end := make(chan []int), make(chan struct{})
	g := newPatient(2, 3, 10, 0, time.Hour, func(_ context.Context, in []int) ([]int, error) {
		begun <- in
		<-end
		return in, nil
	})
	var all sync.WaitGroup
	give := func(v int) {
		all.Go(func() {
			if _, err := g.do(context.Background(), v, 1); err != nil {
				t.Error(err)
			}
		})
	}
	waits := func(n int64) {
		t.Helper()
		for deadline := time.Now().Add(hang); g.waiting.Load() != n; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d wait, want %d", g.waiting.Load(), n)
			}
		}
	}
	give(0)
	if in := <-begun; len(in) != 1 {
		t.Errorf("the first group is %v", in)
	}
	give(1)
	give(2)
	waits(2)
	select {
	case in := <-begun:
		t.Errorf("the reserve took %v", in)
	default:
	}
	give(3)
	if in := <-begun; len(in) != 3 {
		t.Errorf("the reserve took %v, want three", in)
	}
	close(end)
	all.Wait()
	g.stop()
}
