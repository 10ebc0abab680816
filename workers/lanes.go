package workers

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline/desk"
)

// lanes write filings, each lane one transaction at a time. Filings of one new
// person, one company or one ticket go through the same lane: two transactions
// that are after the same row would wait for each other, and the second would
// have to run again. Nothing depends on it but the speed: the books find out
// about every race. So few filings as would not fill half a transaction stay
// together in a lane that is free: each transaction has its price, whatever is
// in it, and few seldom meet a rival. Where the books have one writer there is one
// lane, which takes turns with the ledger.
type lanes struct {
	size  int // most filings a reading brings in one piece
	lanes []*group[[]*desk.Filing, []desk.FilingResult]
}

func newLanes(turn chan struct{}, n, size, pending int, wait time.Duration, file func(context.Context, []*desk.Filing) ([]desk.FilingResult, error)) *lanes {
	l := &lanes{size: max(size, 1)}
	for range max(n, 1) {
		l.lanes = append(l.lanes, newTaking(turn, 1, size, pending, wait, func(ctx context.Context, pieces [][]*desk.Filing) ([][]desk.FilingResult, error) {
			return filePieces(ctx, pieces, file)
		}))
	}
	return l
}

func (l *lanes) stop() {
	for _, g := range l.lanes {
		g.stop()
	}
}

// filePieces files what several readings brought as one group.
func filePieces(ctx context.Context, pieces [][]*desk.Filing, file func(context.Context, []*desk.Filing) ([]desk.FilingResult, error)) ([][]desk.FilingResult, error) {
	all := pieces[0]
	if len(pieces) > 1 {
		all = nil
		for _, p := range pieces {
			all = append(all, p...)
		}
	}
	results, err := file(ctx, all)
	if err != nil {
		return nil, err
	}
	out := make([][]desk.FilingResult, len(pieces))
	for n, p := range pieces {
		out[n], results = results[:len(p)], results[len(p):]
	}
	return out, nil
}

var laneSeed = maphash.MakeSeed()

// of is the number of a filing's lane.
func (l *lanes) of(f *desk.Filing) int {
	if len(l.lanes) == 1 {
		return 0
	}
	return int(maphash.String(laneSeed, rival(f)) % uint64(len(l.lanes)))
}

// choose returns which lane takes each filing of a reading of n receipts.
func (l *lanes) choose(n int) func(*desk.Filing) int {
	if n > l.size/2 {
		return l.of
	}
	free := sync.OnceValue(l.free)
	return func(*desk.Filing) int { return free() }
}

// free is the number of a lane that is not writing, or else has least before it.
func (l *lanes) free() int {
	best := 0
	for n, g := range l.lanes {
		if !g.busy.Load() {
			return n
		}
		if len(g.in) < len(l.lanes[best].in) {
			best = n
		}
	}
	return best
}

// rival names the row that other filings may be after too.
func rival(f *desk.Filing) string {
	switch {
	case f.Account != nil && f.Account.Domain != "":
		return f.Account.Domain
	case f.NewCustomer && len(f.Identities) > 0:
		return f.Identities[0].Handle
	case f.Into != "":
		return string(f.Into)
	case f.Customer != nil:
		return string(f.Customer.ID)
	case f.Ticket != nil:
		return string(f.Ticket.CustomerID)
	}
	return string(f.Receipt)
}

// decided is a receipt whose filing is on its way into the books.
type decided struct {
	r      desk.Receipt
	filing *desk.Filing
	span   trace.Span
}

// decide makes a receipt's filing ready; one of a traced message is traced until
// [Intake.filePiece] ends it.
func (i *Intake) decide(ctx context.Context, r desk.Receipt, f *desk.Filing) decided {
	d := decided{r: r, filing: f}
	if i.tracing.on(r.Draft.Trace) {
		ctx, span := i.tracing.start(ctx, r.Draft.Trace, spanFile, trace.WithAttributes(receiptOf(&r)...))
		f.Trace, d.span = TraceOf(ctx), span
	}
	return d
}

// filePiece saves some filings together with what others bring to the lane.
func (i *Intake) filePiece(ctx context.Context, piece []decided, lane *group[[]*desk.Filing, []desk.FilingResult]) ([]desk.FilingResult, error) {
	filings := make([]*desk.Filing, len(piece))
	for n := range piece {
		filings[n] = piece[n].filing
	}
	results, err := lane.do(ctx, filings, len(filings))
	for n := range piece {
		if piece[n].span == nil {
			continue
		}
		bad, ticket := err, desk.TicketID("")
		if err == nil {
			bad, ticket = results[n].Err, results[n].Ticket
		}
		ended(piece[n].span, bad, attribute.String("switchboard.state", string(piece[n].filing.Verdict)), attribute.String("switchboard.ticket", string(ticket)))
	}
	return results, err
}
