package pipeline

import (
	"fmt"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/pipeline/match"
)

// Pass is one draft on its way down the line, with everything decided so far.
// It belongs to one goroutine.
type Pass struct {
	Draft      *desk.Draft
	Receipt    desk.ReceiptID
	AcceptedAt time.Time
	Now        time.Time
	Policy     *desk.Policy
	Books      Books
	// Since is when the line first looked at the receipt, or else when it was
	// accepted: what a message waits for others is counted from there, because an
	// outage before it is nobody's turn.
	Since    time.Time
	Patience Patience
	// First says that the line did not run for this receipt before, as far as is
	// known: what a unique key of the books would refuse need not be looked up.
	First bool

	// Requester is who wrote; NewCustomer, Completed, NewAccount and Identities are what
	// the books must learn about them.
	Requester   desk.Requester
	NewCustomer bool
	Completed   bool // the requester is not new and more is known about them
	NewAccount  *desk.Account
	Identities  []desk.Identity

	// Ticket is the ticket being made, or, when Joined, a copy of the one the
	// message joins, which Change will alter.
	Ticket *desk.Ticket
	Joined bool
	Change desk.Change
	// Related are tickets the message names but may not join, with the reason.
	Related []Related
	// Claims are thread keys that become this ticket's.
	Claims  []string
	Takes   map[string]desk.TicketID // keys a finished ticket gives up
	NewTeam *desk.Team
	Turn    *desk.Turn

	// Group is set when the message is the latest of a group.
	Group *desk.Group

	stage   string
	trail   []desk.Note
	verdict desk.State
	reason  string
	dup     desk.TicketID
	wait    string
	revised *desk.Message
	act     *desk.Revision
	canary  time.Time
	reused  bool // the external ID was used before for other content: it names nothing
	env     *match.Env
	local   localTime
}

// Patience is how long a message waits for others.
type Patience struct {
	Parent time.Duration // until the message it answers is filed
	Turn   time.Duration // until those of its conversation before it are, and an edit for what it changes
}

// DefaultPatience returns how long messages usually wait.
func DefaultPatience() Patience { return Patience{Parent: 30 * time.Second, Turn: 10 * time.Minute} }

// waited is how long the message has waited for others.
func (p *Pass) waited() time.Duration { return p.Now.Sub(p.Since) }

// Related is a refused candidate.
type Related struct {
	Ticket desk.TicketID
	Reason string
}

// NewPass prepares a receipt for the line.
func NewPass(r desk.Receipt, policy *desk.Policy, books Books, now time.Time) *Pass {
	return &Pass{Draft: r.Draft, Receipt: r.ID, AcceptedAt: r.AcceptedAt, Now: now, Policy: policy, Books: books,
		Since: r.AcceptedAt, Patience: DefaultPatience(), verdict: desk.Accepted}
}

// usualNotes is how many decisions a message usually takes.
const usualNotes = 16

// Note records a decision of the running stage in words.
func (p *Pass) Note(format string, args ...any) { p.NoteData(nil, format, args...) }

// NoteData records a decision together with the facts behind it.
func (p *Pass) NoteData(data map[string]any, format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	p.say(data, format)
}

// say records a decision in words that are written already.
func (p *Pass) say(data map[string]any, text string) {
	if p.trail == nil {
		p.trail = make([]desk.Note, 0, usualNotes)
	}
	p.trail = append(p.trail, desk.Note{Stage: p.stage, Text: text, Data: data})
}

func (p *Pass) end(v desk.State, reason string) {
	p.verdict, p.reason = v, reason
	p.Note("%s: %s", v, reason)
}

// Drop ends the pass: the message is kept in the ledger and makes no ticket.
func (p *Pass) Drop(reason string) { p.end(desk.Dropped, reason) }

// Hold ends the pass: a person must decide.
func (p *Pass) Hold(reason string) { p.end(desk.Held, reason) }

// Double ends the pass: the message is already on a ticket, or about to be.
func (p *Pass) Double(of desk.Seen, reason string) {
	p.dup = of.TicketID
	p.end(desk.Duplicate, reason)
}

// Revise ends the pass: an earlier message changes, and nothing is added.
func (p *Pass) Revise(m *desk.Message, r desk.Revision) {
	p.verdict, p.revised, p.act = desk.Filed, m, &r
	p.Note("%s of message %s on ticket %s", r.Act, m.ID, m.TicketID)
}

// Wait ends the pass for now: it must be run again when what it waits for is
// filed.
func (p *Pass) Wait(reason string) {
	p.wait = reason
	p.Note("waits: %s", reason)
}

// Waiting returns why the pass must be run again, or "".
func (p *Pass) Waiting() string { return p.wait }

// Ended reports whether a stage ended the pass.
func (p *Pass) Ended() bool { return p.verdict != desk.Accepted || p.wait != "" }

// said is when the message was said.
func (p *Pass) said() time.Time {
	if at := p.Draft.Moment(); !at.IsZero() {
		return at
	}
	return p.Now
}

// handle is the sender's handle in the form the books compare.
func (p *Pass) handle() (kind, handle string) {
	kind = desk.IdentityKind(p.Draft.Channel)
	return kind, desk.Handle(kind, p.Draft.From.Handle)
}

// joins are the handles that take part in the conversation by this message:
// the sender first, then everybody addressed, our own addresses left out.
func (p *Pass) joins() []string {
	kind, from := p.handle()
	out := []string{from}
	for _, list := range [][]desk.Party{p.Draft.To, p.Draft.Cc} {
		for _, x := range list {
			if h := desk.Handle(kind, x.Handle); h != "" && !p.Policy.Own(p.Draft.Channel, h) {
				out = append(out, h)
			}
		}
	}
	if out[0] == "" {
		return out[1:]
	}
	return out
}
