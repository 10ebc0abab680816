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
	alones  int
}

// chaosKill is a kill and what was open then.
type chaosKill struct {
	at    time.Time
	role  string
	ids   map[string]bool
	last  string // settled last
	alone bool
}

// killed is called just before a kill.
func (w *chaosWatch) killed(ctx context.Context, role string) {
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
	w.waiting = append(w.waiting, &chaosKill{at: time.Now(), role: role, ids: ids, alone: err == nil && w.faults.quiet()})
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
		ids, err := w.look(ctx)
		if err != nil {
			continue
		}
		quiet := w.faults.quiet()
		w.mu.Lock()
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
			took := time.Since(k.at)
			if took > 15*time.Second {
				w.c.note("slow", k.role, "settled "+took.Round(time.Millisecond).String()+" after its kill; the last was "+k.last)
			}
			w.longest = max(w.longest, took)
			if k.alone {
				w.alones++
				if took > w.alone {
					w.alone = took
				}
				if took > 5*time.Second {
					w.c.note("slow", k.role, "settled "+took.Round(time.Millisecond).String()+" after its kill, with nothing else broken")
				}
			}
		}
		w.waiting = left
		w.mu.Unlock()
	}
}
