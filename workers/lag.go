package workers

import (
	"sync"
	"time"
)

// lag remembers how long the tasks this process takes up have waited in the
// queue. The sweep asks it: while the queue is behind, a receipt may well still
// be in it; while it is not, a receipt that was queued long ago was lost.
type lag struct {
	patience time.Duration // a queue is behind when its tasks wait longer
	mu       sync.Mutex
	waited   time.Duration
	seen     time.Time
}

// newLag knows nothing yet, and so supposes for a while that the queue is
// behind.
func newLag(patience time.Duration, now time.Time) *lag {
	return &lag{patience: patience, waited: patience + 1, seen: now}
}

// took notes a task that was queued at an instant and is taken up now.
func (l *lag) took(queued, now time.Time) {
	if queued.IsZero() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waited, l.seen = now.Sub(queued), now
}

// behind reports whether tasks wait for longer than patience. A process that
// was given nothing for so long finds the queue empty.
func (l *lag) behind(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waited > l.patience && now.Sub(l.seen) <= l.patience
}
