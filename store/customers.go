package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// requesters returns customers with their companies, by the uids they were asked
// for: a uid whose record was merged names the record it was merged into.
func (s *Store) requesters(db *gorm.DB, ids []string) (map[desk.CustomerID]desk.Requester, error) {
	out := make(map[desk.CustomerID]desk.Requester, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var customers []customerRow
	if err := db.Where(s.in("id", ids)).Find(&customers).Error; err != nil {
		return nil, err
	}
	into := map[string]string{} // by the uid of a merged record
	for _, c := range customers {
		if c.MergedInto != "" {
			into[c.ID] = c.MergedInto
		}
	}
	if len(into) > 0 {
		var rows []customerRow
		if err := db.Where(s.in("id", slices.Collect(maps.Values(into)))).Find(&rows).Error; err != nil {
			return nil, err
		}
		customers = append(slices.DeleteFunc(customers, func(c customerRow) bool { return c.MergedInto != "" }), rows...)
	}
	var wanted []string
	for _, c := range customers {
		if c.AccountID != "" {
			wanted = append(wanted, c.AccountID)
		}
	}
	accounts := map[string]desk.Account{}
	if len(wanted) > 0 {
		var rows []accountRow
		if err := db.Where(s.in("id", wanted)).Find(&rows).Error; err != nil {
			return nil, err
		}
		for i := range rows {
			accounts[rows[i].ID] = rows[i].desk()
		}
	}
	for i := range customers {
		c, err := customers[i].desk()
		if err != nil {
			return nil, err
		}
		out[c.ID] = desk.Requester{Customer: c, Account: accounts[customers[i].AccountID], Found: true}
	}
	for old, id := range into {
		out[desk.CustomerID(old)] = out[desk.CustomerID(id)]
	}
	return out, nil
}

// Customers returns customers with their companies, by uid; unknown ones are
// left out.
func (s *Store) Customers(ctx context.Context, ids []desk.CustomerID) (map[desk.CustomerID]desk.Requester, error) {
	found, err := s.requesters(s.read(ctx), texts(ids))
	if err != nil {
		return nil, failed("customers", err)
	}
	return found, nil
}

// Customer returns a customer with their company, or desk.ErrNotFound.
func (s *Store) Customer(ctx context.Context, id desk.CustomerID) (desk.Requester, error) {
	found, err := s.Customers(ctx, []desk.CustomerID{id})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("store: customer: %w", desk.ErrNotFound)
	}
	return found[id], err
}

// SaveCustomer writes back a customer's record, or returns desk.ErrNotFound. An
// external ID that another customer has is desk.ErrConflict; an empty one leaves
// the one there is.
func (s *Store) SaveCustomer(ctx context.Context, c desk.Customer) error {
	row, err := newCustomerRow(&c)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(tx *gorm.DB) error {
		var old []customerRow
		if err := s.forUpdate(tx).Select("id").Where("id = ?", row.ID).Find(&old).Error; err != nil {
			return err
		}
		if len(old) == 0 {
			return desk.ErrNotFound
		}
		if row.ExternalID != nil {
			var n int64
			err := tx.Model(&customerRow{}).Where("external_id = ? AND id <> ?", row.ExternalID, row.ID).Count(&n).Error
			if err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("external ID is taken: %w", desk.ErrConflict)
			}
		}
		_, err := insert(tx, []customerRow{row}, customerSaved)
		return err
	})
	return failed("save customer", err)
}

// EnsureCustomer returns the customer with c's external ID or, failing that,
// with one of the handles; it makes c, with its handles, when there is none.
// Handles nobody has become the customer's.
func (s *Store) EnsureCustomer(ctx context.Context, c desk.Customer, handles []desk.Identity) (desk.Requester, error) {
	var id desk.CustomerID
	err := s.write(ctx, func(tx *gorm.DB) error {
		e := &entry{f: desk.Filing{Verdict: desk.Filed, Customer: &c, NewCustomer: true, Identities: handles}}
		g := &group{s: s, tx: tx, entries: []*entry{e}}
		if err := g.lookUpPeople(); err != nil {
			return err
		}
		who := g.people.resolve(e)
		g.people.commit(e, who)
		id = who.customer
		return g.writePeople()
	})
	if err != nil {
		return desk.Requester{}, failed("ensure customer", err)
	}
	return s.Customer(ctx, id)
}
