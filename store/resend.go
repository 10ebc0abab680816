package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// unreached are the answers that failed and may be tried again: one that was deleted
// meanwhile is not.
const unreached = "m.send_state = 'failed' AND m.direction = 'OUTBOUND' AND m.public AND m.deleted_at IS NULL"

// Unreached lists answers that failed, oldest first. Without IDs it goes through all
// messages of the filter's time.
func (s *Store) Unreached(ctx context.Context, f desk.UnreachedFilter) ([]desk.Unreached, error) {
	via := `m.via::json ->> 'source'`
	if s.dialect == SQLite {
		via = `m.via ->> '$.source'`
	}
	source := "CASE WHEN m.via <> '' THEN " + via + " ELSE COALESCE(NULLIF(t.thread_source, ''), t.source) END"
	q := s.read(ctx).Table("messages m").Joins("JOIN tickets t ON t.id = m.ticket_id").
		Select("m.id AS id, m.ticket_id AS ticket, " + source + " AS source, m.send_error AS reason").Where(unreached)
	if f.IDs != nil {
		q = q.Where(s.in("m.id", texts(f.IDs)))
	}
	if !f.Since.IsZero() {
		q = q.Where("m.id >= ?", string(desk.FirstID[desk.MessageID](f.Since)))
	}
	if !f.Until.IsZero() {
		q = q.Where("m.id < ?", string(desk.FirstID[desk.MessageID](f.Until)))
	}
	if f.After != "" {
		q = q.Where("m.id > ?", string(f.After))
	}
	if f.Source != "" {
		q = q.Where(source+" = ?", f.Source)
	}
	if f.Reason != "" {
		q = q.Where("lower(m.send_error)"+contains, containing(f.Reason))
	}
	var rows []desk.Unreached
	err := q.Order("m.id").Limit(desk.Page(f.Limit)).Scan(&rows).Error
	return rows, failed("unreached", err)
}

// Resend has an answer that failed tried again, with tries of its own, and says so on
// its ticket. It counts as unknown, so that it is probed before it is sent where the
// channel can be asked: what was given up may have arrived. The sweep of the delivery
// finds it at once, and it is due from now on, however old it is. One that did not fail, or was deleted since, is desk.ErrSettled.
func (s *Store) Resend(ctx context.Context, id desk.MessageID, by desk.Actor, now time.Time) error {
	say := func(t *desk.Ticket) ([]desk.Event, error) { return []desk.Event{t.CommentResent(id, by, now)}, nil }
	return s.undelivered(ctx, id, say, func(tx *gorm.DB) *gorm.DB {
		return tx.Exec(`UPDATE messages AS m SET send_state = 'unknown', send_error = '', send_tries = 0, send_after = ?, taken_at = NULL, swept_at = NULL
			WHERE m.id = ? AND `+unreached, micro(now), string(id))
	})
}
