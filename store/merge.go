package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// MergeCustomers makes two records of one person one: the handles and tickets of
// from become into's, and into takes over what its record lacks. The uid and
// external ID of from go on to name into. Every ticket that moved says so in its
// history. Merging what is merged already changes nothing; a record cannot be
// merged into itself (*desk.Invalid for "customerId").
func (s *Store) MergeCustomers(ctx context.Context, into, from desk.CustomerID, by desk.Actor, at time.Time) (desk.Requester, error) {
	if into == from {
		return desk.Requester{}, desk.Invalidf("customerId", "is this very customer")
	}
	err := s.write(ctx, func(tx *gorm.DB) error {
		uids, err := s.uids(tx, from)
		if err != nil {
			return err
		}
		tickets, err := s.lockTicketsOf(tx, uids) // before the customers: the order of locks
		if err != nil {
			return err
		}
		kept, gone, err := s.lockPeople(tx, into, from)
		if err != nil || gone == nil {
			return err
		}
		if err := s.noneCame(tx, uids, len(tickets)); err != nil {
			return err
		}
		if err := s.takeOver(tx, kept, gone, at); err != nil {
			return err
		}
		return s.moveTickets(tx, tickets, desk.CustomerID(kept.ID), by, at, "merged")
	})
	if err != nil {
		return desk.Requester{}, failed("merge customers", err)
	}
	return s.Customer(ctx, into)
}

// lockPeople locks two records in the order of their uids, following records
// that were merged. gone is nil when the two are one already.
func (s *Store) lockPeople(tx *gorm.DB, into, from desk.CustomerID) (kept, gone *customerRow, err error) {
	ids := []string{string(into), string(from)}
	var rows []customerRow
	if err := s.forUpdate(tx).Where(s.in("id", ids)).Order("id").Find(&rows).Error; err != nil {
		return nil, nil, err
	}
	find := func(id desk.CustomerID) (*customerRow, error) {
		for i := range rows {
			if rows[i].ID == string(id) && rows[i].MergedInto != "" {
				return s.lockCustomer(tx, desk.CustomerID(rows[i].MergedInto))
			}
			if rows[i].ID == string(id) {
				return &rows[i], nil
			}
		}
		return nil, desk.ErrNotFound
	}
	if kept, err = find(into); err != nil {
		return nil, nil, err
	}
	if gone, err = find(from); err != nil {
		return nil, nil, fmt.Errorf("customer to merge: %w", err)
	}
	if kept.ID == gone.ID {
		return kept, nil, nil
	}
	return kept, gone, nil
}

// takeOver moves the record and handles of gone to kept.
func (s *Store) takeOver(tx *gorm.DB, kept, gone *customerRow, at time.Time) error {
	a, err := kept.desk()
	if err != nil {
		return err
	}
	b, err := gone.desk()
	if err != nil {
		return err
	}
	a.Fill(b)
	a.UpdatedAt = at
	set := map[string]any{"merged_into": kept.ID, "updated_at": micro(at)}
	if a.ExternalID == "" && b.ExternalID != "" {
		a.ExternalID, set["external_id"] = b.ExternalID, nil
	}
	if err := tx.Model(&customerRow{}).Where("id = ?", gone.ID).Updates(set).Error; err != nil {
		return err
	}
	err = tx.Model(&customerRow{}).Where("merged_into = ?", gone.ID).Where("merged_into <> ''").Update("merged_into", kept.ID).Error
	if err != nil {
		return err
	}
	if err := s.writeCustomer(tx, &a); err != nil {
		return err
	}
	return tx.Model(&identityRow{}).Where("customer_id = ?", gone.ID).Update("customer_id", kept.ID).Error
}

// lockTicketsOf locks all tickets of customers, deleted ones too. The words their
// messages have are not fetched.
func (s *Store) lockTicketsOf(tx *gorm.DB, uids []string) ([]*joined, error) {
	var rows []ticketRow
	if err := s.forUpdate(tx).Where(s.in("customer_id", uids)).Order("id").Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]*joined, len(rows))
	for i := range rows {
		t, err := rows[i].desk()
		if err != nil {
			return nil, err
		}
		out[i] = &joined{row: rows[i], t: t}
	}
	return out, nil
}

// noneCame is errAgain when customers have other tickets than the n that were
// locked: some came in before the lock on the customers was ours.
func (s *Store) noneCame(tx *gorm.DB, uids []string, n int) error {
	var now int64
	err := tx.Model(&ticketRow{}).Where(s.in("customer_id", uids)).Count(&now).Error
	if err == nil && now != int64(n) {
		err = errAgain
	}
	return err
}

// moveTickets gives locked tickets to another customer, with an event on each.
func (s *Store) moveTickets(tx *gorm.DB, tickets []*joined, to desk.CustomerID, by desk.Actor, at time.Time, why string) error {
	var rows []ticketRow
	var events []eventRow
	for _, j := range tickets {
		t := cloneTicket(j.t)
		from := t.CustomerID
		t.CustomerID = to
		t.EventCount++
		t.Version++
		t.Touch(at)
		e, err := newEventRow(&desk.Event{ID: desk.NewID[desk.EventID](at), TicketID: t.ID, Seq: t.EventCount, Kind: desk.EventCustomer,
			Actor: by, At: at, Data: map[string]any{"from": from, "to": to, "why": why}})
		if err != nil {
			return err
		}
		j.t = t
		row, err := j.save()
		if err != nil {
			return err
		}
		rows, events = append(rows, row), append(events, e)
	}
	if err := rewriteTickets(tx, rows); err != nil {
		return err
	}
	return insertEvents(tx, events)
}
