package desk

import (
	"fmt"
	"time"
)

// Filing is what one draft adds to the books. The store saves it whole, in one
// transaction, or not at all.
type Filing struct {
	Receipt ReceiptID
	At      time.Time
	// Verdict is Filed, Duplicate, Dropped or Held; all but Filed carry a
	// Reason and leave the fields below it zero (Duplicate may name a Ticket).
	Verdict State
	Reason  string
	Trail   []Note

	// Ticket is the new ticket, without its number, or nil when the message
	// joins Into.
	Ticket *Ticket
	Into   TicketID
	// Change is applied to Into as it is when its row is locked.
	Change Change
	Policy *Policy

	Message *Message
	// Revision is set instead of Message when an earlier message, which is on
	// the ticket Into, is edited, deleted or restored. Change then names only who
	// did it (By).
	Revision *Revision
	// Customer is the requester when new or when more became known about them;
	// NewCustomer says which. When somebody else made the same identity
	// meanwhile, the store uses that customer instead, unless this one has an
	// external ID that nobody has: that is a conflict. Of a customer who is not
	// new only empty fields are filled.
	Customer    *Customer
	NewCustomer bool
	Account     *Account // a new account, unique by domain
	Identities  []Identity
	Team        *Team // a team named for the first time
	// Claims are the thread keys (external IDs and conversation keys) that must
	// become this ticket's in the scope of Message.Scope. If one already
	// belongs to a ticket the filing fails with ErrConflict and the line runs
	// again.
	Claims []string
	// Takes are thread keys that go over to the new ticket from the one that has
	// them: one closed or silent for so long that nothing joins it any more. When
	// somebody else has the key by now, it is ErrConflict too.
	Takes  map[string]TicketID
	Thread Thread  // stored with the ticket, for answers
	Group  *Group  // the message is the latest of a group
	Events []Event // of a new ticket; a Change makes its own
	Links  []Link
	Turn   *Turn
	// Canary is when the canary was made that this is the end of; zero for every
	// real message.
	Canary time.Time
	// Trace is the trace the draft belongs to, as a traceparent; empty when
	// nothing is traced.
	Trace string
}

// Group says that a message belongs to a group of messages that are one case
// when they follow each other closely.
type Group struct {
	Key string
	At  time.Time // when the message was said
	// Last is the ticket the line saw with the group's latest message, "" for
	// none. When it is another one by now the filing fails with ErrConflict and
	// the line runs again.
	Last TicketID
}

// Turn asks the store to take the next turn of a team's round robin, in the
// same transaction, so that no turn is lost or given twice.
type Turn struct {
	Team       TeamID
	Candidates []AgentID
}

// Take gives turn n (counted from 0 for each team) to a candidate: it sets the
// ticket's agent and records why.
func (f *Filing) Take(n int64) {
	if f.Turn == nil || f.Ticket == nil || len(f.Turn.Candidates) == 0 {
		return
	}
	who := f.Turn.Candidates[int(uint64(n)%uint64(len(f.Turn.Candidates)))]
	f.Ticket.AgentID = who
	f.Ticket.AssignedBy.Agent = fmt.Sprintf("round robin, turn %d of %d agents", n+1, len(f.Turn.Candidates))
	f.Trail = append(f.Trail, Note{Stage: "assign", Text: fmt.Sprintf("%s: round robin of team %s, turn %d among %d agents", who, f.Turn.Team, n+1, len(f.Turn.Candidates))})
	f.Events = append(f.Events, f.Ticket.event(EventAssigned, Actor{Kind: BySystem, ID: "assign"}, f.At,
		map[string]any{"from": "", "to": who}))
}

// Opened begins the history of a new ticket.
func (t *Ticket) Opened(by Actor, at time.Time) Event {
	return t.event(EventCreated, by, at, map[string]any{"source": t.Channel, "team": t.TeamID, "priority": t.Priority})
}

// FilingResult is what the store made of one filing of a group. Err is nil when
// it was saved; ErrSettled when the receipt was settled before; ErrConflict when
// the line must run again on fresh books; else what is wrong with this filing
// alone.
type FilingResult struct {
	Ticket TicketID
	Number int64
	Err    error
}
