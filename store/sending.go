package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// sendingRow is an answer that somebody took to send and has not told the end
// of. Most answers have such a row for as long as one sending takes; what is left
// of a process that died is found by it.
type sendingRow struct {
	MessageID string `gorm:"primaryKey"`
	Holder    string // "": nobody whose death would be noticed
	Begun     int
}

func (sendingRow) TableName() string { return "sendings" }

// begin notes who takes a message, and returns how many have begun to send it,
// with this one, since an end was told last.
func (s *Store) begin(tx *gorm.DB, message, holder string) (begun int, err error) {
	err = tx.Raw(`INSERT INTO sendings (message_id, holder, begun) VALUES (?, ?, 1)
		ON CONFLICT (message_id) DO UPDATE SET holder = excluded.holder, begun = sendings.begun + 1 RETURNING begun`,
		message, holder).Scan(&begun).Error
	return begun, err
}

// end forgets that a message is being sent: what became of it was told.
func (s *Store) end(tx *gorm.DB, message string) error {
	return tx.Exec(`DELETE FROM sendings WHERE message_id = ?`, message).Error
}

// Begun returns how many took a message to send it and never told the end: each
// of them died of it, or beside it, or hangs.
func (s *Store) Begun(ctx context.Context, id desk.MessageID) (int, error) {
	var begun []int
	err := s.read(ctx).Model(&sendingRow{}).Where("message_id = ?", string(id)).Pluck("begun", &begun).Error
	if err != nil || len(begun) == 0 {
		return 0, failed("begun", err)
	}
	return begun[0], nil
}

// Holds reports whether a message is still being sent by who took it as the try
// of that number: who was taken for dead must not send what another has.
func (s *Store) Holds(ctx context.Context, id desk.MessageID, try int) (bool, error) {
	var n int64
	err := s.read(ctx).Model(&messageRow{}).Where("id = ? AND send_tries = ? AND taken_at IS NOT NULL AND send_state <> 'unknown'", string(id), try).Count(&n).Error
	return n == 1, failed("holds", err)
}

// Abandoned takes from a dead holder what it had taken to send, and returns it:
// what was being sent is unknown from now on, so that it is probed before it is
// sent again, and may be taken at once. A holder that is alive after all finds
// that another has it.
func (s *Store) Abandoned(ctx context.Context, holder string) ([]desk.MessageID, error) {
	if holder == "" {
		return nil, nil
	}
	var ids []string
	err := s.write(ctx, func(tx *gorm.DB) error {
		ids = nil
		var had []string
		if err := tx.Model(&sendingRow{}).Where("holder = ?", holder).Order("message_id").Pluck("message_id", &had).Error; err != nil || len(had) == 0 {
			return err
		}
		var rows []messageRow // the message before its sending: the order of locks
		if err := s.forUpdate(tx).Select("id").Where(s.in("id", had)).Order("id").Find(&rows).Error; err != nil {
			return err
		}
		err := tx.Raw(`UPDATE sendings SET holder = '' WHERE ? AND holder = ? RETURNING message_id`, s.in("message_id", had), holder).Scan(&ids).Error
		if err != nil || len(ids) == 0 {
			return err
		}
		return tx.Exec(`UPDATE messages SET send_state = CASE WHEN send_state = 'sending' THEN 'unknown' ELSE send_state END,
			taken_at = CASE WHEN send_state = 'sending' THEN taken_at ELSE NULL END, swept_at = NULL WHERE ? AND (send_state = 'sending' OR send_state = 'sent' AND follow)`, s.in("id", ids)).Error
	})
	if err != nil {
		return nil, failed("abandoned", err)
	}
	out := make([]desk.MessageID, len(ids))
	for i, id := range ids {
		out[i] = desk.MessageID(id)
	}
	return out, nil
}

// Unwatched says that a holder is alive though nobody can see it: what it has in
// hand is its own until the patience of who comes next ends.
func (s *Store) Unwatched(ctx context.Context, holder string) error {
	return failed("unwatched", s.write(ctx, func(tx *gorm.DB) error {
		return tx.Exec(`UPDATE sendings SET holder = '' WHERE holder = ?`, holder).Error
	}))
}

// PutBack says that a try sent nothing, not because of anything that is wrong: the
// message is unknown as it was before, may be taken from an instant on, and the try
// counts as none that died of it. try is as for [Store.Undelivered]. One that was
// sent or taken by another before is desk.ErrSettled.
func (s *Store) PutBack(ctx context.Context, id desk.MessageID, try int, until time.Time) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE messages SET send_state = 'unknown', taken_at = NULL, send_after = ? WHERE id = ? AND send_tries = ? AND send_state = 'sending'`,
			micro(until), string(id), try)
		if res.Error == nil && res.RowsAffected == 0 {
			res.Error = desk.ErrSettled
		}
		if res.Error != nil {
			return res.Error
		}
		return tx.Exec(`UPDATE sendings SET holder = '', begun = begun - 1 WHERE message_id = ?`, string(id)).Error
	})
	return failed("put back", err)
}
