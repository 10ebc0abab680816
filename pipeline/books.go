package pipeline

import (
	"context"
	"time"

	"switchboard/pipeline/desk"
)

// Books is what the line needs to look up. The store answers for a whole group
// of drafts at once, so a stage may ask freely. Implementations need not be
// safe for concurrent use.
type Books interface {
	Ledger
	People
	Cases
	Entries
}

// Ledger answers what was accepted before.
type Ledger interface {
	// Seen returns the receipts with this external ID in the scope, the draft's
	// own among them.
	Seen(ctx context.Context, scope, externalID string) ([]desk.Seen, error)
	// TicketOf tells which ticket a receipt's message is on; "" when on none.
	TicketOf(ctx context.Context, id desk.ReceiptID) (desk.TicketID, error)
	// Ahead returns the oldest receipt of the same conversation that was
	// accepted before this one, is not yet filed and never failed.
	Ahead(ctx context.Context, scope, threadKey string, before desk.ReceiptID) (desk.ReceiptID, bool, error)
}

// People answers who somebody is.
type People interface {
	Requester(ctx context.Context, kind, handle string) (desk.Requester, error)
	CustomerByID(ctx context.Context, uidOrExternalID string) (desk.Requester, error)
	AccountByDomain(ctx context.Context, domain string) (desk.Account, bool, error)
	HasTeam(ctx context.Context, id desk.TeamID) (bool, error)
}

// Cases answers which ticket is which. Tickets are copies the line may change.
type Cases interface {
	// Threads tells which tickets own these keys; a key nobody owns is left out.
	Threads(ctx context.Context, scope string, keys []string) (map[string]desk.TicketID, error)
	// Ticket returns a ticket, mostly without the words that describe it; Describe
	// fills them in.
	Ticket(ctx context.Context, id desk.TicketID) (*desk.Ticket, error)
	Describe(ctx context.Context, t *desk.Ticket) error
	TicketByNumber(ctx context.Context, number int64) (*desk.Ticket, error)
	// Group returns the ticket of the latest message of a group and when that was
	// said; false when the group has none.
	Group(ctx context.Context, scope, key string) (desk.TicketID, time.Time, bool, error)
}

// Entries answers which message is which.
type Entries interface {
	// Entry returns the message on a ticket with this external ID in the scope and
	// this fingerprint, or else the newest with the ID, and false when there is none.
	Entry(ctx context.Context, scope, externalID, fingerprint string) (*desk.Message, bool, error)
}
