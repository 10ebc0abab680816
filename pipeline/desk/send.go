package desk

import (
	"errors"
	"fmt"
	"time"
)

// ErrCutOff means that a reply left and no answer came: the other side may or
// may not have it. It is probed before it is sent again.
var ErrCutOff = errors.New("cut off after the request left")

// ErrTaken means that a reply is somebody else's to carry by now: who was about to
// let it go was taken for dead meanwhile. Nothing has left.
var ErrTaken = errors.New("somebody else sends it by now")

// Later is an error that says when to try again, as a vendor's 429 does.
type Later struct {
	After time.Duration
	Err   error
}

func (l *Later) Error() string { return fmt.Sprintf("%v (try again in %s)", l.Err, l.After) }

// Unwrap returns what happened.
func (l *Later) Unwrap() error { return l.Err }

// Outgoing is a message that somebody took to send it, with all its sender
// needs.
type Outgoing struct {
	Reply  Reply
	Source string // whose sender must carry it
	// Was is the state it was taken in: queued; unknown when an earlier sending
	// was cut off and must be probed before it is tried again; sent when the
	// other side has it and must be told that it was edited or deleted since.
	Was   SendState
	Tries int // with this one
	// Begun is how many took it since the end of a try was told last, with this
	// one: more than one died with it in hand, or hangs.
	Begun int
	// CutOff is when a try began whose end nobody told, of a message that is
	// unknown: until its time is up, whoever has it may still be sending. Zero: the
	// end was told.
	CutOff time.Time
	// Revision is how often the message was edited or deleted so far.
	Revision int
	// Answers says what sort of machine, if any, wrote the customer's latest
	// message: no automatic answer goes to one (RFC 3834 section 2).
	Answers Auto
	// Automatic counts the automatic answers that went to the same customer
	// within the last day. It is filled only when this one is automatic.
	Automatic int
}

// ExternalID is what the other side calls the message, once it has it.
func (o *Outgoing) ExternalID() string { return o.Reply.Message.ExternalID }

// Begin says on the ticket that a message of ours began a conversation, to which
// answers go from now on.
func (t *Ticket) Begin(m MessageID, source string, b *Begun, at time.Time) Event {
	t.Join(b.Handle)
	t.Touch(at)
	return t.event(EventThread, Actor{Kind: BySystem, ID: "delivery"}, at, map[string]any{"message": m, "from": t.ThreadSource, "to": source})
}

// CommentFailed says on the ticket that the customer did not get a message, or
// not its latest words: what is send, edit or delete.
func (t *Ticket) CommentFailed(m MessageID, what, reason string, at time.Time) Event {
	t.Touch(at)
	return t.event(EventCommentFailed, Actor{Kind: BySystem, ID: "delivery"}, at, map[string]any{"message": m, "what": what, "reason": reason})
}

// CommentResent says on the ticket that a message that failed is tried again.
func (t *Ticket) CommentResent(m MessageID, by Actor, at time.Time) Event {
	t.Touch(at)
	return t.event(EventCommentResent, by, at, map[string]any{"message": m})
}

// Unreached is an answer that failed: its customer did not get it, or nobody knows.
type Unreached struct {
	ID     MessageID
	Ticket TicketID
	Source string // whose sender was to carry it
	Reason string
}

// UnreachedFilter chooses among failed answers; its zero value takes all.
type UnreachedFilter struct {
	IDs    []MessageID
	Source string    // whose sender was to carry it
	Reason string    // in the reason, in any case
	Since  time.Time // given then or later
	Until  time.Time // given before
	After  MessageID // in the order of the list: later than this one
	Limit  int       // 0: 50; at most 200
}
