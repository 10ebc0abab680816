package workers

import (
	"sync"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// waits remembers since when receipts wait for others: since this process first
// took them through the line, whatever time they spent in the queue before, and
// whichever task, sweep or call brings them again. It holds what waits and nothing
// else, and costs the others a look at a number. The zero value is ready; it is
// safe for concurrent use.
type waits struct {
	n  atomic.Int64
	mu sync.Mutex
	at map[desk.ReceiptID]waiter
	// tidied is when those were last left out that nobody brings any more: another
	// process filed them.
	tidied time.Time
}

// waiter is when a receipt was seen to wait for the first and the last time, and
// when it was last claimed for the task that brings it again and again.
type waiter struct{ first, last, claimed time.Time }

// waitGone is how long after it was last seen a wait is forgotten. What still waits
// is brought again before, however long the queue is.
const waitGone = time.Hour

// since is since when a receipt waits; now when it was not seen to.
func (w *waits) since(id desk.ReceiptID, now time.Time) time.Time {
	if w.n.Load() == 0 {
		return now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if x, ok := w.at[id]; ok {
		return x.first
	}
	return now
}

// goesOn keeps that a receipt waits, since an instant.
func (w *waits) goesOn(id desk.ReceiptID, since, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = map[desk.ReceiptID]waiter{}
	}
	x, known := w.at[id]
	if !known {
		x = waiter{first: since, claimed: now}
	}
	x.last = now
	w.at[id] = x
	if now.Sub(w.tidied) > waitGone {
		for id, x := range w.at {
			if now.Sub(x.last) > waitGone {
				delete(w.at, id)
			}
		}
		w.tidied = now
	}
	w.n.Store(int64(len(w.at)))
}

// ended forgets a receipt that waits no more.
func (w *waits) ended(id desk.ReceiptID) {
	if w.n.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.at, id)
	w.n.Store(int64(len(w.at)))
}

// unclaimed returns those of some receipts that wait and were not claimed for a
// while. The caller claims them.
func (w *waits) unclaimed(rs []desk.Receipt, now time.Time, while time.Duration) []desk.ReceiptID {
	if w.n.Load() == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []desk.ReceiptID
	for _, r := range rs {
		if x, ok := w.at[r.ID]; ok && now.Sub(x.claimed) >= while {
			x.claimed = now
			w.at[r.ID] = x
			ids = append(ids, r.ID)
		}
	}
	return ids
}
