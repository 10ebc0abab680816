package desk

import (
	"context"
	"log/slog"
	"time"
)

// Direction says which way a message went.
type Direction string

// The directions. An internal note goes nowhere.
const (
	Inbound  Direction = "INBOUND"
	Outbound Direction = "OUTBOUND"
	Internal Direction = "INTERNAL"
)

// SendState is how far an outbound message got.
type SendState string

// The send states. A message that no channel has to carry (an internal note, a
// comment on a ticket whose source cannot send) has SendNone.
const (
	SendNone    SendState = ""
	SendQueued  SendState = "queued"
	SendSending SendState = "sending"
	SendSent    SendState = "sent"
	SendUnknown SendState = "unknown" // cut off after the request left; probe before a retry
	SendFailed  SendState = "failed"
)

// Message is one entry on a ticket.
type Message struct {
	ID          MessageID    `json:"id"`
	TicketID    TicketID     `json:"ticketId"`
	Receipt     ReceiptID    `json:"receipt,omitempty"` // "" for a comment written here
	Direction   Direction    `json:"direction"`
	Public      bool         `json:"isPublic"`
	Author      Actor        `json:"author"`
	Channel     Channel      `json:"source"`
	Source      string       `json:"sourceName,omitempty"`
	Scope       string       `json:"-"`
	ExternalID  string       `json:"externalId,omitempty"`
	Fingerprint string       `json:"-"`
	From        Party        `json:"from,omitzero"`
	Subject     string       `json:"subject,omitempty"`
	Text        string       `json:"content"`
	HTML        BlobRef      `json:"html,omitzero"`
	Raw         BlobRef      `json:"raw,omitzero"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Mentions    []string     `json:"mentions,omitempty"`
	Damage      []string     `json:"damage,omitempty"`
	Auto        Auto         `json:"auto,omitzero"`
	Send        SendState    `json:"sendState,omitempty"`
	SendError   string       `json:"sendError,omitempty"` // why it did not go out, or not yet
	SentAt      time.Time    `json:"sentAt,omitzero"`
	// Via is set on a message that goes out by another source than the ticket's
	// conversation, and may begin one there.
	Via       *Via      `json:"via,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	// EditedAt and DeletedAt say that its author changed it or took it back. The
	// words it had before are kept as revisions; a delete hides, it does not
	// erase.
	EditedAt  time.Time `json:"editedAt,omitzero"`
	DeletedAt time.Time `json:"deletedAt,omitzero"`
	// Trace is the trace an outbound message belongs to, as a traceparent (W3C
	// Trace Context); empty when nothing is traced.
	Trace string `json:"-"`
}

// LogValue shows IDs and sizes, never what it says.
func (m *Message) LogValue() slog.Value {
	if m == nil {
		return slog.Value{}
	}
	return slog.GroupValue(slog.String("id", string(m.ID)), slog.String("ticket", string(m.TicketID)),
		slog.Int("text", len(m.Text)), slog.Bool("public", m.Public))
}

// Reply is a public outbound message on its way to a channel's sender.
type Reply struct {
	Message Message
	Thread  Thread
	To      []Party

	// Still, unless nil, is what Leaves asks.
	Still func(context.Context) error
}

// Leaves is called by senders right before the step that nobody can take back, after all
// waiting. An error means that the reply must not leave: a process that was paused
// finds that it is somebody else's ([ErrTaken]).
func (r *Reply) Leaves(ctx context.Context) error {
	if r.Still == nil {
		return nil
	}
	return r.Still(ctx)
}

// Begins reports whether the reply has no conversation and is to begin one, with
// the first of To.
func (r *Reply) Begins() bool {
	return r.Message.Via != nil && len(r.Thread.Address) == 0 && len(r.To) > 0
}

// Proof is what a channel gives back for a delivered reply: the identifier the
// other side gave it, so that the customer's answer threads. Begun is set when
// the reply had no conversation and began one.
type Proof struct {
	ExternalID string
	At         time.Time
	Begun      *Begun
}

// Via says by which source a message goes out, and to whom when there is no
// conversation yet.
type Via struct {
	Source string `json:"source"`
	To     Party  `json:"to"`
	// Thread is the conversation it began, once it did.
	Thread Thread `json:"thread,omitzero"`
}

// Begun is a conversation that a reply began: from then on the ticket's answers
// go there, and what is said there joins the ticket.
type Begun struct {
	Thread Thread
	Group  string // as drafts of the same chat have it; "" where they have none
	Handle string // who may answer, as a draft's From has it; "" when not known
}

// Contact is what a source remembers of somebody, or of a place such as a team,
// so that it can write there first. Only its channel reads the Address.
type Contact struct {
	Source  string
	Kind    ContactKind
	Handle  string // of a person as a draft's From has it; of a place what the channel calls it
	Address []byte // JSON
	Gone    string // why it can not be written to any more, in words; "" while it can
	At      time.Time
}

// ContactKind says what a contact is.
type ContactKind string

// The kinds of contact.
const (
	Person ContactKind = "person"
	Place  ContactKind = "place"
)

// LogValue hides who it is.
func (c Contact) LogValue() slog.Value { return slog.StringValue(string(c.Kind)) }
