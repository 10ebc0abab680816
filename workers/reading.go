package workers

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"switchboard/pipeline/desk"
)

// A task brings the receipts of a few milliseconds; reading the books for so few
// costs as much as for hundreds. So the tasks that wait while a reading is under
// way are read together in the next one. A task that finds a free lane waits for
// nobody but Settings.ReadWait. Each task keeps its own end: it is done when its
// own receipts are, and what ails a reading is found by taking it apart.

// part is what one task brings to a reading: IDs the first time, and then the
// receipts that have to be run again.
type part struct {
	ctx   context.Context
	ids   []desk.ReceiptID
	fresh bool // nothing was done about the IDs yet: what is on the shelf holds
	open  []desk.Receipt
	apart bool                   // its receipt may hang elsewhere: it is tried all the same
	line  atomic.Pointer[inLine] // of the reading that it is in
}

// turn is what a reading did for one part.
type turn struct {
	open  []desk.Receipt // to be run again
	moved bool           // some were settled, or lost a race
	near  bool           // some of another part were: what waits for those may go on
}

// maxIdle is how many rounds in a row receipts may wait for others of the same
// reading.
const maxIdle = 2

// gather is [Intake.run] together with what else is there to be read: tasks of the
// queues and API calls, apart from those of the bulk queue, which may wait for
// company.
func (i *Intake) gather(ctx context.Context, class Class, t task) error {
	t.Receipts = i.journal.others(t.Receipts)
	from := i.reading
	if class == Bulk {
		from = i.bulkReading
	}
	return i.process(ctx, t, func(p *part) (turn, error) {
		done, err := from.do(p.ctx, p, max(len(p.ids), len(p.open)))
		if err == nil || !faulty(p.ctx, err) {
			return done, err
		}
		i.log.Warn("a reading failed; its tasks are run one by one", "count", len(t.Receipts), "error", err)
		return i.halves(p)
	})
}

// gatherSafely is gather where no server stands behind it that would survive a
// panic of the task alone.
func (i *Intake) gatherSafely(ctx context.Context, t task) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("workers: read: panic: %v\n%s", x, debug.Stack())
		}
	}()
	return i.gather(ctx, Normal, t)
}

// alone is a reading for one task, which leaves it behind when its time is up.
func (i *Intake) alone(p *part) (turn, error) {
	done := make(chan outcome[turn], 1)
	go func() {
		turns, err := i.readGroup(p.ctx, []*part{p})
		if err != nil {
			turns = []turn{{}}
		}
		done <- outcome[turn]{turns[0], err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-p.ctx.Done():
		return turn{}, p.ctx.Err()
	}
}

// readGroup is one reading for several tasks. A panic is an error like any
// other: alone, it is the task's own.
func (i *Intake) readGroup(_ context.Context, parts []*part) (turns []turn, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("workers: read: panic: %v\n%s", x, debug.Stack())
		}
	}()
	ctx, end := together(parts)
	defer end()
	return i.read(ctx, parts)
}

// together is a context that ends when those of all parts have.
func together(parts []*part) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parts[0].ctx))
	var left atomic.Int64
	left.Store(int64(len(parts)))
	stops := make([]func() bool, len(parts))
	for n, p := range parts {
		stops[n] = context.AfterFunc(p.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// read reads the receipts of all parts, takes them through the line in the order
// in which they were said, and files what was decided. A receipt that two parts
// bring is the first one's.
func (i *Intake) read(ctx context.Context, parts []*part) ([]turn, error) {
	line, end := i.readings.begin()
	defer end()
	for _, p := range parts {
		p.line.Store(line)
	}
	all, owner, err := i.receipts(ctx, parts)
	if err != nil {
		return nil, err
	}
	had := make([]int, len(parts))
	for n := range all {
		had[owner[all[n].ID]]++
	}
	turns := make([]turn, len(parts))
	if len(all) == 0 {
		return turns, nil
	}
	i.metrics.group(borderReading, len(all))
	again, lost, err := i.round(ctx, all, line, func(id desk.ReceiptID) bool {
		p := parts[owner[id]]
		return p.fresh && len(p.open) == 0
	})
	if err != nil {
		return nil, err
	}
	for _, r := range again {
		t := &turns[owner[r.ID]]
		t.open = append(t.open, r)
		t.moved = t.moved || lost[r.ID]
	}
	for n := range turns {
		t := &turns[n]
		t.moved = t.moved || len(t.open) < had[n]
		t.near = len(again) < len(all) || len(lost) > 0
	}
	return turns, nil
}

// receipts are the open receipts of all parts, in order, and whose they are.
func (i *Intake) receipts(ctx context.Context, parts []*part) ([]desk.Receipt, map[desk.ReceiptID]int, error) {
	owner := map[desk.ReceiptID]int{}
	var all []desk.Receipt
	var ids, fresh []desk.ReceiptID
	for n, p := range parts {
		for _, r := range p.open {
			if _, twice := owner[r.ID]; !twice {
				owner[r.ID] = n
				all = append(all, r)
			}
		}
	}
	for n, p := range parts {
		for _, id := range p.ids {
			if _, twice := owner[id]; !twice {
				owner[id] = n
				if p.fresh {
					fresh = append(fresh, id)
				} else {
					ids = append(ids, id)
				}
			}
		}
	}
	rs, rest := i.shelf.take(fresh)
	i.metrics.shelved(len(rs))
	if ids = append(ids, rest...); len(ids) > 0 {
		read, err := i.books.Unsettled(ctx, ids)
		if err != nil {
			return nil, nil, fmt.Errorf("workers: read receipts: %w", err)
		}
		rs = append(rs, read...)
	}
	if len(rs) > 0 {
		rs = slices.DeleteFunc(rs, func(r desk.Receipt) bool { return r.State != desk.Accepted })
		if !parts[0].apart {
			if stuck := i.readings.stuck(i.now(), i.set.SweepAfter, 2*i.set.TaskTimeout); stuck != nil {
				rs = slices.DeleteFunc(rs, func(r desk.Receipt) bool { return stuck(r.ID) })
			}
		}
		if i.tracing != nil {
			for n := range rs {
				i.tracing.waited(ctx, &rs[n], i.now())
			}
		}
		if len(all) == 0 {
			all = rs
		} else {
			all = append(all, rs...)
		}
	}
	slices.SortStableFunc(all, func(a, b desk.Receipt) int {
		return cmp.Or(a.SourceTime.Compare(b.SourceTime), cmp.Compare(a.ID, b.ID))
	})
	return all, owner, nil
}
