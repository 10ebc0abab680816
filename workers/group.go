package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// errStopped is what a group says when it no longer takes anything, and errLeft
// to who leaves before what he brought was handled.
var (
	errStopped = errors.New("workers: shutting down")
	errLeft    = errors.New("left before it was done")
)

// group gathers values that many goroutines bring one by one and handles them
// together: up to size of them, or those that came within wait of the first.
// Each of its lanes forms and handles its own groups. Some lanes may be in
// reserve: they work only while as much waits as a group holds.
type group[T, R any] struct {
	in     chan *entry[T, R]
	more   chan struct{} // so much waits, for a lane in reserve
	size   int
	wait   time.Duration
	handle func(ctx context.Context, values []T) ([]R, error)
	// patience is how long a lane waits for a group to be handled before it forms
	// the next one beside it; 0: until it is handled.
	patience time.Duration
	// turn is shared with other groups whose work can only be done one after the
	// other: whoever puts something in has the turn. A group that waits for its
	// turn goes on filling. Nil: they need not wait for each other.
	turn chan struct{}

	mu      sync.RWMutex // guards stopped against sends
	stopped bool
	lanes   sync.WaitGroup
	busy    atomic.Bool  // a group is being handled; of one lane
	waiting atomic.Int64 // weight of what is not in a group yet
}

type entry[T, R any] struct {
	value  T
	weight int
	done   chan outcome[R]
	left   func()      // called in the stead of whoever brought it and has left; may be nil
	ended  atomic.Bool // it was handled, or nobody waits for it: whichever was first
}

type outcome[R any] struct {
	result R
	err    error
}

// newGroup starts the lanes. pending bounds what waits to be gathered; more is
// refused with desk.ErrBusy.
func newGroup[T, R any](lanes, size, pending int, wait time.Duration, handle func(context.Context, []T) ([]R, error)) *group[T, R] {
	return newTaking(nil, lanes, size, pending, wait, handle)
}

// newPatient is newGroup with a bound on how long a group holds its lane, and with
// the second half of its lanes in reserve.
func newPatient[T, R any](lanes, size, pending int, wait, patience time.Duration, handle func(context.Context, []T) ([]R, error)) *group[T, R] {
	g := &group[T, R]{in: make(chan *entry[T, R], max(pending, 1)), size: max(size, 1), wait: wait, patience: patience, handle: handle}
	g.more = make(chan struct{}, 1)
	g.start(lanes - lanes/2)
	for range lanes / 2 {
		g.lanes.Go(g.runReserve)
	}
	return g
}

// newTaking is newGroup for a group that takes turns with others.
func newTaking[T, R any](turn chan struct{}, lanes, size, pending int, wait time.Duration, handle func(context.Context, []T) ([]R, error)) *group[T, R] {
	g := &group[T, R]{in: make(chan *entry[T, R], max(pending, 1)), size: max(size, 1), wait: wait, turn: turn, handle: handle}
	g.start(lanes)
	return g
}

func (g *group[T, R]) start(lanes int) {
	for range max(lanes, 1) {
		g.lanes.Add(1)
		go g.run()
	}
}

// do hands a value over and waits for its result. When ctx ends first, the
// value may still be handled: the caller knows nothing of it and says so.
func (g *group[T, R]) do(ctx context.Context, value T, weight int) (R, error) {
	return g.lend(ctx, value, weight, nil)
}

// lend is do for a value that somebody keeps count of. When the caller leaves
// first, with errLeft, the value is still here: left is called when it is not.
// Otherwise, with a result or an error, left is not called.
func (g *group[T, R]) lend(ctx context.Context, value T, weight int, left func()) (R, error) {
	var zero R
	e := &entry[T, R]{value: value, weight: weight, done: make(chan outcome[R], 1), left: left}
	if err := g.send(e); err != nil {
		return zero, err
	}
	select {
	case o := <-e.done:
		return o.result, o.err
	case <-ctx.Done():
		if e.ended.Swap(true) { // just now
			o := <-e.done
			return o.result, o.err
		}
		return zero, fmt.Errorf("%w: %w", errLeft, ctx.Err())
	}
}

func (g *group[T, R]) send(e *entry[T, R]) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.stopped {
		return errStopped
	}
	select {
	case g.in <- e:
		g.waiting.Add(int64(e.weight))
		g.callReserve()
		return nil
	default:
		return desk.ErrBusy
	}
}

// stop takes no more values, handles those it has, and returns when the lanes
// have ended.
func (g *group[T, R]) stop() {
	g.mu.Lock()
	if !g.stopped {
		g.stopped = true
		close(g.in)
		if g.more != nil {
			close(g.more)
		}
	}
	g.mu.Unlock()
	g.lanes.Wait()
}

func (g *group[T, R]) run() {
	defer g.lanes.Done()
	for first := range g.in {
		g.take(first)
	}
}

// callReserve wakes a lane in reserve when there is enough for it.
func (g *group[T, R]) callReserve() {
	if g.more == nil || g.waiting.Load() < int64(g.size) {
		return
	}
	select {
	case g.more <- struct{}{}:
	default: // one is about to look
	}
}

func (g *group[T, R]) runReserve() {
	for range g.more {
		for g.waiting.Load() >= int64(g.size) {
			select {
			case first, ok := <-g.in:
				if !ok {
					return
				}
				g.take(first)
				continue
			default: // others were faster
			}
			break
		}
	}
}

// take forms a group and handles it.
func (g *group[T, R]) take(first *entry[T, R]) {
	entries := g.gather(first)
	if g.turn != nil {
		entries = g.await(entries)
		g.flush(entries)
		<-g.turn
		return
	}
	if g.patience <= 0 {
		g.flush(entries)
		return
	}
	done := make(chan struct{})
	g.lanes.Go(func() {
		defer close(done)
		g.flush(entries)
	})
	timer := time.NewTimer(g.patience)
	select {
	case <-done:
	case <-timer.C:
	}
	timer.Stop()
}

func (g *group[T, R]) gather(first *entry[T, R]) []*entry[T, R] {
	entries := []*entry[T, R]{first}
	weight := first.weight
	for weight < g.size { // what is there
		select {
		case e, ok := <-g.in:
			if !ok {
				return entries
			}
			entries = append(entries, e)
			weight += e.weight
			continue
		default:
		}
		break
	}
	if g.wait <= 0 || weight >= g.size {
		return entries
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	for weight < g.size {
		select {
		case e, ok := <-g.in:
			if !ok {
				return entries
			}
			entries = append(entries, e)
			weight += e.weight
		case <-timer.C:
			return entries
		}
	}
	return entries
}

// await waits for the turn and takes it; what comes meanwhile joins the group, as
// far as there is room.
func (g *group[T, R]) await(entries []*entry[T, R]) []*entry[T, R] {
	weight := 0
	for _, e := range entries {
		weight += e.weight
	}
	in := g.in
	for {
		if weight >= g.size {
			in = nil
		}
		select {
		case g.turn <- struct{}{}:
			return entries
		case e, ok := <-in:
			if !ok {
				in = nil
				continue
			}
			entries = append(entries, e)
			weight += e.weight
		}
	}
}

func (g *group[T, R]) flush(entries []*entry[T, R]) {
	values := make([]T, len(entries))
	weight := 0
	for i, e := range entries {
		values[i] = e.value
		weight += e.weight
	}
	g.waiting.Add(-int64(weight))
	g.busy.Store(true)
	results, err := g.handle(context.Background(), values)
	g.busy.Store(false)
	for i, e := range entries {
		o := outcome[R]{err: err}
		if err == nil {
			o.result = results[i]
		}
		if e.ended.Swap(true) { // nobody waits for it
			if e.left != nil {
				e.left()
			}
			continue
		}
		e.done <- o
	}
}
