package workers

import (
	"context"
	"errors"

	"switchboard/pipeline/desk"
)

// A reading looks up what all of its messages ask, with a few queries. One that
// the books cannot answer, for a row that cannot be read, ends the whole reading:
// it is made again in halves, down to the message that asks, whose trouble it is.

// halves is alone for a task whose reading may fail by the fault of one message.
func (i *Intake) halves(p *part) (turn, error) {
	done, err := i.alone(p)
	if err == nil || !faulty(p.ctx, err) {
		return done, err
	}
	if len(p.ids)+len(p.open) == 1 {
		return i.blamed(p, err)
	}
	i.log.Warn("a reading failed; it is made again in halves", "count", len(p.ids)+len(p.open), "error", err)
	i.metrics.halved()
	var both turn
	for _, h := range p.split() {
		done, err := i.halves(h)
		p.line.Store(h.line.Load())
		if err != nil {
			return turn{}, err
		}
		both.open = append(both.open, done.open...)
		both.moved, both.near = both.moved || done.moved, both.near || done.near
	}
	return both, nil
}

// faulty reports whether an error may be a message's fault: the books answered,
// there was room and time, and nobody was told to stop.
func faulty(ctx context.Context, err error) bool {
	for _, other := range []error{desk.ErrUnavailable, desk.ErrBusy, errStopped, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			return false
		}
	}
	return ctx.Err() == nil
}

// split makes two parts of one, in order.
func (p *part) split() []*part {
	ids, open := len(p.ids)/2, len(p.open)/2
	return []*part{
		{ctx: p.ctx, fresh: p.fresh, apart: p.apart, ids: p.ids[:ids], open: p.open[:open]},
		{ctx: p.ctx, fresh: p.fresh, apart: p.apart, ids: p.ids[ids:], open: p.open[open:]},
	}
}

// blamed records a reading's trouble as that of the only receipt in it. Without a
// record of it the task is run again.
func (i *Intake) blamed(p *part, cause error) (turn, error) {
	rs := p.open
	if len(rs) == 0 {
		var err error
		if rs, err = i.books.Receipts(p.ctx, p.ids); err != nil || len(rs) == 0 {
			return turn{}, cause
		}
	}
	if i.fail(p.ctx, rs[0], cause) == "" {
		return turn{}, cause
	}
	return turn{moved: true}, nil
}
