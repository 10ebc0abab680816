package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// SplitCustomer undoes a merge that was none: handles of a customer go to a new
// record, and with them the tickets that were opened by them, and the names of
// records that were merged into this one and have their mail address: uid and
// external ID name the new record from now on. Handles that are
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
		if old.ID != uids[0] { // it was merged meanwhile
			return errAgain
		}
		if err := s.noneCame(tx, uids, len(tickets)); err != nil {
			return err
		}
		moves, stays, err := s.partHandles(tx, old, uids, wanted)
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
		for _, to := range []struct {
			uid  string
			rows []identityRow
		}{{string(fresh), moves}, {old.ID, stays}} {
			for _, r := range to.rows {
				if r.CustomerID == to.uid {
					continue
				}
				err := tx.Model(&identityRow{}).Where("kind = ? AND handle = ?", r.Kind, r.Handle).Update("customer_id", to.uid).Error
				if err != nil {
					return err
				}
			}
		}
		return s.moveTickets(tx, opened, fresh, by, at, "split")
	})
	if err != nil {
		return desk.Requester{}, failed("split customer", err)
	}
	return s.Customer(ctx, fresh)
}

// partHandles says which handles of a record go and which stay. One that came in
// while records were merged may still name the one that was.
func (s *Store) partHandles(tx *gorm.DB, old *customerRow, uids []string, wanted map[pair]bool) (moves, stays []identityRow, err error) {
	var rows []identityRow
	if err := s.forUpdate(tx).Where(s.in("customer_id", uids)).Order("kind, handle").Find(&rows).Error; err != nil {
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
		u.party(rows[i].Sender, &from)
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
	if row.ExternalID, err = s.partNames(tx, old, fresh, moves, at); err != nil {
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

// partNames lets records that were merged into the old one name the new one, when
// their mail address goes there, and returns the external ID that the new one takes
// from them.
func (s *Store) partNames(tx *gorm.DB, old *customerRow, fresh desk.CustomerID, moves []identityRow, at time.Time) (external *string, err error) {
	var rows []customerRow
	err = s.forUpdate(tx).Select("id", "external_id", "email").Where("merged_into = ?", old.ID).Where("merged_into <> ''").Order("id").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	for _, m := range rows {
		email := key(desk.Handle("email", m.Email))
		if email == "" || !slices.ContainsFunc(moves, func(r identityRow) bool { return r.Kind == "email" && r.Handle == email }) {
			continue
		}
		set := map[string]any{"merged_into": string(fresh), "updated_at": micro(at)}
		if external == nil && m.ExternalID != nil {
			external, set["external_id"] = m.ExternalID, nil
		}
		if err := tx.Model(&customerRow{}).Where("id = ?", m.ID).Updates(set).Error; err != nil {
			return nil, err
		}
	}
	return external, nil
}
