package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Acquire takes or renews the lease of name for holder until now+ttl. The token
// grows with every change of holder, so that an earlier holder's cursor is
// refused by [Store.Accept]; ok is false while another holder's lease is valid.
func (s *Store) Acquire(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (token int64, ok bool, err error) {
	var got []leaseRow
	err = s.w.WithContext(ctx).Raw(`INSERT INTO leases (name, holder, token, expires_at) VALUES (?, ?, 1, ?)
		ON CONFLICT (name) DO UPDATE SET
			token = CASE WHEN leases.holder = excluded.holder THEN leases.token ELSE leases.token + 1 END,
			holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.holder = excluded.holder OR leases.expires_at <= ?
		RETURNING token`, name, holder, micro(now.Add(ttl)), micro(now)).Scan(&got).Error
	if err != nil {
		return 0, false, failed("acquire", err)
	}
	if len(got) == 0 {
		return 0, false, nil
	}
	return got[0].Token, true, nil
}

// Release gives a lease back early. Its token is void at once; a lease that
// holder does not have is left alone.
func (s *Store) Release(ctx context.Context, name, holder string) error {
	err := s.w.WithContext(ctx).Exec(`UPDATE leases SET holder = '', token = token + 1, expires_at = ? WHERE name = ? AND holder = ?`,
		micro(time.Unix(0, 0)), name, holder).Error
	if err != nil {
		return failed("release", err)
	}
	return nil
}

// Cursor reads how far a folder was read, without lease and token; the zero
// Cursor means never.
func (s *Store) Cursor(ctx context.Context, source, folder string) (desk.Cursor, error) {
	var rows []cursorRow
	if err := s.read(ctx).Where("source = ? AND folder = ?", source, folder).Find(&rows).Error; err != nil {
		return desk.Cursor{}, failed("cursor", err)
	}
	if len(rows) == 0 {
		return desk.Cursor{}, nil
	}
	r := rows[0]
	return desk.Cursor{Source: r.Source, Folder: r.Folder, UIDValidity: uint32(r.UIDValidity), LastUID: uint32(r.LastUID)}, nil
}

// moveCursor writes how far a folder was read: forward within one UIDVALIDITY,
// anew for another (RFC 9051 section 2.3.1.1).
func moveCursor(tx *gorm.DB, c *desk.Cursor) error {
	return tx.Exec(`INSERT INTO cursors (source, folder, uid_validity, last_uid) VALUES (?, ?, ?, ?)
		ON CONFLICT (source, folder) DO UPDATE SET
			last_uid = CASE WHEN cursors.uid_validity = excluded.uid_validity AND cursors.last_uid > excluded.last_uid
				THEN cursors.last_uid ELSE excluded.last_uid END,
			uid_validity = excluded.uid_validity`,
		c.Source, c.Folder, int64(c.UIDValidity), int64(c.LastUID)).Error
}

// States reports where receipts stand; IDs the ledger does not have are left
// out.
func (s *Store) States(ctx context.Context, ids []desk.ReceiptID) (map[desk.ReceiptID]desk.State, error) {
	out := make(map[desk.ReceiptID]desk.State, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var rows []receiptRow
	if err := s.read(ctx).Select("id", "state").Where(s.in("id", texts(ids))).Find(&rows).Error; err != nil {
		return nil, failed("states", err)
	}
	for _, r := range rows {
		out[desk.ReceiptID(r.ID)] = desk.State(r.State)
	}
	return out, nil
}

// Leases lists the leases whose names begin with a prefix, by name. There is one
// for each mailbox.
func (s *Store) Leases(ctx context.Context, prefix string) ([]desk.Lease, error) {
	var rows []leaseRow
	if err := s.read(ctx).Order("name").Find(&rows).Error; err != nil {
		return nil, failed("leases", err)
	}
	var out []desk.Lease
	for _, r := range rows {
		if strings.HasPrefix(r.Name, prefix) {
			out = append(out, desk.Lease{Name: r.Name, Holder: r.Holder, ExpiresAt: r.ExpiresAt.UTC()})
		}
	}
	return out, nil
}
