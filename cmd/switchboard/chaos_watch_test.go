//go:build unix

package main

import (
	"context"
	"sync"
	"time"
)

// chaosWatch measures, past the processes' own clocks, how long it takes after a
// kill until everything that was accepted then is settled.
type chaosWatch struct {
	c      *chaos
	faults *chaosFaults

	mu      sync.Mutex
	open    map[string]bool
	waiting []*chaosKill
	longest time.Duration // after any kill
	alone   time.Duration // after a kill while nothing else was broken
	kills   int
	alones  int // of those, that found something open
}

// chaosKill is a kill and what was open then.
type chaosKill struct {
	at    time.Time
	role  string
	ids   map[string]bool
	last  string // settled last
	alone bool
	over  chan struct{} // closed when all of it is settled
}

// recovers is how long it may take until what was open when a process was killed
// is settled, with nothing else broken: the promise, and in a run for every `go
// test`, whose machine may be slow and look for races, still less than the half
// minute after which asynq finds out by itself.
func (f *chaosFaults) recovers() time.Duration {
	if f.short {
		return 20 * time.Second
	}
	return 5 * time.Second
}

// judge fails the run when recovery after a kill took too long, or when nothing
// was seen of it.
func (w *chaosWatch) judge() {
	most := w.faults.recovers()
	if w.alone > most {
		w.c.fail("what was open at a kill with nothing else broken was settled after %s, want at most %s", w.alone.Round(time.Millisecond), most)
	}
	if w.alones == 0 {
		w.c.fail("no kill found anything open with nothing else broken, so nothing is known of recovery")
	}
}

// killed is called just before a kill.
func (w *chaosWatch) killed(ctx context.Context, role string) *chaosKill {
	ids, err := w.look(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil { // PostgreSQL is away: what was open when it was last seen
		ids = map[string]bool{}
		for id := range w.open {
			ids[id] = true
		}
	}
	w.kills++
	k := &chaosKill{at: time.Now(), role: role, ids: ids, alone: err == nil && len(ids) > 0 && w.faults.quiet(), over: make(chan struct{})}
	w.waiting = append(w.waiting, k)
	return k
}

// idle reports whether everything that was open at any kill is settled.
func (w *chaosWatch) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) == 0
}

func (w *chaosWatch) look(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	rows, err := w.c.books.Query(ctx, `SELECT id FROM ledger WHERE state = 'accepted'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ids := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids[id] = true
	}
	return ids, rows.Err()
}

// run looks until ctx is done.
func (w *chaosWatch) run(ctx context.Context) {
	for chaosWait(ctx, 150*time.Millisecond) {
		w.step(ctx)
	}
}

// step looks once.
func (w *chaosWatch) step(ctx context.Context) {
	ids, err := w.look(ctx)
	if err != nil {
		return
	}
	quiet := w.faults.quiet()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = ids
	left := w.waiting[:0]
	for _, k := range w.waiting {
		k.alone = k.alone && quiet
		for id := range k.ids {
			if !ids[id] {
				delete(k.ids, id)
				k.last = id
			}
		}
		if len(k.ids) > 0 {
			left = append(left, k)
			continue
		}
		close(k.over)
		took := time.Since(k.at)
		if took > 15*time.Second {
			w.c.note("slow", k.role, "settled "+took.Round(time.Millisecond).String()+" after its kill; the last was "+k.last)
		}
		w.longest = max(w.longest, took)
		if k.alone {
			w.alones++
			w.alone = max(w.alone, took)
			w.c.note("alone", k.role, "settled "+took.Round(time.Millisecond).String()+" after its kill, with nothing else broken")
		}
	}
	w.waiting = left
}

// lone kills a worker with messages in its hands while everything else is well,
// and waits until all of them are settled. No other kill comes between.
func (f *chaosFaults) lone(ctx context.Context) {
	f.killing.Lock()
	defer f.killing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	work := f.random.Perm(len(f.c.roles))
	for f.c.roles[work[0]].command != "work" {
		work = work[1:]
	}
	r := f.c.roles[work[0]]
	for _, r := range f.c.roles {
		if err := r.ready(ctx); err != nil {
			f.c.fail("before a lone kill: %v", err)
			return
		}
	}
	if !f.until(ctx, func() bool { return f.quiet() && f.c.watch.idle() && f.late(ctx) == 0 }) {
		f.c.fail("before a lone kill: it does not become quiet")
		return
	}
	// Its line to the books is slow, so what it takes up it keeps.
	line := r.wires[toBooks]
	if err := line.add("latency", "down", map[string]int64{"latency": 500}); err != nil {
		f.c.fail("the network: %s: %v", line.name(), err)
		return
	}
	held := f.until(ctx, func() bool { return f.late(ctx) > 1 })
	k := f.c.watch.killed(ctx, r.name)
	err := r.kill()
	f.c.heal([]*wire{line})
	if err != nil || !held {
		f.c.fail("kill %s with messages in its hands: it had some: %t, %v", r.name, held, err)
		return
	}
	f.c.note("kill", r.name, "alone")
	select {
	case <-k.over:
	case <-ctx.Done():
		f.c.fail("what %s had in its hands is not settled %s after its kill", r.name, time.Since(k.at).Round(time.Millisecond))
	}
}

// late counts the messages that are open for longer than they should; -1 is that
// nobody knows.
func (f *chaosFaults) late(ctx context.Context) (n int) {
	if err := f.c.books.QueryRow(ctx, `SELECT count(*) FROM ledger WHERE state = 'accepted' AND accepted_at < clock_timestamp() - interval '700 milliseconds'`).Scan(&n); err != nil {
		return -1
	}
	return n
}

func (f *chaosFaults) until(ctx context.Context, ok func() bool) bool {
	for !ok() {
		if !chaosWait(ctx, 50*time.Millisecond) {
			return false
		}
	}
	return true
}
