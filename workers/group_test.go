package workers

import (
	"context"
	"errors"
	"fmt"
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
