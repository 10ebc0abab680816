package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// canaryRow is how the canaries of a source are doing.
type canaryRow struct {
	Source    string `gorm:"primaryKey"`
	Turn      int64
	SinceAt   time.Time `gorm:"autoCreateTime:false"`
	SentAt    *time.Time
	HeardAt   *time.Time
	SettledAt *time.Time
}

func (canaryRow) TableName() string { return "canaries" }

// canaryReceiptRow is a canary that ended in the ledger.
type canaryReceiptRow struct {
	ID        string    `gorm:"primaryKey"`
	SettledAt time.Time `gorm:"autoCreateTime:false"`
}

func (canaryReceiptRow) TableName() string { return "canary_receipts" }

// canaryAhead is how far ahead of now a time of a canary may lie. What lies further
// was noted by a clock that was wrong.
const canaryAhead = time.Minute

// CanaryTurn takes a source's turn to send a canary. Of all who ask for one turn
// it is true for the first; a turn not above an earlier one is nobody's. What a
// clock that was far ahead noted is forgotten: the source begins anew.
func (s *Store) CanaryTurn(ctx context.Context, source string, turn int64, now time.Time) (bool, error) {
	ahead := micro(now.Add(canaryAhead))
	res := s.w.WithContext(ctx).Exec(`INSERT INTO canaries (source, turn, since_at, sent_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (source) DO UPDATE SET turn = excluded.turn, sent_at = excluded.sent_at,
			since_at = CASE WHEN canaries.since_at > ? OR canaries.heard_at > ? THEN excluded.since_at ELSE canaries.since_at END,
			heard_at = CASE WHEN canaries.heard_at > ? THEN NULL ELSE canaries.heard_at END,
			settled_at = CASE WHEN canaries.heard_at > ? THEN NULL ELSE canaries.settled_at END
		WHERE canaries.turn < excluded.turn OR canaries.sent_at > ?`,
		source, turn, micro(now), micro(now), ahead, ahead, ahead, ahead, ahead)
	if res.Error != nil {
		return false, failed("canary turn", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// CanaryHeard notes that a canary made at an instant ended in the books, and
// under which receipt. One older than the youngest heard of changes nothing but
// that its receipt will be removed too.
func (s *Store) CanaryHeard(ctx context.Context, source string, made, now time.Time, id desk.ReceiptID) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		err := tx.Exec(`INSERT INTO canaries (source, turn, since_at, heard_at, settled_at) VALUES (?, 0, ?, ?, ?)
			ON CONFLICT (source) DO UPDATE SET heard_at = excluded.heard_at, settled_at = excluded.settled_at
			WHERE canaries.heard_at IS NULL OR canaries.heard_at < excluded.heard_at`, source, micro(made), micro(made), micro(now)).Error
		if err != nil {
			return err
		}
		return tx.Exec(`INSERT INTO canary_receipts (id, settled_at) VALUES (?, ?) ON CONFLICT DO NOTHING`, string(id), micro(now)).Error
	})
	return failed("canary heard", err)
}

// Canaries reports on the sources that ever had canaries, by name. It reads one
// small row for each.
func (s *Store) Canaries(ctx context.Context) ([]desk.Canary, error) {
	var rows []canaryRow
	if err := s.read(ctx).Order("source").Find(&rows).Error; err != nil {
		return nil, failed("canaries", err)
	}
	out := make([]desk.Canary, len(rows))
	for i, r := range rows {
		out[i] = desk.Canary{Source: r.Source, Since: r.SinceAt.UTC(), SentAt: moment(r.SentAt), HeardAt: moment(r.HeardAt), SettledAt: moment(r.SettledAt)}
	}
	return out, nil
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// ForgetCanaries removes up to limit canaries from the ledger that ended before
// an instant, and returns the raw messages they leave behind, for their blobs to
// be removed, and whether there may be more. Only rows that were dropped as canaries go.
func (s *Store) ForgetCanaries(ctx context.Context, before time.Time, limit int) (raw []desk.BlobRef, more bool, err error) {
	err = s.write(ctx, func(tx *gorm.DB) error {
		raw, more = nil, false
		var old []canaryReceiptRow
		if err := s.forUpdate(tx).Where("settled_at < ?", micro(before)).Order("settled_at, id").Limit(limit).Find(&old).Error; err != nil || len(old) == 0 {
			return err
		}
		more = len(old) == limit
		ids := make([]string, len(old))
		for i, r := range old {
			ids[i] = r.ID
		}
		var gone []receiptRow
		err := tx.Raw(`DELETE FROM ledger WHERE ? AND state = 'dropped' AND reason = ? RETURNING raw_digest, raw_size`,
			s.in("id", ids), desk.CanaryReason).Scan(&gone).Error
		if err != nil {
			return err
		}
		for _, r := range gone {
			if r.RawDigest != "" {
				raw = append(raw, desk.BlobRef{Digest: r.RawDigest, Size: r.RawSize})
			}
		}
		return tx.Where(s.in("id", ids)).Delete(&canaryReceiptRow{}).Error
	})
	return raw, more && err == nil, failed("forget canaries", err)
}
