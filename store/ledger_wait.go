package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// What waits in the ledger, source by source. Every statement here goes by the
// index ledger_backlog and reads no more of it than it was asked for, however
// much waits.

// Waiting returns every source that has receipts neither settled nor given up,
// with how many they are, counted up to most, and when the oldest was accepted.
// Its cost grows with the number of such sources times most.
func (s *Store) Waiting(ctx context.Context, most int) ([]desk.Backlog, error) {
	var rows []struct {
		Source string
		N      int
		Oldest string
	}
	err := s.read(ctx).Raw(`WITH RECURSIVE s (source) AS (
			SELECT min(source) FROM ledger WHERE state = 'accepted'
			UNION ALL
			SELECT (SELECT min(l.source) FROM ledger l WHERE l.state = 'accepted' AND l.source > s.source) FROM s WHERE s.source IS NOT NULL)
		SELECT s.source AS source,
			(SELECT count(*) FROM (SELECT 1 FROM ledger l WHERE l.state = 'accepted' AND l.source = s.source ORDER BY l.accepted_at LIMIT ?) capped) AS n,
			(SELECT l.id FROM ledger l WHERE l.state = 'accepted' AND l.source = s.source ORDER BY l.accepted_at LIMIT 1) AS oldest
		FROM s WHERE s.source IS NOT NULL`, most).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, failed("waiting", err)
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.Oldest
	}
	var oldest []receiptRow
	if err := s.read(ctx).Select("id", "accepted_at").Where(s.in("id", ids)).Find(&oldest).Error; err != nil {
		return nil, failed("waiting", err)
	}
	at := map[string]time.Time{}
	for _, r := range oldest {
		at[r.ID] = r.AcceptedAt.UTC()
	}
	out := make([]desk.Backlog, 0, len(rows))
	for _, r := range rows {
		out = append(out, desk.Backlog{Source: r.Source, Count: r.N, Oldest: at[r.Oldest]})
	}
	return out, nil
}

// Stale claims up to limit receipts of one source that were accepted before an
// instant, are not settled and were not claimed since sweptBefore, and returns
// them oldest first. They are marked as claimed at now in the same statement, so
// that several processes that sweep at once get different ones.
func (s *Store) Stale(ctx context.Context, source string, before, sweptBefore, now time.Time, limit int) ([]desk.ReceiptID, error) {
	lock := ""
	if s.dialect == Postgres {
		lock = "FOR UPDATE SKIP LOCKED"
	}
	var rows []receiptRow
	err := s.write(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Raw(`UPDATE ledger SET swept_at = ? WHERE id IN (
			SELECT id FROM ledger WHERE state = 'accepted' AND source = ? AND accepted_at < ? AND (swept_at IS NULL OR swept_at < ?)
			ORDER BY accepted_at, id LIMIT ? `+lock+`) RETURNING id, accepted_at`,
			micro(now), source, micro(before), micro(sweptBefore), limit).Scan(&rows).Error
	})
	if err != nil {
		return nil, failed("stale", err)
	}
	slices.SortFunc(rows, func(a, b receiptRow) int {
		if c := a.AcceptedAt.Compare(b.AcceptedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	ids := make([]desk.ReceiptID, len(rows))
	for i, r := range rows {
		ids[i] = desk.ReceiptID(r.ID)
	}
	return ids, nil
}

// Claim marks receipts as claimed at now: somebody queued them, and [Store.Stale]
// need not find them soon.
func (s *Store) Claim(ctx context.Context, ids []desk.ReceiptID, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	return failed("claim", s.write(ctx, func(tx *gorm.DB) error {
		if err := s.holdReceipts(tx, ids); err != nil {
			return err
		}
		return tx.Exec(`UPDATE ledger SET swept_at = ? WHERE ? AND state = 'accepted'`, micro(now), s.in("id", texts(ids))).Error
	}))
}

// holdReceipts locks rows of the ledger in the order in which filings lock them.
// An update of many takes them as they lie on disk, and two transactions that
// want the same in different orders wait for each other.
func (s *Store) holdReceipts(tx *gorm.DB, ids []desk.ReceiptID) error {
	if s.dialect != Postgres || len(ids) < 2 {
		return nil
	}
	_, err := find[receiptRow](tx, "id", s.in("id", texts(ids)), s.locked("id"))
	return err
}

// Attempt counts an attempt on receipts before it is made, for work that has
// ended a process before: a message that does so again is known by its count.
// Those that had most attempts already end as failed with the reason; the others
// are returned with where they stand. Settled ones are left out.
func (s *Store) Attempt(ctx context.Context, ids []desk.ReceiptID, most int, reason string, now time.Time) (open, ended []desk.ReceiptID, err error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	var rows []receiptRow
	err = s.write(ctx, func(tx *gorm.DB) error {
		rows = nil
		if err := s.holdReceipts(tx, ids); err != nil {
			return err
		}
		in := s.in("id", texts(ids))
		return tx.Raw(`UPDATE ledger SET
				attempts = CASE WHEN attempts >= ? THEN attempts ELSE attempts + 1 END,
				reason = CASE WHEN attempts >= ? THEN ? ELSE reason END,
				settled_at = CASE WHEN attempts >= ? THEN ? ELSE settled_at END,
				state = CASE WHEN attempts >= ? THEN 'failed' ELSE state END
			WHERE ? AND state = 'accepted' RETURNING id, state`,
			most, most, desk.Clean(reason), most, micro(now), most, in).Scan(&rows).Error
	})
	if err != nil {
		return nil, nil, failed("attempt", err)
	}
	for _, r := range rows {
		if r.State == string(desk.Failed) {
			ended = append(ended, desk.ReceiptID(r.ID))
		} else {
			open = append(open, desk.ReceiptID(r.ID))
		}
	}
	return open, ended, nil
}

// Survived takes back an attempt that was counted before it was made and ended
// neither the process nor the receipts: what waits for its parent is no trouble.
func (s *Store) Survived(ctx context.Context, ids []desk.ReceiptID) error {
	if len(ids) == 0 {
		return nil
	}
	return failed("survived", s.write(ctx, func(tx *gorm.DB) error {
		if err := s.holdReceipts(tx, ids); err != nil {
			return err
		}
		return tx.Exec(`UPDATE ledger SET attempts = attempts - 1 WHERE ? AND state = 'accepted' AND attempts > 0`, s.in("id", texts(ids))).Error
	}))
}

// OldestAccepted returns when the oldest receipt that is not settled was
// accepted, and false when all are settled.
func (s *Store) OldestAccepted(ctx context.Context) (time.Time, bool, error) {
	waiting, err := s.Waiting(ctx, 1)
	if err != nil || len(waiting) == 0 {
		return time.Time{}, false, err
	}
	oldest := waiting[0].Oldest
	for _, w := range waiting {
		if w.Oldest.Before(oldest) {
			oldest = w.Oldest
		}
	}
	return oldest, true, nil
}
