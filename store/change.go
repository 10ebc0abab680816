package store

import (
	"context"
	"fmt"
	"reflect"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Change locks a ticket, lets fn change it and saves it together with the
// events fn returns, in one transaction. It returns the ticket as saved; when fn
// changed nothing, nothing is saved and the version stays. ifVersion, unless 0,
// must be the ticket's version, else the error is desk.ErrConflict. An error of
// fn ends the transaction and comes back wrapped. fn may run more than once,
// each time on a fresh ticket.
func (s *Store) Change(ctx context.Context, id desk.TicketID, ifVersion int64, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, error) {
	var out *desk.Ticket
	err := s.write(ctx, func(tx *gorm.DB) (err error) {
		j, err := s.lockTicket(tx, id)
		if err != nil {
			return err
		}
		if ifVersion != 0 && ifVersion != j.t.Version {
			return fmt.Errorf("version is %d: %w", j.t.Version, desk.ErrConflict)
		}
		out, err = j.change(tx, fn)
		return err
	})
	if err != nil {
		return nil, failed("change", err)
	}
	return out, nil
}

// lockTicket locks a ticket that is not deleted.
func (s *Store) lockTicket(tx *gorm.DB, id desk.TicketID) (*joined, error) {
	j := &joined{}
	if err := s.forUpdate(tx).Where("id = ? AND deleted_at IS NULL", string(id)).Take(&j.row).Error; err != nil {
		return nil, notFound("ticket", err)
	}
	err := s.describe(tx, &j.row)
	if err != nil {
		return nil, err
	}
	j.t, err = j.row.desk()
	return j, err
}

// change runs fn on a locked ticket and saves what it did.
func (j *joined) change(tx *gorm.DB, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, error) {
	t := cloneTicket(j.t)
	events, err := fn(t)
	if err != nil {
		return nil, err
	}
	// What identifies the ticket is not fn's to change.
	t.ID, t.Number, t.CreatedAt, t.Version = j.t.ID, j.t.Number, j.t.CreatedAt, j.t.Version
	before, err := j.save()
	if err != nil {
		return nil, err
	}
	j.t = t
	row, err := j.save()
	if err != nil {
		return nil, err
	}
	if len(events) == 0 && reflect.DeepEqual(before, row) {
		return t, nil
	}
	t.Version++
	row.Version = t.Version
	if err := rewriteTickets(tx, []ticketRow{row}); err != nil {
		return nil, err
	}
	noteBreaches(tx, events)
	rows, err := appendEvents(nil, events)
	if err != nil {
		return nil, err
	}
	if err := insertEvents(tx, rows); err != nil {
		return nil, err
	}
	return row.desk()
}

// Events returns a ticket's history from behind event number afterSeq, in
// order.
func (s *Store) Events(ctx context.Context, id desk.TicketID, afterSeq, limit int) ([]desk.Event, error) {
	var rows []eventRow
	err := s.read(ctx).Where("ticket_id = ? AND seq > ?", string(id), afterSeq).Order("seq").Limit(desk.Page(limit)).Find(&rows).Error
	if err != nil {
		return nil, failed("events", err)
	}
	out := make([]desk.Event, len(rows))
	for i := range rows {
		if out[i], err = rows[i].desk(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
