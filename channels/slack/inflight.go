package slack

import (
	"context"
	"errors"
	"sync"
	"time"
)

// inflight runs the work of requests apart from them: a request that must be
// answered before its work is done leaves it running, and the sender's next try
// joins it. Safe for concurrent use.
type inflight struct {
	mu   sync.Mutex
	jobs map[string]*job
	most int
	wg   sync.WaitGroup
	shut bool
}

// maxInflight bounds how many requests are at work at a time.
const maxInflight = 128

type job struct {
	done chan struct{}
	err  error
}

func newInflight(most int) *inflight { return &inflight{jobs: map[string]*job{}, most: most} }

// The ways in which work is not done now.
var (
	errFull    = errors.New("too many requests are at work")
	errWorking = errors.New("it is still at work")
)

// do runs fn under a name, or joins one that runs, and waits for it no longer
// than patience. fn outlives the request: its context ends after limit.
func (f *inflight) do(ctx context.Context, name string, patience, limit time.Duration, fn func(context.Context) error) error {
	f.mu.Lock()
	j, runs := f.jobs[name]
	if !runs {
		if len(f.jobs) >= f.most || f.shut {
			f.mu.Unlock()
			return errFull
		}
		j = &job{done: make(chan struct{})}
		f.jobs[name] = j
		f.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
			defer cancel()
			err := fn(ctx)
			f.mu.Lock()
			delete(f.jobs, name)
			f.mu.Unlock()
			j.err = err
			close(j.done)
		})
	}
	f.mu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-j.done:
		return j.err
	case <-t.C:
		return errWorking
	}
}

// wait lets what runs end, no longer than d, and takes nothing new.
func (f *inflight) wait(d time.Duration) {
	f.mu.Lock()
	f.shut = true
	f.mu.Unlock()
	all := make(chan struct{})
	go func() { f.wg.Wait(); close(all) }()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-all:
	case <-t.C:
	}
}
