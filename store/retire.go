package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Retention: rows that were kept long enough are taken away in batches, each a
// short transaction over a range of an index, so that nobody waits for it. Each
// kind remembers how far it came (table retention), and the highest ID it took:
// the audit knows by that what may be missing. One process at a time does this:
// who calls has the lease.
//
// A batch returns how many rows it touched and whether there may be more.

// retired is what a batch did.
type retired struct {
	rows int64 // taken away or made slim
	more bool  // another batch may find more now
}

// finished are the states of receipts that may be made slim and taken away. What
// failed or is held waits for a person, however long.
const finished = "state IN ('filed', 'duplicate', 'dropped')"

// place is how far a kind of retention came.
func place(tx *gorm.DB, kind string) (retiredRow, error) {
	var rows []retiredRow
	err := tx.Where("name = ?", kind).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return retiredRow{Name: kind}, err
	}
	return rows[0], nil
}

// move writes how far it came; the highest ID never goes down.
func (r *retiredRow) move(tx *gorm.DB, to, highest string) error {
	return tx.Exec(`INSERT INTO retention (name, place, highest, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET place = excluded.place, highest = excluded.highest, at = excluded.at`,
		r.Name, to, max(r.Highest, highest), micro(time.Now())).Error
}

// skipLocked leaves out of a query what somebody else has in hand.
func (s *Store) skipLocked() string {
	if s.dialect == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// oldReceipts are the next finished receipts that were accepted and settled
// before an instant, in the order of their IDs.
func (s *Store) oldReceipts(tx *gorm.DB, after string, before time.Time, limit int) (ids []string, err error) {
	err = tx.Raw(`SELECT id FROM ledger WHERE id > ? AND id < ? AND `+finished+` AND settled_at < ? ORDER BY id LIMIT ?`+s.skipLocked(),
		after, string(desk.FirstID[desk.ReceiptID](before)), micro(before), limit).Scan(&ids).Error
	return ids, err
}

// slim takes the drafts of finished receipts away. That a receipt revised an
// earlier message stays to be seen. PostgreSQL is not asked to read the JSON: it
// refuses what JSON may hold and its text may not, such as NUL (SQLSTATE 22P05).
func (s *Store) slim(tx *gorm.DB, ids []string) (int64, error) {
	has := `substring(draft from '"act":"(edit|delete|restore)"')`
	if s.dialect == SQLite {
		has = `(draft ->> '$.act')`
	}
	res := tx.Exec(`UPDATE ledger SET raw_digest = '', raw_size = 0, draft = CASE WHEN state = 'filed' AND draft LIKE ? THEN
			CASE WHEN `+has+` IS NULL THEN '' ELSE '{"act":"' || `+has+` || '"}' END ELSE '' END
		WHERE ? AND `+finished, `%"act":"%`, s.in("id", ids))
	return res.RowsAffected, res.Error
}

// RetireLedger takes finished receipts away that were settled before an instant.
// A message that is on a ticket is still known by that; one that was dropped would
// be taken in again if it came once more.
func (s *Store) RetireLedger(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error) {
	var out retired
	err = s.write(ctx, func(tx *gorm.DB) error {
		out = retired{}
		at, err := place(tx, retiredLedger)
		if err != nil {
			return err
		}
		ids, err := s.oldReceipts(tx, at.Place, before, limit)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			res := tx.Where(s.in("id", ids)).Delete(&receiptRow{})
			if res.Error != nil {
				return res.Error
			}
			out = retired{rows: res.RowsAffected, more: len(ids) == limit}
		}
		if !out.more { // what was settled late is behind us: begin anew next time
			if len(ids) == 0 && at.Place == "" {
				return nil
			}
			return at.move(tx, "", lastOf(ids))
		}
		return at.move(tx, lastOf(ids), lastOf(ids))
	})
	return out.rows, out.more, failed("retire ledger", err)
}

// RetireRevisions takes the earlier words of messages away, when a message is
// older than an instant and so is everything that was done to it.
func (s *Store) RetireRevisions(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error) {
	var out retired
	err = s.write(ctx, func(tx *gorm.DB) error {
		out = retired{}
		at, err := place(tx, retiredRevisions)
		if err != nil {
			return err
		}
		var page []struct {
			MessageID string
			Young     int
		}
		err = tx.Model(&revisionRow{}).Select("message_id, sum(CASE WHEN at < ? THEN 0 ELSE 1 END) AS young", micro(before)).
			Where("message_id > ? AND message_id < ?", at.Place, string(desk.FirstID[desk.MessageID](before))).
			Group("message_id").Order("message_id").Limit(limit).Find(&page).Error
		if err != nil {
			return err
		}
		var ids []string
		for _, r := range page {
			if r.Young == 0 {
				ids = append(ids, r.MessageID)
			}
		}
		if len(ids) > 0 {
			res := tx.Where(s.in("message_id", ids)).Where("at < ?", micro(before)).Delete(&revisionRow{}) // not what was done since the look
			if res.Error != nil {
				return res.Error
			}
			out.rows = res.RowsAffected
		}
		next := ""
		if out.more = len(page) == limit; out.more {
			next = page[len(page)-1].MessageID
		}
		if next == at.Place && len(ids) == 0 {
			return nil
		}
		return at.move(tx, next, lastOf(ids))
	})
	return out.rows, out.more, failed("retire revisions", err)
}

// RetiredAt returns when a kind of retention was last marked, and the zero time
// when it never was.
func (s *Store) RetiredAt(ctx context.Context, kind string) (time.Time, error) {
	at, err := place(s.read(ctx), kind)
	return at.At.UTC(), failed("retired at", err)
}

// MarkRetired notes that a kind of retention was done at an instant.
func (s *Store) MarkRetired(ctx context.Context, kind string, at time.Time) error {
	err := s.w.WithContext(ctx).Exec(`INSERT INTO retention (name, place, highest, at) VALUES (?, '', '', ?)
		ON CONFLICT (name) DO UPDATE SET at = excluded.at`, kind, micro(at)).Error
	return failed("mark retired", err)
}

func lastOf(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[len(ids)-1]
}
