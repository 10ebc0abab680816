package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// What becomes of receipts besides being filed: swept, in trouble, failed,
// opened again. The states in SQL are literals where a partial index depends on
// them.

// Trouble counts one more failed attempt to file a receipt and keeps why. The
// attempt number most (or above) ends it as failed. It returns where the receipt
// stands; one that is settled already stays as it is.
func (s *Store) Trouble(ctx context.Context, id desk.ReceiptID, most int, reason string, now time.Time) (desk.State, error) {
	var rows []receiptRow
	err := s.write(ctx, func(tx *gorm.DB) error {
		rows = nil
		err := tx.Raw(`UPDATE ledger SET attempts = attempts + 1, reason = ?,
				state = CASE WHEN attempts + 1 >= ? THEN 'failed' ELSE state END,
				settled_at = CASE WHEN attempts + 1 >= ? THEN ? ELSE settled_at END
			WHERE id = ? AND state = 'accepted' RETURNING state`,
			desk.Clean(reason), most, most, micro(now), string(id)).Scan(&rows).Error
		if err != nil || len(rows) > 0 {
			return err
		}
		return tx.Select("state").Where("id = ?", string(id)).Find(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		err = desk.ErrNotFound
	}
	if err != nil {
		return "", failed("trouble", err)
	}
	return desk.State(rows[0].State), nil
}

// Fail ends a receipt as failed. One that is settled already is
// desk.ErrSettled.
func (s *Store) Fail(ctx context.Context, id desk.ReceiptID, reason string, now time.Time) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE ledger SET state = 'failed', reason = ?, settled_at = ? WHERE id = ? AND state = 'accepted'`,
			desk.Clean(reason), micro(now), string(id))
		if res.Error != nil || res.RowsAffected == 1 {
			return res.Error
		}
		var n int64
		if err := tx.Model(&receiptRow{}).Where("id = ?", string(id)).Count(&n).Error; err != nil {
			return err
		}
		if n == 0 {
			return desk.ErrNotFound
		}
		return desk.ErrSettled
	})
	return failed("fail", err)
}

// Reopen makes receipts that failed, are held or were dropped accepted again,
// with no attempts, and returns them in the order of the filter. Filed and
// duplicate ones are never reopened: their message is on a ticket; nor are those
// whose draft was not kept so long (see [Store.RetireDrafts]). They count as
// claimed at now: the caller queues them, and the sweep does if it cannot. Until
// something happens to them their reason says since when they wait again.
func (s *Store) Reopen(ctx context.Context, f desk.ReceiptFilter, now time.Time) ([]desk.ReceiptID, error) {
	ids, err := s.reopenables(ctx, f, map[string]any{"state": string(desk.Accepted), "attempts": 0,
		"reason": againSince + now.UTC().Format(time.RFC3339), "settled_at": nil, "swept_at": micro(now)})
	return ids, failed("reopen", err)
}

// Dismiss ends receipts that failed or are held as dropped, for a person's reason,
// and returns them in the order of the filter. Nobody waits for them any more;
// they can be reopened as long as a dropped one can.
func (s *Store) Dismiss(ctx context.Context, f desk.ReceiptFilter, reason string, now time.Time) ([]desk.ReceiptID, error) {
	f.Open = true
	ids, err := s.reopenables(ctx, f, map[string]any{"state": string(desk.Dropped), "reason": desk.Clean(reason), "settled_at": micro(now)})
	return ids, failed("dismiss", err)
}

// reopenables changes the receipts of a filter that may be run again.
func (s *Store) reopenables(ctx context.Context, f desk.ReceiptFilter, change map[string]any) ([]desk.ReceiptID, error) {
	var ids []string
	err := s.write(ctx, func(tx *gorm.DB) error {
		ids = nil
		var rows []receiptRow
		q := s.receiptsBy(s.forUpdate(tx), f).Where(reopenable).Select("id")
		if err := q.Find(&rows).Error; err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		return tx.Model(&receiptRow{}).Where(s.in("id", ids)).Updates(change).Error
	})
	if err != nil {
		return nil, err
	}
	out := make([]desk.ReceiptID, len(ids))
	for i, id := range ids {
		out[i] = desk.ReceiptID(id)
	}
	return out, nil
}

// againSince begins the reason of a receipt that was opened again; the time follows.
const againSince = "opened again at "

// waitsSince is since when a receipt waits to be filed.
func (r *receiptRow) waitsSince() time.Time {
	if at, again := strings.CutPrefix(r.Reason, againSince); again {
		if t, err := time.Parse(time.RFC3339, at); err == nil && t.After(r.AcceptedAt) {
			return t
		}
	}
	return r.AcceptedAt
}

// Reopenable returns what [Store.Reopen] would open again.
func (s *Store) Reopenable(ctx context.Context, f desk.ReceiptFilter) ([]desk.ReceiptID, error) {
	var ids []desk.ReceiptID
	q := s.receiptsBy(s.read(ctx).Model(&receiptRow{}), f).Where(reopenable)
	if err := q.Pluck("id", &ids).Error; err != nil {
		return nil, failed("reopenable", err)
	}
	return ids, nil
}

// unfiled are the receipts that ended without being filed: the rows of the index
// ledger_unfiled, in its words.
const unfiled = "state <> 'filed' AND state <> 'accepted'"

// reopenable are the receipts that may be run again.
const reopenable = unfiled + " AND state IN ('failed', 'held', 'dropped') AND draft <> ''"

// contains is the end of a condition on the lower form of a text: it has the words
// of [containing] in it. The database makes the lower form of both.
const contains = ` LIKE lower(?) ESCAPE '\'`

// containing is the pattern of a text with these words in it, with \ to escape.
func containing(words string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(desk.Clean(words)) + "%"
}

// receiptsBy is the query of a filter.
func (s *Store) receiptsBy(q *gorm.DB, f desk.ReceiptFilter) *gorm.DB {
	if f.IDs != nil {
		q = q.Where(s.in("id", texts(f.IDs)))
	}
	if f.State != "" {
		switch f.State { // as literals: partial indexes and statistics serve no parameter
		case desk.Accepted, desk.Filed:
			q = q.Where("state = '" + string(f.State) + "'")
		case desk.Held, desk.Failed, desk.Dropped, desk.Duplicate:
			q = q.Where("state = '" + string(f.State) + "'").Where(unfiled)
		default:
			q = q.Where("state = ?", string(f.State)).Where(unfiled)
		}
	}
	if f.Open {
		q = q.Where("state IN ('failed', 'held')").Where(unfiled)
	}
	if f.Source != "" {
		q = q.Where("source = ?", f.Source)
	}
	if f.Reason != "" {
		q = q.Where("lower(reason)"+contains, containing(f.Reason))
	}
	if !f.Since.IsZero() {
		q = q.Where("accepted_at >= ?", micro(f.Since))
	}
	if !f.Until.IsZero() {
		q = q.Where("accepted_at < ?", micro(f.Until))
	}
	id, later := "id", " > ?"
	if f.State == desk.Accepted && f.IDs == nil {
		id = "id || ''" // what waits is sorted: in the order of the key all that was ever filed could lie before it
	}
	order := id
	if f.Newest {
		order, later = id+" DESC", " < ?"
	}
	if f.After != "" {
		q = q.Where(id+later, string(f.After))
	}
	return q.Order(order).Limit(desk.Page(f.Limit))
}

// ReceiptList returns rows of the ledger, with their drafts and trails.
func (s *Store) ReceiptList(ctx context.Context, f desk.ReceiptFilter) ([]desk.Receipt, error) {
	var rows []receiptRow
	if err := s.receiptsBy(s.read(ctx), f).Find(&rows).Error; err != nil {
		return nil, failed("receipts", err)
	}
	rs, err := s.receiptsOf(s.read(ctx), rows)
	return rs, failed("receipts", err)
}

// Counts returns how many receipts stand in each state. It reads an index from
// end to end: ask once a minute, not once a message.
func (s *Store) Counts(ctx context.Context) (map[desk.State]int64, error) {
	var rows []struct {
		State string
		N     int64
	}
	var all int64
	err := s.read(ctx).Model(&receiptRow{}).Count(&all).Error
	if err == nil {
		// One statement, so that nobody is counted on the way from one to the other.
		err = s.read(ctx).Raw(`SELECT 'accepted' AS state, count(*) AS n FROM ledger WHERE state = 'accepted'
			UNION ALL SELECT state, count(*) FROM ledger WHERE ` + unfiled + ` GROUP BY state`).Scan(&rows).Error
	}
	if err != nil {
		return nil, failed("counts", err)
	}
	out := map[desk.State]int64{}
	for _, r := range rows {
		if r.N > 0 {
			out[desk.State(r.State)] = r.N
			all -= r.N
		}
	}
	if all > 0 {
		out[desk.Filed] = all
	}
	return out, nil
}
