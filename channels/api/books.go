package api

import (
	"context"
	"io"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Books is what the interface needs from the store. All methods are safe for
// concurrent use and answer desk.ErrNotFound for what is not there.
type Books interface {
	Tickets
	Comments
	Links
	People
	Keys
	Ledger
}

// Tickets reads and changes tickets.
type Tickets interface {
	// Ticket finds a ticket by uid or decimal number; a deleted one is not found.
	Ticket(ctx context.Context, uidOrNumber string) (*desk.Ticket, error)
	// Tickets lists tickets newest first, and the cursor of the next page or "".
	Tickets(ctx context.Context, f desk.TicketFilter) ([]*desk.Ticket, string, error)
	// Change locks the ticket, lets fn change it and saves it with the events.
	// When ifVersion is not 0 and not the ticket's, it is a desk.ErrConflict.
	Change(ctx context.Context, id desk.TicketID, ifVersion int64, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, error)
	// Events lists the history after a sequence number, oldest first, at most
	// desk.MaxPage at once.
	Events(ctx context.Context, id desk.TicketID, afterSeq, limit int) ([]desk.Event, error)
}

// Comments adds and lists messages.
type Comments interface {
	// AddMessage saves the message and what it does to its ticket at once. When
	// its scope and external ID are taken it returns the earlier message and
	// desk.ErrSettled.
	AddMessage(ctx context.Context, m *desk.Message, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, *desk.Message, error)
	Message(ctx context.Context, id desk.MessageID) (*desk.Message, error)
	// Messages lists a ticket's messages, oldest first.
	Messages(ctx context.Context, id desk.TicketID, limit int, cursor string, publicOnly bool) ([]desk.Message, string, error)
	// Revise edits or deletes a message of ours on a ticket; guard sees it first.
	Revise(ctx context.Context, ticket desk.TicketID, r desk.Revision, by desk.Actor, guard func(*desk.Message) error) (*desk.Message, error)
}

// Links ties tickets together.
type Links interface {
	// Link saves a link and its events; one that is there is a desk.ErrConflict.
	Link(ctx context.Context, l desk.Link) error
	// Links lists the links of a ticket, in both directions.
	Links(ctx context.Context, id desk.TicketID) ([]desk.Link, error)
}

// People finds and changes customers.
type People interface {
	// Customers finds them with their companies by uid; unknown ones are left out.
	Customers(ctx context.Context, ids []desk.CustomerID) (map[desk.CustomerID]desk.Requester, error)
	// CustomerNamed finds one by uid or external ID, with their handles.
	CustomerNamed(ctx context.Context, uidOrExternalID string) (desk.Requester, []desk.Identity, error)
	// ChangeCustomer locks a record and lets fn change it. An external ID somebody
	// else has is a desk.ErrConflict.
	ChangeCustomer(ctx context.Context, id desk.CustomerID, fn func(*desk.Customer) error) (desk.Requester, error)
	// MergeCustomers moves everything of one record into another; its names go on
	// to name that.
	MergeCustomers(ctx context.Context, into, from desk.CustomerID, by desk.Actor, at time.Time) (desk.Requester, error)
	// SplitCustomer moves handles, and the tickets opened by them, to a new record.
	SplitCustomer(ctx context.Context, id desk.CustomerID, handles []desk.Identity, by desk.Actor, at time.Time) (desk.Requester, error)
}

// Names knows the names other systems use, and the teams that were made on
// first use. The store's view is one; it is opened for each request.
type Names interface {
	// CustomerByID finds a customer by uid or external ID; Found is false when
	// there is none.
	CustomerByID(ctx context.Context, uidOrExternalID string) (desk.Requester, error)
	HasTeam(ctx context.Context, id desk.TeamID) (bool, error)
}

// Keys finds API keys, revoked ones too.
type Keys interface {
	KeyByHash(ctx context.Context, sha256 []byte) (desk.Key, error)
}

// Ledger reads what was accepted, with draft and trail.
type Ledger interface {
	Receipt(ctx context.Context, id desk.ReceiptID) (desk.Receipt, error)
	// ReceiptOf finds the newest receipt of a source's external ID.
	ReceiptOf(ctx context.Context, source, externalID string) (desk.Receipt, bool, error)
}

// Files opens what customers sent with their messages.
type Files interface {
	// OpenSeeker returns the bytes of a reference, or desk.ErrNotFound when they are
	// not there. It holds no connection of the books while they are read.
	OpenSeeker(ctx context.Context, ref desk.BlobRef) (io.ReadSeekCloser, error)
}

// Intake takes drafts over. Submit only accepts (Prefer: respond-async); FileNow
// also waits for the ticket.
type Intake interface {
	channels.Sink
	// FileNow accepts the draft into the ledger and runs it through the line at
	// once. When ctx ends first, the receipt comes back still accepted. A draft
	// already in the ledger gives its first receipt. desk.ErrBusy means nothing
	// was taken.
	FileNow(ctx context.Context, d *desk.Draft) (desk.Receipt, error)
}
