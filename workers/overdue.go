package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
)

// A stage that hangs keeps its reading for ever: nothing in Go ends it from
// outside. What can be done is to know which message it hangs on, to leave it
// there, and to take the others through the line without it. The message is tried
// again alone, each try is counted, and after Settings.Attempts it is failed.

// errOverdue ends a task that did not finish within Settings.TaskTimeout.
var errOverdue = errors.New("workers: a task did not finish in time")

// recordFor is how long what became of an overdue task is tried to be recorded:
// its own time is used up.
const recordFor = 10 * time.Second

// inLine is the receipt that a reading has in the line: one at a time.
type inLine struct {
	at      atomic.Pointer[desk.ReceiptID]
	since   atomic.Int64
	counted atomic.Pointer[desk.ReceiptID] // the last of which somebody counts the attempt
}

func (l *inLine) enter(id *desk.ReceiptID, now time.Time) {
	l.since.Store(now.UnixNano())
	l.at.Store(id)
}

func (l *inLine) leave() { l.at.Store(nil) }

// hangFor is how long the line must stand still for a message to be blamed: most
// leave it within a millisecond.
const hangFor = 100 * time.Millisecond

// hangs returns the receipt the line stands still on. Nil: it moves, or books are
// read or written, and those are slow.
func (l *inLine) hangs() *desk.ReceiptID {
	id := l.at.Load()
	if id == nil {
		return nil
	}
	time.Sleep(hangFor)
	if l.at.Load() != id {
		return nil
	}
	return id
}

// readings are those of this process that are under way.
type readings struct {
	mu  sync.Mutex
	all map[*inLine]bool
}

func (r *readings) begin() (l *inLine, end func()) {
	l = &inLine{}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[*inLine]bool{}
	}
	r.all[l] = true
	return l, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, l)
	}
}

// stuck reports whether a receipt is in the line of another reading for longer
// than after: whoever brings it meanwhile would hang on it too. What is there for
// longer than long does not count: nobody is about to end it. Nil: none is.
func (r *readings) stuck(now time.Time, after, long time.Duration) func(desk.ReceiptID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []desk.ReceiptID
	for l := range r.all {
		if id, since := l.at.Load(), now.Sub(time.Unix(0, l.since.Load())); id != nil && since >= after && since < long {
			ids = append(ids, *id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return func(id desk.ReceiptID) bool { return slices.Contains(ids, id) }
}

// overdue sees to a task that used up its time: the receipt it hangs on goes on
// alone, the others without it.
func (i *Intake) overdue(ctx context.Context, t task, p *part) error {
	if t.Deaths >= apart {
		return errOverdue // alone already, and counted
	}
	l := p.line.Load()
	if l == nil {
		return errOverdue
	}
	hung := l.hangs()
	if hung == nil { // no message is to blame: much else is slow
		return errOverdue
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordFor)
	defer cancel()
	if l.counted.Swap(hung) != hung {
		if err := i.late(ctx, *hung); err != nil {
			return err
		}
	}
	rest := p.ids
	for _, r := range p.open {
		rest = append(rest, r.ID)
	}
	rest = slices.DeleteFunc(slices.Clone(rest), func(id desk.ReceiptID) bool { return id == *hung })
	if len(rest) == 0 {
		return nil
	}
	return i.requeue(ctx, task{Receipts: rest, Deaths: 1})
}

// late counts an attempt on a receipt that hangs in the line.
func (i *Intake) late(ctx context.Context, id desk.ReceiptID) error {
	rs, err := i.books.Receipts(ctx, []desk.ReceiptID{id})
	if err != nil || len(rs) == 0 || rs[0].State != desk.Accepted {
		return err
	}
	state := i.fail(ctx, rs[0], fmt.Errorf("it did not finish within %s", i.set.TaskTimeout))
	if state != desk.Accepted || i.dispatch == nil {
		return nil // without a queue the sweep runs it again
	}
	return i.once(ctx, task{Receipts: []desk.ReceiptID{id}, Deaths: apart, Late: true})
}

// once queues what hangs for its next attempt. Through that attempt no sweep brings it
// to other processes, which would hang on it as well.
func (i *Intake) once(ctx context.Context, t task) error {
	if err := i.books.Claim(ctx, t.Receipts, i.now().Add(i.set.TaskTimeout)); err != nil {
		return err
	}
	return i.requeue(ctx, t)
}

// isolation is why a receipt of suspects was given up.
func (i *Intake) isolation(t task) string {
	if t.Late {
		return fmt.Sprintf("isolated: none of %d attempts to file it finished within %s", i.set.Attempts, i.set.TaskTimeout)
	}
	return fmt.Sprintf("isolated: each of %d attempts to file it ended the worker", i.set.Attempts)
}
