package email

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"switchboard/pipeline/desk"
)

const (
	askMany   = 500             // receipts asked about at once
	moveMany  = 200             // mails moved by one command
	moveAgain = 5 * time.Minute // after the server refused
)

// ready lists, in order, the mails that were filed or found to be duplicates
// and still lie in the folder. A dropped one stays where it is for good; what
// is held or failed may yet be filed.
func (f *folder) ready(ctx context.Context) ([]imap.UID, error) {
	if f.a.settings.MoveTo == "" || len(f.pending) == 0 || f.a.Now().Before(f.moveHold) {
		return nil, nil
	}
	ids := make([]desk.ReceiptID, 0, len(f.pending))
	for _, id := range f.pending {
		ids = append(ids, id)
	}
	states := make(map[desk.ReceiptID]desk.State, len(ids))
	for part := range slices.Chunk(ids, askMany) {
		some, err := f.a.Mailboxes.States(ctx, part)
		if err != nil {
			return nil, ours{fmt.Errorf("states of receipts: %w", err)}
		}
		for id, state := range some {
			states[id] = state
		}
	}
	var ready []imap.UID
	for uid, id := range f.pending {
		switch states[id] {
		case desk.Filed, desk.Duplicate:
			ready = append(ready, uid)
		case desk.Dropped:
			delete(f.pending, uid)
		}
	}
	slices.Sort(ready)
	return ready, nil
}

// clear moves what is ready. A refusal by the server is not repeated for a
// while; any other failure ends the connection, and reconcile finds out on the
// next one what was moved and what was not.
func (f *folder) clear(ctx context.Context, s *session) error {
	uids, err := f.ready(ctx)
	if err != nil {
		f.log.Warn("email: cannot ask what was filed", "error", err)
		return nil
	}
	for part := range slices.Chunk(uids, moveMany) {
		err := s.move(ctx, part, f.copied)
		var refused *imap.Error
		if errors.As(err, &refused) {
			f.moveHold = f.a.Now().Add(moveAgain)
			f.log.Error("email: the server refuses to move mail", "to", s.a.settings.MoveTo, "error", err)
			return nil
		}
		if err != nil {
			return err
		}
		for _, uid := range part {
			delete(f.pending, uid)
			delete(f.copied, uid)
		}
		f.moveWait = f.a.pace.moveMin
	}
	return nil
}

// reconcile forgets the mails that are no longer in the folder.
func (f *folder) reconcile(ctx context.Context, s *session) error {
	uids := make([]imap.UID, 0, len(f.pending))
	for uid := range f.pending {
		uids = append(uids, uid)
	}
	for part := range slices.Chunk(uids, askMany) {
		there, err := s.present(ctx, part)
		if err != nil {
			return err
		}
		for _, uid := range part {
			if !there[uid] {
				delete(f.pending, uid)
				delete(f.copied, uid)
			}
		}
	}
	return nil
}

// move moves mails to moveTo, and makes that folder when the server says that
// it is missing.
func (s *session) move(ctx context.Context, uids []imap.UID, copied map[imap.UID]bool) error {
	err := s.moveOnce(ctx, uids, copied)
	var refused *imap.Error
	if !errors.As(err, &refused) || refused.Code != imap.ResponseCodeTryCreate {
		return err
	}
	err = s.guard(ctx, s.a.settings.Timeouts.Command, "create folder", func(func()) error {
		return s.client.Create(s.a.settings.MoveTo, nil).Wait()
	})
	if err != nil {
		return err
	}
	return s.moveOnce(ctx, uids, copied)
}

// moveOnce uses MOVE where the server has it. Else each step waits for the one
// before: the library would send COPY, STORE and EXPUNGE in one go and so
// delete what it failed to copy. What was copied is noted in copied, and not
// copied again when a later step failed: a server that lets nobody delete would
// get a copy more with each try. Without UIDPLUS the mails are only marked as
// deleted, because EXPUNGE would remove other people's marked mails too.
func (s *session) moveOnce(ctx context.Context, uids []imap.UID, copied map[imap.UID]bool) error {
	limit, to, set := s.a.settings.Timeouts.Command, s.a.settings.MoveTo, imap.UIDSetNum(uids...)
	if s.caps.Has(imap.CapMove) {
		return s.guard(ctx, limit, "move", func(func()) error {
			_, err := s.client.Move(set, to).Wait()
			return err
		})
	}
	fresh := slices.DeleteFunc(slices.Clone(uids), func(uid imap.UID) bool { return copied[uid] })
	if len(fresh) > 0 {
		err := s.guard(ctx, limit, "copy", func(func()) error {
			_, err := s.client.Copy(imap.UIDSetNum(fresh...), to).Wait()
			return err
		})
		if err != nil {
			return err
		}
		for _, uid := range fresh {
			copied[uid] = true
		}
	}
	err := s.guard(ctx, limit, "mark as deleted", func(func()) error {
		flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
		return s.client.Store(set, flags, nil).Close()
	})
	if err != nil || !s.caps.Has(imap.CapUIDPlus) {
		return err
	}
	return s.guard(ctx, limit, "expunge", func(func()) error { return s.client.UIDExpunge(set).Close() })
}
