package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Link ties two tickets together and writes an event on both, in one
// transaction. Refused are: a link that is there already (desk.ErrConflict; for
// RELATES in either direction), a ticket that does not exist (desk.ErrNotFound),
// a ticket linked to itself and a PARENT link that closes a circle (both
// *desk.Invalid for "ticketId").
func (s *Store) Link(ctx context.Context, l desk.Link) error {
	if l.From == l.To {
		return desk.Invalidf("ticketId", "a ticket cannot be linked to itself")
	}
	row, err := newLinkRow(&l)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(tx *gorm.DB) error {
		if l.Type.Ordered() && s.dialect == Postgres {
			// Circles are made by several links at once; such links queue.
			if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", parentLock).Error; err != nil {
				return err
			}
		}
		ends, err := s.lockBoth(tx, l.From, l.To)
		if err != nil {
			return err
		}
		if l.Type.Ordered() {
			if err := s.noCircle(tx, l); err != nil {
				return err
			}
		}
		q := tx.Model(&linkRow{}).Where("from_id = ? AND to_id = ? AND type = ?", row.FromID, row.ToID, row.Type)
		if l.Type == desk.Relates {
			q = q.Or("from_id = ? AND to_id = ? AND type = ?", row.ToID, row.FromID, row.Type)
		}
		var n int64
		if err := q.Count(&n).Error; err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("link is there: %w", desk.ErrConflict)
		}
		for i, j := range ends {
			other, word := l.To, string(l.Type)
			if i == 1 {
				other, word = l.From, l.Type.Inverse()
			}
			if _, err := j.change(tx, linked(l, other, word)); err != nil {
				return err
			}
		}
		return insertNew(tx, []linkRow{row})
	})
	return failed("link", err)
}

// parentLock is the advisory lock that PARENT links queue for.
const parentLock = 0x73776264_70617265 // "swbdpare"

// linked is the change a link makes on one of its ends.
func linked(l desk.Link, other desk.TicketID, word string) func(*desk.Ticket) ([]desk.Event, error) {
	return func(t *desk.Ticket) ([]desk.Event, error) {
		t.EventCount++
		t.Touch(l.CreatedAt)
		return []desk.Event{{ID: desk.NewID[desk.EventID](l.CreatedAt), TicketID: t.ID, Seq: t.EventCount, Kind: desk.EventLinked,
			Actor: l.By, At: l.CreatedAt, Data: map[string]any{"ticketId": string(other), "type": word}}}, nil
	}
}

// lockBoth locks two tickets in the order of their IDs and returns them in the
// order they were asked for.
func (s *Store) lockBoth(tx *gorm.DB, a, b desk.TicketID) ([2]*joined, error) {
	first, second := a, b
	if b < a {
		first, second = b, a
	}
	x, err := s.lockTicket(tx, first)
	if err != nil {
		return [2]*joined{}, err
	}
	y, err := s.lockTicket(tx, second)
	if b < a {
		x, y = y, x
	}
	return [2]*joined{x, y}, err
}

// noCircle refuses a link whose far end is before its near end already: a child
// above its parent, a ticket that blocks what blocks it.
func (s *Store) noCircle(tx *gorm.DB, l desk.Link) error {
	var found []string
	err := tx.Raw(`WITH RECURSIVE above (id) AS (
			SELECT from_id FROM links WHERE to_id = ? AND type = ?
			UNION SELECT links.from_id FROM links JOIN above ON links.to_id = above.id WHERE links.type = ?)
		SELECT id FROM above WHERE id = ?`, string(l.From), string(l.Type), string(l.Type), string(l.To)).Scan(&found).Error
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return desk.Invalidf("ticketId", "stands the other way round to this ticket already; both ways at once would be a circle")
	}
	return nil
}

// Unlink takes a link away, for RELATES in either direction, or returns
// desk.ErrNotFound.
func (s *Store) Unlink(ctx context.Context, from, to desk.TicketID, kind desk.LinkType) error {
	q := s.w.WithContext(ctx).Where("from_id = ? AND to_id = ? AND type = ?", string(from), string(to), string(kind))
	if kind == desk.Relates {
		q = q.Or("from_id = ? AND to_id = ? AND type = ?", string(to), string(from), string(kind))
	}
	res := q.Delete(&linkRow{})
	if res.Error == nil && res.RowsAffected == 0 {
		res.Error = desk.ErrNotFound
	}
	return failed("unlink", res.Error)
}

// Links returns the links of a ticket, those it is at either end of, oldest
// first.
func (s *Store) Links(ctx context.Context, id desk.TicketID) ([]desk.Link, error) {
	var rows []linkRow
	err := s.read(ctx).Where("from_id = ? OR to_id = ?", string(id), string(id)).Order("created_at, from_id, to_id, type").Find(&rows).Error
	if err != nil {
		return nil, failed("links", err)
	}
	out := make([]desk.Link, len(rows))
	for i := range rows {
		if out[i], err = rows[i].desk(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
