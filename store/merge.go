package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
		// Tickets that came in before the lock was ours: look again.
		var n int64
		if err := tx.Model(&ticketRow{}).Where(s.in("customer_id", uids)).Count(&n).Error; err != nil {
			return err
		}
		if n != int64(len(tickets)) {
			return errAgain
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

// lockTicketsOf locks all tickets of customers, deleted ones too.
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
		t.UpdatedAt = at
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
	if _, err := insert(tx, rows, ticketSaved); err != nil {
		return err
	}
	return insertEvents(tx, events)
}

// SplitCustomer undoes a merge that was none: handles of a customer go to a new
// record, and with them the tickets that were opened by them. Handles that are
// not the customer's are refused (*desk.Invalid for "identities"), and so is
// taking all of them from a record without an external ID: nothing would lead to
// it any more. It returns the new customer.
func (s *Store) SplitCustomer(ctx context.Context, id desk.CustomerID, handles []desk.Identity, by desk.Actor, at time.Time) (desk.Requester, error) {
	fresh := desk.NewID[desk.CustomerID](at)
	wanted := map[pair]bool{}
	for _, h := range handles {
		wanted[pair{h.Kind, key(desk.Handle(h.Kind, h.Handle))}] = true
	}
	err := s.write(ctx, func(tx *gorm.DB) error {
		uids, err := s.uids(tx, id)
		if err != nil {
			return err
		}
		tickets, err := s.lockTicketsOf(tx, uids)
		if err != nil {
			return err
		}
		old, err := s.lockCustomer(tx, id)
		if err != nil {
			return err
		}
		moves, stays, err := s.partHandles(tx, old, wanted)
		if err != nil {
			return err
		}
		opened, names, err := s.openedBy(tx, tickets, wanted)
		if err != nil {
			return err
		}
		if err := s.partRecord(tx, old, fresh, moves, stays, names, at); err != nil {
			return err
		}
		for _, m := range moves {
			err := tx.Model(&identityRow{}).Where("kind = ? AND handle = ?", m.Kind, m.Handle).Update("customer_id", string(fresh)).Error
			if err != nil {
				return err
			}
		}
		return s.moveTickets(tx, opened, fresh, by, at, "split")
	})
	if err != nil {
		return desk.Requester{}, failed("split customer", err)
	}
	return s.Customer(ctx, fresh)
}

// partHandles says which handles of a record go and which stay.
func (s *Store) partHandles(tx *gorm.DB, old *customerRow, wanted map[pair]bool) (moves, stays []identityRow, err error) {
	var rows []identityRow
	if err := s.forUpdate(tx).Where("customer_id = ?", old.ID).Order("kind, handle").Find(&rows).Error; err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		if wanted[pair{r.Kind, r.Handle}] {
			moves = append(moves, r)
		} else {
			stays = append(stays, r)
		}
	}
	switch {
	case len(wanted) == 0:
		return nil, nil, desk.Invalidf("identities", "is required")
	case len(moves) != len(wanted):
		return nil, nil, desk.Invalidf("identities", "names a handle that is not this customer's")
	case len(stays) == 0 && old.ExternalID == nil:
		return nil, nil, desk.Invalidf("identities", "are all this customer has; nothing would lead to the record any more")
	}
	return moves, stays, nil
}

// openedBy returns those of the tickets whose first message of a customer came
// from one of the handles, and the names those messages gave.
func (s *Store) openedBy(tx *gorm.DB, tickets []*joined, wanted map[pair]bool) (opened []*joined, names []string, err error) {
	ids := make([]string, len(tickets))
	for i, j := range tickets {
		ids[i] = j.row.ID
	}
	var rows []messageRow
	err = tx.Select("id", "ticket_id", "channel", "sender").Where(s.in("ticket_id", ids)).Where("direction = ?", string(desk.Inbound)).
		Order("id").Find(&rows).Error
	if err != nil {
		return nil, nil, err
	}
	first := map[string]desk.Party{}
	channel := map[string]string{}
	for i := range rows {
		if _, ok := channel[rows[i].TicketID]; ok {
			continue
		}
		var u unpacker
		var from desk.Party
		u.unpack(rows[i].Sender, &from)
		if u.err != nil {
			return nil, nil, u.err
		}
		first[rows[i].TicketID], channel[rows[i].TicketID] = from, rows[i].Channel
	}
	for _, j := range tickets {
		from, kind := first[j.row.ID], desk.IdentityKind(desk.Channel(channel[j.row.ID]))
		if h := desk.Handle(kind, from.Handle); h != "" && wanted[pair{kind, key(h)}] {
			opened = append(opened, j)
			names = append(names, from.Name)
		}
	}
	return opened, names, nil
}

// partRecord makes the new record and takes from the old one the mail address
// that is no longer theirs.
func (s *Store) partRecord(tx *gorm.DB, old *customerRow, fresh desk.CustomerID, moves, stays []identityRow, names []string, at time.Time) error {
	email := func(rows []identityRow) string {
		i := slices.IndexFunc(rows, func(r identityRow) bool { return r.Kind == "email" })
		if i < 0 {
			return ""
		}
		return rows[i].Handle
	}
	c := desk.Customer{ID: fresh, Name: cmp.Or(names...), Email: email(moves), CreatedAt: at, UpdatedAt: at}
	if d := desk.Domain(c.Email); d != "" {
		var accounts []accountRow
		if err := tx.Where("domain = ?", key(d)).Find(&accounts).Error; err != nil {
			return err
		}
		if len(accounts) > 0 {
			c.AccountID = desk.AccountID(accounts[0].ID)
		}
	}
	row, err := newCustomerRow(&c)
	if err != nil {
		return err
	}
	set := map[string]any{"updated_at": micro(at)}
	if slices.ContainsFunc(moves, func(r identityRow) bool { return r.Kind == "email" && r.Handle == desk.Handle("email", old.Email) }) {
		set["email"] = email(stays)
	}
	if err := tx.Model(&customerRow{}).Where("id = ?", old.ID).Updates(set).Error; err != nil {
		return err
	}
	return insertNew(tx, []customerRow{row})
}
