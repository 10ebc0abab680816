package store

import (
	"cmp"
	"context"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"switchboard/pipeline/desk"
)

// Accept writes receipts to the ledger in one transaction and returns their
// IDs in order. When it returns nil they are on disk: the sender may hear yes.
// A message the ledger has already (same source, external ID and fingerprint),
// or that occurs twice in rs, yields the ID of the first.
//
// With a cursor the transaction also moves it, and only if the lease still has
// the cursor's token; else the error is desk.ErrLeaseLost and nothing is
// written. A cursor of the same UIDVALIDITY never moves back; one of another
// UIDVALIDITY replaces it.
func (s *Store) Accept(ctx context.Context, cursor *desk.Cursor, rs []desk.Receipt) ([]desk.ReceiptID, error) {
	if len(rs) == 0 && cursor == nil {
		return nil, nil
	}
	rows, first, err := acceptedRows(rs)
	if err != nil {
		return nil, failed("accept", err)
	}
	had, done, err := s.acceptAtOnce(ctx, cursor, rs, rows, first)
	if !done {
		had, err = s.acceptInSteps(ctx, cursor, rs, rows, first)
	}
	if err != nil {
		return nil, failed("accept", err)
	}
	ids := make([]desk.ReceiptID, len(rs))
	for i := range rs {
		m := messageOf(&rs[i])
		id := first[m]
		if old, ok := had[m]; ok {
			id = old
		}
		ids[i] = desk.ReceiptID(id)
	}
	return ids, nil
}

// acceptedRows are the ledger rows of receipts, each message once, in the order in
// which all write them, and which receipt is the first of each message.
func acceptedRows(rs []desk.Receipt) ([]receiptRow, map[message]string, error) {
	type place struct {
		message
		at int
	}
	places := make([]place, 0, len(rs))
	first := make(map[message]string, len(rs))
	for i := range rs {
		m := messageOf(&rs[i])
		if _, twice := first[m]; !twice {
			first[m] = string(rs[i].ID)
			places = append(places, place{m, i})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return compareMessages(a.message, b.message) })
	rows := make([]receiptRow, len(places))
	for n, p := range places {
		var err error
		if rows[n], err = newReceiptRow(&rs[p.at]); err != nil {
			return nil, nil, err
		}
	}
	return rows, first, nil
}

// acceptInSteps writes the rows, what they bring along and the cursor in one
// transaction, and returns the IDs of those the ledger had, if any.
func (s *Store) acceptInSteps(ctx context.Context, cursor *desk.Cursor, rs []desk.Receipt, rows []receiptRow, first map[message]string) (had map[message]string, err error) {
	err = s.write(ctx, func(tx *gorm.DB) error {
		if cursor != nil {
			if err := s.fence(tx, cursor); err != nil {
				return err
			}
		}
		n, err := insert(tx, rows, doNothing)
		if err != nil {
			return err
		}
		had = nil
		if n != int64(len(rows)) {
			if had, err = s.inLedger(tx, rows); err != nil {
				return err
			}
		}
		if err := s.keep(tx, fresh(rs, first, had)); err != nil {
			return err
		}
		if cursor != nil {
			return moveCursor(tx, cursor)
		}
		return nil
	})
	return had, err
}

// message is what makes a message one message: where, which ID, what content.
// where is the source in the ledger and the scope among a ticket's messages.
type message struct{ where, externalID, fingerprint string }

func messageOf(r *desk.Receipt) message {
	return message{r.Source, key(r.ExternalID), key(r.Fingerprint)}
}

// fresh are the receipts whose rows are new: the first of each message the
// ledger did not have.
func fresh(rs []desk.Receipt, first, had map[message]string) []desk.Receipt {
	return slices.DeleteFunc(slices.Clone(rs), func(r desk.Receipt) bool {
		m := messageOf(&r)
		old, known := had[m]
		return first[m] != string(r.ID) || known && old != string(r.ID)
	})
}

func compareMessages(a, b message) int {
	return cmp.Or(cmp.Compare(a.where, b.where), cmp.Compare(a.externalID, b.externalID), cmp.Compare(a.fingerprint, b.fingerprint))
}

func (r *receiptRow) message() message { return message{r.Source, r.ExternalID, r.Fingerprint} }

// inLedger returns the IDs under which the ledger holds the rows' messages. A row
// that was in the way of ours and is gone, as retention takes it, is errAgain: ours
// is not there either.
func (s *Store) inLedger(tx *gorm.DB, rows []receiptRow) (map[message]string, error) {
	pairs := make([]pair, len(rows))
	for i, r := range rows {
		pairs[i] = pair{r.Source, r.ExternalID}
	}
	var found []receiptRow
	err := tx.Select("id", "source", "external_id", "fingerprint").Where(s.inPairs("source", "external_id", pairs)).Find(&found).Error
	if err != nil {
		return nil, err
	}
	out := make(map[message]string, len(found))
	for _, r := range found {
		out[r.message()] = r.ID
	}
	for i := range rows {
		if _, there := out[rows[i].message()]; !there {
			return nil, errAgain
		}
	}
	return out, nil
}

// Receipts returns rows of the ledger with their drafts and trails, ordered by
// ID. IDs the ledger does not have are left out.
func (s *Store) Receipts(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error) {
	return s.receipts(ctx, ids, "ORDER BY id")
}

// Unsettled is Receipts without those that are settled, whose drafts are not read:
// a task may run again long after its receipts were filed. The state stands in an
// expression so that no index of states is thought of: the ledger is small for a
// plan that was made before a flood.
func (s *Store) Unsettled(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error) {
	return s.receipts(ctx, ids, "AND state || '' = 'accepted' ORDER BY id")
}

func (s *Store) receipts(ctx context.Context, ids []desk.ReceiptID, rest string) ([]desk.Receipt, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := find[receiptRow](s.read(ctx), "", s.in("id", texts(ids)), rest)
	if err != nil {
		return nil, failed("receipts", err)
	}
	rs, err := s.receiptsOf(s.read(ctx), rows)
	return rs, failed("receipts", err)
}

// Receipt returns one row of the ledger, or desk.ErrNotFound.
func (s *Store) Receipt(ctx context.Context, id desk.ReceiptID) (desk.Receipt, error) {
	var row receiptRow
	if err := s.read(ctx).Where("id = ?", string(id)).Take(&row).Error; err != nil {
		return desk.Receipt{}, notFound("receipt", err)
	}
	return s.receiptOf(ctx, &row)
}

// ReceiptOf returns the newest row of a source with an external ID, and false
// when there is none.
func (s *Store) ReceiptOf(ctx context.Context, source, externalID string) (desk.Receipt, bool, error) {
	var rows []receiptRow
	err := s.read(ctx).Where("source = ? AND external_id = ?", source, key(externalID)).Order("id DESC").Limit(1).Find(&rows).Error
	if err != nil {
		return desk.Receipt{}, false, failed("receipt", err)
	}
	if len(rows) == 0 {
		return desk.Receipt{}, false, nil
	}
	r, err := s.receiptOf(ctx, &rows[0])
	return r, err == nil, err
}

// texts are IDs as strings.
func texts[T ~string](ids []T) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// fence ends the transaction with desk.ErrLeaseLost unless the lease has the
// cursor's token, and keeps it so until the transaction ends.
func (s *Store) fence(tx *gorm.DB, c *desk.Cursor) error {
	q := tx
	if s.dialect == Postgres {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthShare})
	}
	var leases []leaseRow
	if err := q.Where("name = ? AND token = ?", c.Lease, c.Token).Find(&leases).Error; err != nil {
		return err
	}
	if len(leases) == 0 {
		return desk.ErrLeaseLost
	}
	return nil
}
