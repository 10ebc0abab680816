package email

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"switchboard/pipeline/desk"
)

const (
	maxBatch   = 100     // mails; the client library buffers 128 answers
	batchBytes = 2 << 20 // of one batch
	smallBytes = 1 << 20 // a larger mail is fetched by windows into a file
	searchMany = 5000    // UIDs planned at once
	planMany   = 500     // UIDs whose sizes are asked for at once
)

// folder reads one folder of the source. It outlives its connections, so that
// what was learnt on one (which mail breaks it, how much of a large mail is
// here already, what waits to be moved) helps the next. One goroutine runs it;
// where two halves run side by side, each field belongs to one of them.
type folder struct {
	a     *adapter
	name  string
	token int64 // of the lease
	log   *slog.Logger

	validity uint32
	known    bool     // validity was read
	last     imap.UID // the cursor: all up to here is in the ledger
	from     imap.UID // all up to here was looked at; below last only to find what is still to be moved

	// Of the fetching half.
	trouble  map[imap.UID]stumble
	further  bool              // a mail came further before the connection ended
	huge     map[imap.UID]bool // mails that were larger than announced
	planFail map[imap.UID]int  // times the sizes from this UID on could not be had
	shrink   int               // batches are made smaller while fetches fail
	spool    *spool            // the large mail being fetched
	liar     bool              // the server's RFC822.SIZE is not to be trusted

	busy bool // the last search found mail, or was the first of a connection

	// Of the digesting half.
	pending  map[imap.UID]desk.ReceiptID // submitted, still in the folder
	copied   map[imap.UID]bool           // of these, what lies in moveTo already
	moveWait time.Duration
	moveHold time.Time // the server refused to move; not before this
	idleSaid bool      // it was said that IDLE was refused
	backoff  backoff
}

func newFolder(a *adapter, name string, token int64) *folder {
	f := &folder{a: a, name: name, token: token, log: a.Log.With("folder", name), backoff: backoff{pace: a.pace}}
	f.forget()
	return f
}

// forget drops all that was learnt under another UIDVALIDITY.
func (f *folder) forget() {
	f.end()
	f.last, f.from = 0, 0
	f.trouble, f.huge, f.planFail = map[imap.UID]stumble{}, map[imap.UID]bool{}, map[imap.UID]int{}
	f.pending, f.copied, f.moveWait = map[imap.UID]desk.ReceiptID{}, map[imap.UID]bool{}, f.a.pace.moveMin
}

// end gives back what the folder holds outside memory.
func (f *folder) end() {
	f.spool.drop()
	f.spool = nil
}

// run connects again and again until ctx is done, which is nil, or the lease is
// lost.
func (f *folder) run(ctx context.Context) error {
	failing := false
	for {
		err := f.session(ctx, func() {
			if failing {
				failing = false
				f.log.Info("email: reading again")
			}
			f.backoff.reset()
		})
		f.a.reading.ended(f.name, err, f.a.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, desk.ErrLeaseLost):
			return err
		}
		failing = true
		if f.further {
			f.further = false
			f.backoff.reset()
		}
		least, most := time.Duration(0), f.a.pace.retryMax
		if errors.Is(err, errRefused) {
			least = f.a.pace.retryAuth
		} else if isOurs(err) {
			most = f.a.pace.retryStore
		}
		wait := f.backoff.next(least, most)
		f.log.Warn("email: connection ended", "error", err, "retry", wait, "failures", f.backoff.fails)
		f.a.pace.sleep(ctx, wait)
	}
}

// session is one connection, from dial to failure. working is called whenever
// something was achieved.
func (f *folder) session(ctx context.Context, working func()) error {
	s, err := f.a.connect(ctx)
	if err != nil {
		return fmt.Errorf("email: %w", err)
	}
	defer s.close()
	fresh := true
	for first := true; ; first = false {
		if err := f.open(ctx, s); err != nil {
			return fmt.Errorf("email: folder %s: %w", f.name, err)
		}
		if first {
			f.a.reading.connected(f.name, f.a.Now())
		}
		if first {
			if err := f.reconcile(ctx, s); err != nil {
				return fmt.Errorf("email: %w", err)
			}
		}
		// The poll ends this loop: opening the folder anew shows whether it is
		// still the same one.
		for why := wakeNews; why != wakePoll; {
			if why == wakeNews {
				found, err := f.catchUp(ctx, s, working)
				if err != nil {
					return fmt.Errorf("email: %w", err)
				}
				f.busy, fresh = found || fresh, false
				working()
				f.a.reading.caughtUp(f.name, f.a.Now())
			}
			if err := f.clear(ctx, s); err != nil {
				return fmt.Errorf("email: %w", err)
			}
			if why, err = f.rest(ctx, s); err != nil {
				return fmt.Errorf("email: %w", err)
			}
		}
	}
}

// open selects the folder and finds out from where to read. A UIDVALIDITY
// other than the cursor's means that the UIDs say nothing any more (RFC 9051
// 2.3.1.1): everything is read again and the ledger knows what it has.
func (f *folder) open(ctx context.Context, s *session) error {
	box, err := s.open(ctx, f.name)
	if err != nil {
		return err
	}
	if f.known && box.UIDValidity == f.validity {
		return f.renumbered(ctx, s, box)
	}
	cursor, err := f.a.Mailboxes.Cursor(ctx, f.a.Source.Name, f.name)
	if err != nil {
		return ours{fmt.Errorf("read the cursor: %w", err)}
	}
	f.forget()
	f.known, f.validity = true, box.UIDValidity
	switch {
	case cursor.UIDValidity == box.UIDValidity:
		f.last, f.from = imap.UID(cursor.LastUID), imap.UID(cursor.LastUID)
		if f.a.settings.MoveTo != "" {
			// What was submitted before we started and still lies here is read
			// again: the ledger answers with its first receipt, and with that it
			// can be moved.
			f.from = 0
		}
	case cursor.LastUID != 0:
		f.log.Warn("email: UIDVALIDITY changed, reading the folder again", "was", cursor.UIDValidity, "is", box.UIDValidity)
	}
	return f.renumbered(ctx, s, box)
}

// renumbered looks whether the folder was made anew under the UIDVALIDITY it had,
// which no server may do and some do: the UID it will give next is one the cursor has
// passed (RFC 9051 2.3.1.1: it only grows), and no mail lies from there on, so that
// the server does not merely count wrongly. Then everything is read again, as under
// another UIDVALIDITY. The cursor goes back before that: with the old one the next
// process would pass over what came until the UIDs reach it.
func (f *folder) renumbered(ctx context.Context, s *session, box *imap.SelectData) error {
	if box.UIDNext == 0 || box.UIDNext > f.last {
		return nil
	}
	above, err := s.searchUIDs(ctx, imap.SearchCriteria{}, box.UIDNext-1, 1)
	if err != nil || len(above) > 0 {
		return err
	}
	f.log.Warn("email: the folder was made anew under the same UIDVALIDITY, reading it again", "read", f.last, "next", box.UIDNext)
	never := &desk.Cursor{Source: f.a.Source.Name, Folder: f.name, Lease: f.a.lease(), Token: f.token}
	if _, err := f.hand(ctx, never, nil); err != nil {
		return ours{fmt.Errorf("move the cursor back: %w", err)}
	}
	f.forget()
	return nil
}

// catchUp reads everything above f.from: while one batch is parsed and
// submitted, the next is fetched. It tells whether there was anything.
func (f *folder) catchUp(ctx context.Context, s *session, working func()) (found bool, err error) {
	var not []imap.Flag
	if f.a.settings.MoveTo != "" {
		not = []imap.Flag{imap.FlagDeleted} // moved, where the server has no UIDPLUS
	}
	for {
		uids, err := s.searchUIDs(ctx, imap.SearchCriteria{NotFlag: not}, f.from, searchMany)
		if err != nil || len(uids) == 0 {
			return found, err
		}
		found = true
		group, fetchCtx := errgroup.WithContext(ctx)
		batches := make(chan []*mail)
		group.Go(func() error {
			defer close(batches)
			return f.fetch(fetchCtx, s, uids, batches)
		})
		// The digest goes by ctx: what was fetched whole before the connection
		// failed is submitted nevertheless.
		group.Go(func() error {
			for batch := range batches {
				if err := f.digest(ctx, batch); err != nil {
					return err
				}
				working()
			}
			return nil
		})
		if err := group.Wait(); err != nil {
			return found, err
		}
		f.from = uids[len(uids)-1]
	}
}
