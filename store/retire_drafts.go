package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// A draft may have to go long after those around it: its receipt was held, replayed
// or settled late, or was in somebody's hand when its turn came. So the walk through
// the ledger begins anew once a week, which is a week more than such a draft was to stay,
// and not each day: it reads all rows that are kept. In between it goes on from where it
// came to.
const draftsAnew = 7 * 24 * time.Hour

// draftsPage is how many times as many receipts as a batch takes are looked at for
// it: most that a walk meets again are slim.
const draftsPage = 10

// unslim are the receipts that slim has not been at: see there for what it leaves.
const unslim = `(raw_digest <> '' OR draft NOT IN ('', '{"act" : "edit"}', '{"act" : "delete"}', '{"act" : "restore"}',
	'{"act":"edit"}', '{"act":"delete"}', '{"act":"restore"}'))`

// RetireDrafts makes finished receipts slim that were settled before an instant:
// the draft and the reference to the raw message go; who, when, what became of it
// and why stay, and with them the message is still known when it comes again.
func (s *Store) RetireDrafts(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error) {
	var out retired
	err = s.write(ctx, func(tx *gorm.DB) error {
		out = retired{}
		at, err := place(tx, retiredDrafts)
		if err != nil {
			return err
		}
		page, err := draftsUpTo(tx, at.Place, before, limit)
		if err != nil {
			return err
		}
		ids, err := s.oldDrafts(tx, at.Place, page, before, limit)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			if out.rows, err = s.slim(tx, ids); err != nil {
				return err
			}
		}
		if len(ids) == limit {
			out.more = true
			return at.move(tx, lastOf(ids), lastOf(ids))
		}
		if page != "" {
			out.more = true
			return at.move(tx, page, lastOf(ids))
		}
		return at.ended(tx, ids)
	})
	return out.rows, out.more, failed("retire drafts", err)
}

// draftsUpTo is the last receipt of a page, and empty when fewer are left.
func draftsUpTo(tx *gorm.DB, after string, before time.Time, limit int) (string, error) {
	var ids []string
	err := tx.Raw("SELECT id FROM ledger WHERE id > ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?",
		after, string(desk.FirstID[desk.ReceiptID](before)), draftsPage*limit-1).Scan(&ids).Error
	return lastOf(ids), err
}

// oldDrafts are the receipts of a page, or of all that are left, whose drafts are to
// go now. What somebody has locked waits for the next walk.
func (s *Store) oldDrafts(tx *gorm.DB, after, upTo string, before time.Time, limit int) (ids []string, err error) {
	if upTo == "" {
		upTo = string(desk.FirstID[desk.ReceiptID](before))
	}
	err = tx.Raw("SELECT id FROM ledger WHERE id > ? AND id <= ? AND "+finished+" AND settled_at < ? AND "+unslim+" ORDER BY id LIMIT ?"+s.skipLocked(),
		after, upTo, micro(before), limit).Scan(&ids).Error
	return ids, err
}

// ended notes how far a walk came that has met everything old, and whether the next
// goes on from there or begins anew.
func (r *retiredRow) ended(tx *gorm.DB, ids []string) error {
	if len(ids) == 0 && r.Place == "" {
		return nil
	}
	anew, err := dueAnew(tx, retiredAnew)
	switch {
	case err != nil:
		return err
	case anew:
		return r.move(tx, "", lastOf(ids))
	case len(ids) == 0:
		return nil
	}
	return r.move(tx, lastOf(ids), lastOf(ids))
}

// dueAnew reports whether a walk is to begin anew, and notes that it does.
func dueAnew(tx *gorm.DB, kind string) (bool, error) {
	last, err := place(tx, kind)
	if err != nil || time.Since(last.At).Abs() < draftsAnew { // one far ahead was noted by a clock that was wrong
		return false, err
	}
	return true, last.move(tx, "", "")
}
