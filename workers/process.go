package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// maxRounds bounds how often one group is taken through the line: each round
// files what it can, and messages that wait for each other or lost a race go
// again on fresh books.
const maxRounds = 200

// retryAfter is how long receipts wait that could not be decided in their
// group: their parent is in another worker's hands.
const retryAfter = 100 * time.Millisecond

// Process takes receipts through the line and files them. Receipts already
// settled are passed over, so a task may be run any number of times. An error
// means the books did not answer: run it again.
func (i *Intake) Process(ctx context.Context, ids []desk.ReceiptID) error {
	return i.run(ctx, task{Receipts: i.journal.others(ids)})
}

// run is Process of a task, which is in the journal meanwhile.
func (i *Intake) run(ctx context.Context, t task) error { return i.process(ctx, t, i.halves) }

// process takes turns until every receipt is settled, or waits for others.
func (i *Intake) process(ctx context.Context, t task, take func(*part) (turn, error)) error {
	if len(t.Receipts) == 0 {
		return nil
	}
	defer i.journal.took(t)()
	work, cancel := i.limit(ctx, i.set.TaskTimeout)
	defer cancel()
	p := &part{ctx: work, ids: t.Receipts, fresh: t.Fresh, apart: t.Deaths >= apart}
	idle := 0
	for round := 0; round < maxRounds; round++ {
		turn, err := take(p)
		if err != nil {
			if work.Err() != nil && ctx.Err() == nil && !errors.Is(err, desk.ErrUnavailable) {
				return i.overdue(ctx, t, p)
			}
			return err
		}
		if p = (&part{ctx: work, open: turn.open, apart: p.apart}); len(p.open) == 0 {
			return nil
		}
		if idle++; turn.moved {
			idle = 0
		} else if !turn.near || idle == maxIdle {
			break // all that is left waits for others
		}
	}
	if i.dispatch != nil {
		i.keep(ctx, p.open)
		later := map[Class][]desk.ReceiptID{}
		for _, r := range p.open {
			class := i.pressure.Class(r.Source)
			later[class] = append(later[class], r.ID)
		}
		for class, ids := range later {
			i.dispatch.Later(ctx, class, retryAfter, ids)
		}
	}
	return nil
}

// keep claims receipts that wait, now and then: the queue holds them, in ever new
// tasks, and each sweep that took them for forgotten would add another one.
func (i *Intake) keep(ctx context.Context, open []desk.Receipt) {
	now := i.now()
	if ids := i.waits.unclaimed(open, now, i.set.SweepAfter/2); len(ids) > 0 {
		if err := i.books.Claim(ctx, ids, now); err != nil {
			i.log.Warn("could not claim what waits; it may be queued twice", "count", len(ids), "error", err)
		}
	}
}

// round runs every receipt through the line once and files what was decided. It
// returns those to be run again, in order, and which of them lost a race. first
// tells for which of them this is the first time; line is kept telling which one is
// in it.
func (i *Intake) round(ctx context.Context, open []desk.Receipt, line *inLine, first func(desk.ReceiptID) bool) (again []desk.Receipt, lost map[desk.ReceiptID]bool, err error) {
	drafts := make([]*desk.Draft, 0, len(open))
	for _, r := range open {
		if r.Draft != nil {
			drafts = append(drafts, r.Draft)
		}
	}
	books, err := i.view(ctx, drafts)
	if err != nil {
		return nil, nil, fmt.Errorf("workers: open books: %w", err)
	}
	policy := i.policy()
	lost = map[desk.ReceiptID]bool{}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var down error // the books did not answer, or the lane is full or closed: no message's fault
	file := func(piece []decided, lane *group[[]*desk.Filing, []desk.FilingResult]) {
		wait.Go(func() {
			results, err := i.filePiece(ctx, piece, lane)
			for n := range piece {
				d, result := &piece[n], desk.FilingResult{}
				if err == nil {
					result = results[n]
				}
				switch err := cmp.Or(err, result.Err); {
				case err == nil:
					i.settled(ctx, d, result)
				case errors.Is(err, desk.ErrSettled):
				case errors.Is(err, desk.ErrUnavailable), errors.Is(err, desk.ErrBusy), errors.Is(err, errStopped):
					mu.Lock()
					down = err
					mu.Unlock()
				case errors.Is(err, desk.ErrConflict):
					mu.Lock()
					lost[d.r.ID] = true
					again = append(again, d.r)
					mu.Unlock()
				case ctx.Err() != nil: // nothing is wrong with the message
					mu.Lock()
					down = ctx.Err()
					mu.Unlock()
				default:
					i.fail(ctx, d.r, err)
				}
			}
		})
	}
	normal, bulk := i.filing.choose(len(open)), i.bulk.choose(len(open))
	pieces := map[*group[[]*desk.Filing, []desk.FilingResult]][]decided{}
	for n, r := range open {
		if r.Draft == nil {
			i.fail(ctx, r, desk.Permanent(errors.New("the stored draft cannot be read")))
			continue
		}
		now := i.now()
		pass := pipeline.NewPass(r, policy, books, now)
		pass.First = first(r.ID)
		pass.Patience = pipeline.Patience{Parent: i.set.ParentWait, Turn: i.set.TurnWait}
		pass.Since = i.waits.since(r.ID, pass.Now)
		start := time.Now()
		line.enter(&open[n].ID, now)
		switch err := i.runLine(ctx, n, &r, pass); {
		case errors.Is(err, desk.ErrUnavailable):
			wait.Wait()
			return nil, nil, err
		case ctx.Err() != nil: // it stays in the line, for all to see
			wait.Wait()
			return nil, nil, ctx.Err()
		case err != nil:
			i.fail(ctx, r, err)
			continue
		}
		i.metrics.line(time.Since(start))
		if why := pass.Waiting(); why != "" {
			i.waits.goesOn(r.ID, pass.Since, pass.Now)
			mu.Lock()
			again = append(again, r)
			mu.Unlock()
			continue
		}
		i.waits.ended(r.ID)
		filing, to, of := pass.Filing(), i.filing, normal
		if i.pressure.Class(r.Source) == Bulk {
			to, of = i.bulk, bulk
		}
		lane := to.lanes[of(filing)]
		pieces[lane] = append(pieces[lane], i.decide(ctx, r, filing))
		if len(pieces[lane]) == to.size {
			file(pieces[lane], lane)
			delete(pieces, lane)
		}
	}
	line.leave()
	for lane, piece := range pieces {
		file(piece, lane)
	}
	wait.Wait()
	if down != nil {
		return nil, nil, fmt.Errorf("workers: file: %w", down)
	}
	slices.SortStableFunc(again, func(a, b desk.Receipt) int {
		return cmp.Or(a.SourceTime.Compare(b.SourceTime), cmp.Compare(a.ID, b.ID))
	})
	return again, lost, nil
}

// settled says of a receipt that its filing is in the books.
func (i *Intake) settled(ctx context.Context, d *decided, result desk.FilingResult) {
	i.metrics.settled(d.r, d.filing.Verdict, i.now())
	i.hear(ctx, d.r, d.filing)
	if i.log.Enabled(ctx, slog.LevelDebug) {
		i.log.Debug("settled", "receipt", d.r.ID, "source", d.r.Source, "state", d.filing.Verdict, "ticket", result.Ticket)
	}
}

// fail records trouble with one receipt: at once as failed when no retry will
// cure it, else as an attempt; the sweep runs it again, and after the named
// number of attempts it is failed, with the reason, for a person to see. It returns
// where the receipt stands, "" when that is not known.
func (i *Intake) fail(ctx context.Context, r desk.Receipt, cause error) desk.State {
	if ctx.Err() != nil {
		return "" // we are being stopped: nothing is wrong with the message
	}
	reason := desk.Cut(desk.Clean(cause.Error()), 4000)
	state := desk.Failed
	var err error
	if desk.IsPermanent(cause) {
		err = i.books.Fail(ctx, r.ID, reason, i.now())
	} else {
		state, err = i.books.Trouble(ctx, r.ID, i.set.Attempts, reason, i.now())
	}
	if err != nil {
		i.log.Error("could not record trouble", "receipt", r.ID, "error", err, "cause", cause)
		return ""
	}
	i.metrics.trouble(r.Source)
	if state == desk.Failed {
		i.log.Error("a message failed; it waits for a person", "receipt", r.ID, "source", r.Source, "state", state, "error", cause)
		i.metrics.settled(r, desk.Failed, i.now())
		return state
	}
	i.log.Warn("trouble with a message", "receipt", r.ID, "source", r.Source, "state", state, "error", cause)
	return state
}

// fileGroup saves one filing group in one transaction. When the transaction
// fails it is tried again in halves, down to the bad one alone.
func (i *Intake) fileGroup(ctx context.Context, filings []*desk.Filing) ([]desk.FilingResult, error) {
	i.metrics.group(borderFiling, len(filings))
	start := time.Now()
	var span trace.Span
	if i.tracing != nil {
		span = i.tracing.group(ctx, spanFileCommit, tracesOf(filings, func(f *desk.Filing) string { return f.Trace }))
	}
	results, err := i.file(ctx, filings)
	ended(span, err)
	i.metrics.commit(borderFiling, start)
	if err == nil {
		return results, nil
	}
	if len(filings) == 1 || errors.Is(err, desk.ErrUnavailable) {
		return slices.Repeat([]desk.FilingResult{{Err: err}}, len(filings)), nil
	}
	i.metrics.halved()
	half := len(filings) / 2
	left, _ := i.fileGroup(ctx, filings[:half])
	right, _ := i.fileGroup(ctx, filings[half:])
	return append(left, right...), nil
}

// file is one transaction. A panic is the trouble of what it was about, found in
// halves like any other.
func (i *Intake) file(ctx context.Context, filings []*desk.Filing) (results []desk.FilingResult, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("workers: file: panic: %v\n%s", x, debug.Stack())
		}
	}()
	return i.books.File(ctx, filings)
}
