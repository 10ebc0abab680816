package desk

import (
	"log/slog"
	"time"
)

// State is where an accepted message stands.
type State string

// The states of a receipt. Accepted is the only one that is not final; failed
// and held end by a person's hand or a replay.
const (
	Accepted  State = "accepted"
	Filed     State = "filed"
	Duplicate State = "duplicate"
	Dropped   State = "dropped"
	Held      State = "held"
	Failed    State = "failed"
)

// Receipt is a row of the ledger: one accepted message and what became of it.
type Receipt struct {
	ID          ReceiptID `json:"receipt"`
	Source      string    `json:"source"`
	Scope       string    `json:"-"`
	ExternalID  string    `json:"externalId"`
	Fingerprint string    `json:"fingerprint"`
	ThreadKey   string    `json:"threadKey,omitempty"`
	SourceTime  time.Time `json:"sourceTime"`
	AcceptedAt  time.Time `json:"acceptedAt"`
	Raw         BlobRef   `json:"raw,omitzero"`
	Draft       *Draft    `json:"-"`
	State       State     `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Attempts    int       `json:"attempts,omitempty"`
	TicketID    TicketID  `json:"ticketId,omitempty"`
	MessageID   MessageID `json:"messageId,omitempty"`
	SettledAt   time.Time `json:"settledAt,omitzero"`
	Trail       []Note    `json:"trail,omitempty"`
}

// NewReceipt makes the ledger row of a draft accepted at now.
func NewReceipt(d *Draft, now time.Time) Receipt {
	t := d.ReceivedAt
	if t.IsZero() {
		t = now
	}
	return Receipt{ID: NewID[ReceiptID](now), Source: d.Source, Scope: d.Scope, ExternalID: d.ExternalID,
		Fingerprint: d.Fingerprint, ThreadKey: d.Conversation(), SourceTime: t, AcceptedAt: now, Raw: d.Raw,
		Draft: d, State: Accepted}
}

// LogValue shows the ID and state.
func (r Receipt) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", string(r.ID)), slog.String("source", r.Source), slog.String("state", string(r.State)))
}

// Note is one decision of one stage, in words.
type Note struct {
	Stage string         `json:"stage"`
	Text  string         `json:"text"`
	Data  map[string]any `json:"data,omitempty"`
}

// Backlog is what of a source is accepted and not settled.
type Backlog struct {
	Source string
	Count  int       // up to what was asked for
	Oldest time.Time // when the oldest of them was accepted
}

// Seen is an earlier receipt with the same scope and external ID.
type Seen struct {
	Receipt     ReceiptID
	Source      string
	Fingerprint string
	Raw         string // digest of the bytes it came as; "" when they are not kept
	State       State
	TicketID    TicketID
}

// Cursor is how far a mailbox folder was read: everything up to LastUID of
// this UIDVALIDITY is in the ledger (RFC 9051 section 2.3.1.1). Lease and Token
// fence it: a process that lost the mailbox cannot move it.
type Cursor struct {
	Source      string
	Folder      string
	UIDValidity uint32
	LastUID     uint32
	Lease       string
	Token       int64
}

// ReceiptFilter says which rows of the ledger to list or reopen. Fields that
// are set must all hold.
type ReceiptFilter struct {
	IDs    []ReceiptID
	State  State
	Source string
	Reason string    // in the reason, in any case
	Since  time.Time // accepted then or later
	Until  time.Time // accepted before
	After  ReceiptID // in the order of the list: later than this one
	Newest bool      // newest first; otherwise oldest first
	Open   bool      // what waits for a person: failed or held
	Limit  int       // 0: 50; at most 200
}
