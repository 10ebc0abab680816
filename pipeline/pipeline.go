// Package pipeline is the line of stages between an accepted draft and the
// books: draft in, filing out.
//
// What goes in: a [desk.Draft], the [desk.Policy] of the house, the instant it
// is now, and [Books] to look things up in. What comes out: a [desk.Filing],
// with the decision of every stage in words.
//
// What it promises: purity. The same draft, policy, instant and books give the
// same filing (but for fresh IDs); no stage reads a clock or writes anything.
// A [Line] is safe for concurrent use; a [Pass] belongs to one goroutine. A
// stage that panics becomes a permanent error, never a crash.
//
// What it may not know: the store, the queue, any channel's own format.
//
// Standards it follows: RFC 3834 (automatic mail), RFC 5256 section 2.1 (base
// subject), RFC 5322 section 3.6.4 (references).
//
// To add a stage: one file with a function that returns a [Stage], its table
// test, and one line in [Standard]. Its Name stands in every explanation, its Doc
// in `switchboard check --verbose`.
package pipeline

import (
	"context"
	"fmt"
	"runtime/debug"

	"switchboard/pipeline/desk"
)

// Stage is one decision on the way. Run looks at the pass and writes what it
// decided on it; returning an error means it could not decide (the books did
// not answer) and the draft will be run again.
type Stage struct {
	Name string
	Doc  string
	Run  func(ctx context.Context, p *Pass) error
}

// Standard returns the stages in order. Order matters: each sees what the ones
// before it decided.
func Standard() []Stage {
	return []Stage{
		Loop(),
		Dedupe(),
		Revise(),
		Requester(),
		Thread(),
		Fields(),
		Rules(),
		Route(),
		Assign(),
		Priority(),
		SLA(),
	}
}

// Line runs stages in order.
type Line struct{ Stages []Stage }

// Run takes the pass through the stages until one ends it (dropped, duplicate,
// held, waiting) or the line is done. An error names the stage.
func (l *Line) Run(ctx context.Context, p *Pass) error {
	for _, s := range l.Stages {
		if err := l.run(ctx, s, p); err != nil {
			return fmt.Errorf("pipeline: %s: %w", s.Name, err)
		}
		if p.Ended() {
			return nil
		}
	}
	return nil
}

func (l *Line) run(ctx context.Context, s Stage, p *Pass) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = desk.Permanent(fmt.Errorf("panic: %v\n%s", x, debug.Stack()))
		}
	}()
	p.stage = s.Name
	return s.Run(ctx, p)
}
