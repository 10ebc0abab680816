package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// AddMessage puts a message on the ticket m.TicketID and lets fn change the
// ticket, in one transaction, and returns both as saved. A message of the same
// scope, external ID and fingerprint that is there already is returned, with its
// ticket, together with desk.ErrSettled, and nothing changes. fn may be nil, and
// may run more than once, each time on a fresh ticket.
func (s *Store) AddMessage(ctx context.Context, m *desk.Message, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, *desk.Message, error) {
	row, err := newMessageRow(m)
	if err != nil {
		return nil, nil, err
	}
	if fn == nil {
		fn = func(*desk.Ticket) ([]desk.Event, error) { return nil, nil }
	}
	var t *desk.Ticket
	err = s.write(ctx, func(tx *gorm.DB) error {
		j, err := s.lockTicket(tx, m.TicketID)
		if err != nil {
			return err
		}
		if row.ExternalID != "" {
			var old []messageRow
			err := tx.Where("scope = ? AND external_id = ? AND fingerprint = ? AND external_id <> ''", row.Scope, row.ExternalID, row.Fingerprint).
				Find(&old).Error
			if err != nil {
				return err
			}
			if len(old) > 0 {
				row = old[0]
				return desk.ErrSettled
			}
		}
		if t, err = j.change(tx, fn); err != nil {
			return err
		}
		return insertNew(tx, []messageRow{row})
	})
	if errors.Is(err, desk.ErrSettled) {
		if j, jerr := s.Ticket(ctx, row.TicketID); jerr == nil {
			t = j
		}
	} else if err != nil {
		return nil, nil, failed("add message", err)
	}
	saved, derr := row.desk()
	if derr != nil {
		return nil, nil, derr
	}
	return t, &saved, failed("add message", err)
}

// Message returns one message, or desk.ErrNotFound.
func (s *Store) Message(ctx context.Context, id desk.MessageID) (*desk.Message, error) {
	var row messageRow
	if err := s.read(ctx).Where("id = ?", string(id)).Take(&row).Error; err != nil {
		return nil, notFound("message", err)
	}
	m, err := row.desk()
	return &m, err
}

// Messages returns a page of a ticket's messages, oldest first, and the cursor
// of the next page, "" after the last. publicOnly leaves out internal notes. A
// cursor that is not ours is a *desk.Invalid for the field "cursor".
func (s *Store) Messages(ctx context.Context, id desk.TicketID, limit int, cursor string, publicOnly bool) ([]desk.Message, string, error) {
	after, err := openCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	limit = desk.Page(limit)
	q := s.read(ctx).Where("ticket_id = ? AND id > ?", string(id), after)
	if publicOnly {
		q = q.Where("public")
	}
	var rows []messageRow
	if err := q.Order("id").Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, "", failed("messages", err)
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = makeCursor(rows[limit-1].ID)
	}
	out := make([]desk.Message, len(rows))
	for i := range rows {
		if out[i], err = rows[i].desk(); err != nil {
			return nil, "", fmt.Errorf("store: message %s: %w", rows[i].ID, err)
		}
	}
	return out, next, nil
}
