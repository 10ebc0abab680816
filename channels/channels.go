// Package channels says what a channel is: a [Kind] that opens an [Adapter] for
// one configured source, and what an adapter is given to do its work: a [Sink]
// to hand drafts to, [Blobs] for bytes, [Mailboxes] for leases and cursors.
//
// What goes in: whatever the vendor speaks. What comes out: [desk.Draft]s, each
// handed to the Sink exactly when its raw bytes and attachments are blobs.
//
// What it promises: an adapter tells its sender "yes" (an HTTP 2xx, a moved
// mailbox cursor) only after Sink.Submit returned without error. What Submit
// took is kept, whatever crashes afterwards; handing over the same message
// again gives the same receipt.
//
// What it may not know: the store, the queue, another channel. Everything an
// adapter needs is in its [Config].
//
// To add a channel: a folder with <name>.go (the Kind), draft.go (native
// message to draft, pure), receive.go or hook.go, send.go and testdata/; one
// line in cmd/switchboard/kinds.go; one block in configs/example.yaml.
package channels

import (
	"context"
	"io"
	"log/slog"
	"time"

	"switchboard/pipeline/desk"
)

// Kind is the recipe of a channel.
type Kind struct {
	Name    string       // as in the config: "email"
	Channel desk.Channel // what its tickets show as source
	Doc     string       // one line, for `switchboard check --verbose`
	// Check validates a source's settings without touching the network. Errors
	// are the block decoder's (with line and column) or *desk.Invalid naming the
	// key inside the block.
	Check func(Block) error
	// Open makes the running code of one source. It opens no connection yet.
	Open func(Config) (Adapter, error)
}

// Block is a source's own settings as they stand in the config file, not yet
// decoded.
type Block interface {
	// Decode fills a struct with yaml tags, strictly: an unknown key is an error
	// with file, line and column.
	Decode(into any) error
}

// Config is everything an adapter is given.
type Config struct {
	Source    desk.Source
	Block     Block
	Sink      Sink
	Blobs     Blobs
	Mailboxes Mailboxes
	Desk      Desk     // nil: this process cannot look at tickets
	Contacts  Contacts // nil: nobody is remembered
	Secret    []byte   // signs what we send out, so that answers can be trusted
	Holder    string   // names this process, for leases
	Limits    Limits
	Log       *slog.Logger
	Now       func() time.Time
}

// Limits are the named limits of the config's section limits. A zero field
// means the adapter's own default.
type Limits struct {
	MessageBytes int64 // one message with its files that is read in full
	TextBytes    int64 // text kept on the message; the raw message has the rest
	HeaderBytes  int64 // header of a mail
	Parts, Depth int   // MIME parts of a mail, and parts inside each other
	Attachments  int   // files of one message
	KeepBytes    int64 // a raw request, mail or part up to this goes with its draft ([desk.Draft.Kept]), not into a blob
}

// Adapter is the running code of one source.
type Adapter interface {
	// Run receives until ctx is done, healing by itself from every failure of
	// the other side. It returns nil when ctx ended it.
	Run(ctx context.Context) error
}

// Sink takes drafts over: the door to the ledger. It is safe for concurrent
// use.
type Sink interface {
	// Submit writes the drafts to the ledger in one transaction, together with
	// the cursor when one is given, and returns their receipts in order. A draft
	// already in the ledger (same source, external ID and fingerprint) yields
	// its first receipt. On error nothing was taken: tell the sender to try
	// again. desk.ErrLeaseLost means another process holds the mailbox.
	Submit(ctx context.Context, cursor *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error)
}

// Blobs keeps bytes by the SHA-256 of their content. Put returns only when they
// are on disk; putting the same bytes again is cheap.
type Blobs interface {
	Put(ctx context.Context, r io.Reader) (desk.BlobRef, error)
	Open(ctx context.Context, ref desk.BlobRef) (io.ReadCloser, error)
}

// Desk is what a channel may ask of the tickets and do to them without a
// message: a reaction that sets a status, a thread that belongs to a ticket. It
// is safe for concurrent use.
type Desk interface {
	// Knows reports whether a message with this external ID or thread key was
	// accepted or filed in the scope: whether what is said there continues a
	// ticket.
	Knows(ctx context.Context, scope, key string) (bool, error)
	// SetStatus moves the ticket that has the message or thread key. It is
	// desk.ErrNotFound when no ticket has it and desk.ErrMove when the ticket
	// cannot go there; setting what is so already is no error.
	SetStatus(ctx context.Context, scope, key string, status desk.Status, by desk.Actor) error
}

// Contacts remembers whom and where a source can write to first. It is safe for
// concurrent use.
type Contacts interface {
	// KeepContact writes a contact, unless a newer one (by At) is there.
	KeepContact(ctx context.Context, c desk.Contact) error
	// Contact finds one, gone or not; desk.ErrNotFound when there is none.
	Contact(ctx context.Context, source string, kind desk.ContactKind, handle string) (desk.Contact, error)
	// Contacts lists those of a kind that are not gone, the latest heard of first.
	Contacts(ctx context.Context, source string, kind desk.ContactKind, limit int) ([]desk.Contact, error)
}

// Mailboxes holds the leases and cursors of sources that are read by one
// process at a time.
type Mailboxes interface {
	// Acquire takes or renews the lease of name for holder until now+ttl. The
	// token grows with every change of holder; ok is false while another holder's
	// lease is valid.
	Acquire(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (token int64, ok bool, err error)
	// Release gives a lease back early.
	Release(ctx context.Context, name, holder string) error
	// Cursor reads how far a folder was read; the zero Cursor means never.
	Cursor(ctx context.Context, source, folder string) (desk.Cursor, error)
	// States reports where receipts stand, for moving mail that was filed.
	States(ctx context.Context, ids []desk.ReceiptID) (map[desk.ReceiptID]desk.State, error)
}
