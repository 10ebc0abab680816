package store

import (
	"context"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Redraft replaces the draft of a receipt that is accepted and not settled: its
// raw bytes were read again by a newer reader. Source, external ID and
// fingerprint of the row stay, so that the message is still the same one; the new
// draft is written whole, whatever of it the row has. One that is settled is
// desk.ErrSettled.
func (s *Store) Redraft(ctx context.Context, id desk.ReceiptID, d *desk.Draft) error {
	var p packer
	draft := p.draft(d, desk.Passage{}, 0)
	if p.err != nil {
		return failed("redraft", p.err)
	}
	err := s.write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE ledger SET draft = ?, thread_key = ? WHERE id = ? AND state = 'accepted'`,
			draft, key(d.Conversation()), string(id))
		if res.Error == nil && res.RowsAffected == 0 {
			return desk.ErrSettled
		}
		return res.Error
	})
	return failed("redraft", err)
}
