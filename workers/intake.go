package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// Intake is the door to the ledger and the way from there to the books. One
// Intake serves a whole process.
type Intake struct {
	books    Books
	view     Viewer
	policy   func() *desk.Policy
	line     *pipeline.Line
	clocked  *pipeline.Line // the same, measured stage by stage
	dispatch *Dispatch
	heard    Heard
	metrics  *Metrics
	tracing  *tracing
	now      func() time.Time
	log      *slog.Logger
	set      Settings

	accepting *group[[]desk.Receipt, written]
	reading   *group[*part, turn]
	filing    *lanes
	// Of flooded sources: nobody stands behind them.
	bulkReading *group[*part, turn]
	bulk        *lanes
	hold        *hold
	pressure    *Pressure
	journal     *Journal
	shelf       *shelf
	waits       waits
	readings    readings
	limit       func(context.Context, time.Duration) (context.Context, context.CancelFunc) // of one task
}

// Parts are what an Intake is made of.
type Parts struct {
	Books    Books
	View     Viewer
	Policy   func() *desk.Policy
	Line     *pipeline.Line
	Dispatch *Dispatch // nil: nothing is queued, sweeps and FileNow do the work
	Pressure *Pressure // nil: no source is ever too much
	Journal  *Journal  // nil: Redis outlives this process and knows what it had in hand
	Heard    Heard     // nil: nobody asks after canaries
	Metrics  *Metrics
	Tracer   trace.Tracer // nil: nothing is traced
	// OneWriter says that the books write one transaction at a time: groups form
	// until the writer is free for them.
	OneWriter bool
	Now       func() time.Time
	Log       *slog.Logger
	Settings  Settings
}

// NewIntake starts an intake. Stop it to flush its groups.
func NewIntake(p Parts) *Intake {
	i := &Intake{books: p.Books, view: p.View, policy: p.Policy, line: p.Line, dispatch: p.Dispatch, heard: p.Heard,
		metrics: p.Metrics, now: p.Now, log: p.Log, set: p.Settings,
		hold: &hold{set: p.Settings}, pressure: p.Pressure, journal: p.Journal,
		shelf: &shelf{most: p.Settings.ShelfBytes, recorded: func(r *desk.Receipt) (desk.Receipt, bool) { return p.Books.Recorded(r) }}}
	i.limit = context.WithTimeout
	i.tracing = newTracing(p.Tracer)
	i.clocked = clocked(p.Line, p.Metrics)
	var turn chan struct{}
	lanes := i.set.FileLanes
	if p.OneWriter {
		turn, lanes = make(chan struct{}, 1), 1
	}
	room := i.set.queue()
	i.accepting = newTaking(turn, 1, i.set.LedgerGroup, room, i.set.LedgerWait, i.acceptGroup)
	i.filing = newLanes(turn, lanes, i.set.FileGroup, room, i.set.FileWait, i.fileGroup)
	i.bulk = newLanes(turn, lanes, i.set.FileGroup, room, i.set.FileWait, i.fileGroup)
	i.reading = newPatient(i.set.ReadLanes, i.set.ReadGroup, room, i.set.ReadWait, i.set.ReadPatience, i.readGroup)
	i.bulkReading = newPatient(i.set.ReadLanes/2, i.set.ReadGroup, room, max(i.set.ReadWait, i.set.BulkWait), i.set.ReadPatience, i.readGroup)
	return i
}

// Stop takes nothing more, and returns when everything taken is written and filed.
// What does not finish within Settings.DrainFor is left to others: a message that
// hangs would keep this process for ever.
func (i *Intake) Stop() {
	i.accepting.stop()
	filed := make(chan struct{})
	go func() {
		defer close(filed)
		i.reading.stop()
		i.bulkReading.stop()
		i.filing.stop()
		i.bulk.stop()
	}()
	if i.set.DrainFor <= 0 {
		<-filed
		return
	}
	limit := time.NewTimer(i.set.DrainFor)
	defer limit.Stop()
	select {
	case <-filed:
	case <-limit.C:
		i.log.Warn("something in hand does not finish; it is left to others", "after", i.set.DrainFor)
	}
}

// Submit writes the drafts to the ledger and queues them; see channels.Sink.
// Redis has no say in it: what cannot be queued now is queued by the sweep.
func (i *Intake) Submit(ctx context.Context, cursor *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	ids, err := i.accept(ctx, cursor, drafts)
	if err != nil {
		return nil, err
	}
	if i.dispatch != nil {
		for first := 0; first < len(ids); { // as a rule they are all of one source
			last := first + 1
			for last < len(ids) && drafts[last].Source == drafts[first].Source {
				last++
			}
			i.dispatch.Queue(i.pressure.Class(drafts[first].Source), ids[first:last]...)
			first = last
		}
	}
	return ids, nil
}

// accept writes the ledger rows and lets go of the drafts.
func (i *Intake) accept(ctx context.Context, cursor *desk.Cursor, drafts []*desk.Draft) ([]desk.ReceiptID, error) {
	ids, leave, err := i.take(ctx, cursor, drafts)
	if err == nil {
		leave()
	}
	return ids, err
}

// take writes the ledger rows: alone in a transaction with the cursor when
// there is one, else in a group with what others bring. Without an error the
// drafts stay in hand until leave is called; with one, as long as they are in
// memory: who leaves early does not take them along.
func (i *Intake) take(ctx context.Context, cursor *desk.Cursor, drafts []*desk.Draft) (ids []desk.ReceiptID, leave func(), err error) {
	if leave, err = i.enter(drafts); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil && !errors.Is(err, errLeft) {
			leave()
		}
	}()
	now := i.now()
	receipts := make([]desk.Receipt, len(drafts))
	for n, d := range drafts {
		if err := ready(d); err != nil {
			return nil, leave, err
		}
		receipts[n] = desk.NewReceipt(d, now)
	}
	if i.tracing != nil {
		end := i.tracing.accepting(ctx, drafts)
		defer func() { end(ids, err) }()
	}
	if cursor != nil || len(drafts) == 0 {
		i.metrics.group(borderLedger, len(receipts))
		start := time.Now()
		if ids, err = i.write(ctx, cursor, receipts); err != nil {
			err = i.blame(receipts, err)
		}
		i.metrics.commit(borderLedger, start)
	} else {
		var w written
		w, err = i.accepting.lend(ctx, receipts, len(receipts), leave)
		ids, err = w.ids, cmp.Or(err, w.err)
	}
	if err != nil {
		return nil, leave, fmt.Errorf("workers: accept: %w", err)
	}
	i.shelf.put(receipts, ids)
	for n, r := range receipts {
		i.metrics.accepted(r.Source, ids[n] != r.ID)
		if ids[n] == r.ID {
			i.pressure.accepted(r.Source, 1)
		}
	}
	return ids, leave, nil
}

// ready refuses a draft no ledger row could be made of: a bug of its channel.
func ready(d *desk.Draft) error {
	if d.Source == "" || d.Scope == "" || d.ExternalID == "" {
		return desk.Permanent(errors.New("workers: draft without source, scope or external ID"))
	}
	return nil
}

// written is what became of one Submit's rows in a ledger group.
type written struct {
	ids []desk.ReceiptID
	err error
}

// acceptGroup writes one ledger group in one transaction. When it fails it is
// tried again in halves, so that one bad row costs the others nothing; when the
// database does not answer at all, nobody is told yes.
func (i *Intake) acceptGroup(ctx context.Context, groups [][]desk.Receipt) ([]written, error) {
	all := slices.Concat(groups...)
	i.metrics.group(borderLedger, len(all))
	start := time.Now()
	var span trace.Span
	if i.tracing != nil {
		span = i.tracing.group(ctx, spanAcceptCommit, tracesOf(all, func(r desk.Receipt) string { return r.Draft.Trace }))
	}
	ids, err := i.write(ctx, nil, all)
	ended(span, err)
	i.metrics.commit(borderLedger, start)
	out := make([]written, 0, len(groups))
	switch {
	case err == nil:
		for _, g := range groups {
			out = append(out, written{ids: ids[:len(g)]})
			ids = ids[len(g):]
		}
		return out, nil
	case errors.Is(err, desk.ErrUnavailable):
		return nil, err
	case len(groups) == 1:
		return nil, i.blame(all, err)
	}
	i.metrics.halved()
	half := len(groups) / 2
	for _, part := range [][][]desk.Receipt{groups[:half], groups[half:]} {
		w, err := i.acceptGroup(ctx, part)
		if err != nil {
			w = slices.Repeat([]written{{err: err}}, len(part))
		}
		out = append(out, w...)
	}
	return out, nil
}

// write is one ledger transaction. A panic is the trouble of what it was about,
// found in halves like any other.
func (i *Intake) write(ctx context.Context, cursor *desk.Cursor, receipts []desk.Receipt) (ids []desk.ReceiptID, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = &crash{x, debug.Stack()}
		}
	}()
	return i.books.Accept(ctx, cursor, receipts)
}

// crash is a panic as an error. Its words may go to whoever sent the message;
// the stack is for the log.
type crash struct {
	what  any
	stack []byte
}

func (c *crash) Error() string { return fmt.Sprintf("panic: %v", c.what) }

// blame makes a crash the trouble of these receipts, which came together: it
// would crash again, so it is for good. Any other error stays what it is.
func (i *Intake) blame(receipts []desk.Receipt, err error) error {
	var c *crash
	if !errors.As(err, &c) {
		return err
	}
	for _, r := range receipts {
		i.metrics.trouble(r.Source)
		i.log.Error("a message cannot be written to the ledger", "receipt", r.ID, "source", r.Source, "error", c, "stack", string(c.stack))
	}
	return desk.Permanent(err)
}

// FileNow accepts the draft and runs it through the line at once, in this
// process, together with whatever else it reads at the moment. When ctx ends first, the receipt comes back as far as it is known:
// the work goes on, with the draft in hand, and the sweep sees to it if this process dies.
func (i *Intake) FileNow(ctx context.Context, d *desk.Draft) (desk.Receipt, error) {
	ids, leave, err := i.take(ctx, nil, []*desk.Draft{d})
	if err != nil {
		return desk.Receipt{}, err
	}
	done := make(chan error, 1)
	go func() {
		err := i.gatherSafely(context.WithoutCancel(ctx), task{Receipts: ids, Fresh: true})
		leave()
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
	}
	if err != nil {
		i.log.Error("file now", "receipt", ids[0], "error", err)
	}
	rs, err := i.books.Receipts(context.WithoutCancel(ctx), ids)
	if err != nil || len(rs) == 0 {
		return desk.Receipt{ID: ids[0], State: desk.Accepted, Draft: d}, nil
	}
	return rs[0], nil
}
