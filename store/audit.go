package store

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// The audit: the promises of the books, checked row by row. Everything is read
// in pages by key inside one read-only snapshot, so that it may run beside a
// live fleet: it takes no lock, nothing waits for it, and neither its memory nor
// any one of its statements grows with the tables: who waits for an answer gives a
// server up that says nothing for long (database.timeout). On PostgreSQL the snapshot holds back VACUUM, on SQLite
// the log is not cut back, for as long as it runs.
//
// To add a check: a line in auditChecks, and the test in the walk of its table.

// AuditOptions says what to look at and how strictly.
type AuditOptions struct {
	Now      time.Time     // ages are counted from here
	Since    time.Time     // only rows made since then; zero: all
	Grace    time.Duration // what is younger may still be on its way
	Skew     time.Duration // how much the clocks of the fleet may differ
	Patience time.Duration // how long one try to send may take
	Show     int           // examples kept of each check; 0: 5
	Batch    int           // rows read at once; 0: 500
	// Blobs, unless nil, is compared with the references in the rows; Digest also
	// reads every byte of it.
	Blobs  AuditBlobs
	Digest bool
	// Orphans is how old bytes without a row are when the house takes them away
	// (retention.orphans; 0: it never does), and Freed how old, at least, a row is of
	// which retention takes away what it refers to; 0: it takes nothing.
	Orphans, Freed time.Duration
	// Strict calls bytes without a row wrong as soon as they are older than the grace,
	// whether the house had to take them away by then or not: senders that came again
	// until they heard yes leave none.
	Strict bool
	// Acknowledged, unless nil, is what senders were told yes for: see
	// [Acknowledged] for its lines.
	Acknowledged io.Reader
	// Temp is the folder for sorting; empty: the system's.
	Temp string
}

// AuditBlobs is what the audit needs from the blob store.
type AuditBlobs interface {
	// Walk calls fn for each blob, ordered by digest, with the time it was last
	// put.
	Walk(ctx context.Context, fn func(ref desk.BlobRef, put time.Time) error) error
	Open(ctx context.Context, ref desk.BlobRef) (io.ReadCloser, error)
}

// Check is what the audit found about one promise.
type Check struct {
	Name     string    `json:"name"`
	Doc      string    `json:"doc"`
	Looked   int64     `json:"looked"`
	Wrong    int64     `json:"wrong"`
	Note     string    `json:"note,omitempty"`
	Examples []Finding `json:"examples,omitempty"`

	show int
}

// Finding is one row that breaks a promise.
type Finding struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// bad counts a finding and keeps the first few.
func (c *Check) bad(id, format string, args ...any) {
	c.Wrong++
	if len(c.Examples) < c.show {
		c.Examples = append(c.Examples, Finding{id, fmt.Sprintf(format, args...)})
	}
}

// auditChecks are all checks, in the order of the report.
var auditChecks = []struct{ name, doc string }{
	{"ledger.state", "a receipt is in one of the six states, and settled at a time unless it is accepted"},
	{"ledger.waiting", "no receipt stays accepted, or opened again, for longer than the grace"},
	{"ledger.filed", "a filed receipt has its message, on its ticket"},
	{"ledger.reason", "what was not filed says why"},
	{"ledger.duplicate", "the message a duplicate repeats is there"},
	{"ledger.words", "the words a draft says are in its raw request are there"},
	{"message.receipt", "a message that came in has one receipt, which is filed and names it and no other"},
	{"message.ticket", "a message is on a ticket that is there"},
	{"message.author", "a customer who wrote is there"},
	{"message.revisions", "a message has as many revisions as it counts, without holes"},
	{"delivery.state", "an answer is in one of the send states, with its time or its reason"},
	{"delivery.sending", "nobody sends one answer for longer than a try may take"},
	{"delivery.waiting", "an answer whose turn it is and that is due does not wait for longer than the grace"},
	{"delivery.note", "what is not an answer is not sent"},
	{"ticket.messages", "a ticket has a message, and as many as it counts"},
	{"ticket.described", "the message whose words describe a ticket is there, and on it"},
	{"ticket.number", "a number names one ticket"},
	{"ticket.times", "a ticket is changed after it was made, and closed after it was resolved"},
	{"ticket.people", "the customer of a ticket is there"},
	{"ticket.merged", "a merged ticket names another that is there"},
	{"ticket.clocks", "a clock is in one state that fits its times, and one of a metric runs"},
	{"ticket.due", "the next due instant of a ticket is its clocks'"},
	{"ticket.breach", "a clock past due is marked"},
	{"event.gapless", "the history of a ticket begins with its making and has no hole"},
	{"event.times", "the history of a ticket lies between its making and its last change"},
	{"event.ticket", "an event is about a ticket that is there"},
	{"thread.ticket", "a conversation key belongs to a ticket that is there"},
	{"group.ticket", "a group of messages belongs to a ticket that is there"},
	{"link.tickets", "a link ties two tickets that are there"},
	{"revision.message", "a revision is of a message that is there"},
	{"customer.account", "the company of a customer is there"},
	{"customer.merged", "a merged record names one that is there and not merged itself"},
	{"identity.customer", "a handle belongs to a customer who is there"},
	{"cursor.sane", "a mailbox was read up to a UID that can be (the ledger does not know UIDs)"},
	{"contact.sane", "a contact has a source, a handle, an address and a kind"},
	{"canary.times", "a canary that was heard of was settled, and not before it was made"},
	{"canary.receipt", "a canary's receipt is in the ledger and was dropped as one"},
	{"blob.there", "the bytes a row refers to are there, with their length"},
	{"blob.digest", "the bytes under a name have that digest"},
	{"blob.orphan", "bytes that the last walk for such had to take away have a row that refers to them"},
	{"acknowledged.kept", "what was acknowledged is in the ledger once, and settled"},
	{"acknowledged.filed", "what was acknowledged and filed is one message on the ticket that is expected"},
	{"acknowledged.thread", "what was acknowledged of one conversation is on one ticket"},
}

// auditor is one run of the audit.
type auditor struct {
	s       *Store
	ctx     context.Context
	tx      *gorm.DB
	o       AuditOptions
	checks  []*Check
	named   map[string]*Check
	since   string            // rows with IDs behind this one are looked at
	retired map[string]string // by kind of row: the highest ID that retention took away
	walked  time.Time         // when the last walk for bytes without a row began
	freed   time.Time         // when retention last took rows that refer to bytes
	refs    *spill            // references to blobs; nil: not asked for
	short   bool              // of each reference the digest alone is kept
	numbers numbers           // of the tickets
}

// Audit checks the books and returns what it found, a check each, in a fixed
// order. The error is not nil when it could not look: what was found until then
// says nothing.
func (s *Store) Audit(ctx context.Context, o AuditOptions) ([]*Check, error) {
	a := newAuditor(s, ctx, o)
	if o.Blobs != nil {
		a.refs = newSpill(o.Temp, spilledSize)
		defer a.refs.close()
	}
	err := a.snapshot(func(tx *gorm.DB) error {
		a.tx = tx
		return a.walks()
	})
	if err == nil && o.Blobs != nil {
		err = a.blobs()
	}
	if err != nil {
		return nil, failed("audit", err)
	}
	return a.checks, nil
}

// walks goes through all tables, one after the other.
func (a *auditor) walks() error {
	for _, walk := range []func() error{
		a.readRetired, a.ledger, a.messages, a.tickets, a.events, a.threads, a.groups, a.links, a.revisions,
		a.customers, a.identities, a.cursors, a.contacts, a.canaries, a.acknowledged,
	} {
		if err := walk(); err != nil {
			return err
		}
	}
	return nil
}

func newAuditor(s *Store, ctx context.Context, o AuditOptions) *auditor {
	if o.Show <= 0 {
		o.Show = 5
	}
	if o.Batch <= 0 {
		o.Batch = 500
	}
	a := &auditor{s: s, ctx: ctx, o: o, named: map[string]*Check{}, retired: map[string]string{}}
	if !o.Since.IsZero() {
		a.since = string(desk.FirstID[desk.ReceiptID](o.Since))
	}
	for _, c := range auditChecks {
		if blobs := c.name == "blob.there" || c.name == "blob.orphan"; blobs && o.Blobs == nil ||
			c.name == "blob.orphan" && a.since != "" || c.name == "blob.digest" && (o.Blobs == nil || !o.Digest) {
			continue
		}
		if len(c.name) > 13 && c.name[:13] == "acknowledged." && o.Acknowledged == nil {
			continue
		}
		check := &Check{Name: c.name, Doc: c.doc, show: o.Show}
		a.checks = append(a.checks, check)
		a.named[c.name] = check
	}
	return a
}

// check is the check of a name, with n more rows looked at.
func (a *auditor) check(name string, n int) *Check {
	c := a.named[name]
	c.Looked += int64(n)
	return c
}

// old reports whether an instant is longer ago than the grace.
func (a *auditor) old(t time.Time) bool { return t.Before(a.o.Now.Add(-a.o.Grace)) }

// snapshot runs fn on the books as they are now, whatever is written meanwhile.
func (a *auditor) snapshot(fn func(tx *gorm.DB) error) error {
	var opts []*sql.TxOptions
	if a.s.dialect == Postgres {
		opts = append(opts, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	return a.s.r.WithContext(a.ctx).Transaction(func(tx *gorm.DB) error {
		if a.s.dialect == Postgres { // it locks nothing, and may be busy with what it read
			if err := tx.Exec("SET LOCAL idle_in_transaction_session_timeout = 0").Error; err != nil {
				return err
			}
		}
		return fn(tx)
	}, opts...)
}

// readRetired learns what retention took away, so that its absence is no loss.
func (a *auditor) readRetired() error {
	var rows []retiredRow
	if err := a.tx.Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		a.retired[r.Name] = r.Highest
		switch r.Name {
		case retiredOrphans:
			a.walked = r.At
		case retiredDrafts, retiredLedger, retiredRaw:
			if r.At.After(a.freed) {
				a.freed = r.At
			}
		}
	}
	return nil
}

// gone reports whether retention may have taken a row away.
func (a *auditor) gone(kind, id string) bool { return id != "" && id <= a.retired[kind] }
