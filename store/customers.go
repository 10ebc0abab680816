package store

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// ownersOf returns whose the handles are, by uid, and the records of all of them.
func (s *Store) ownersOf(db *gorm.DB, handles []pair) (map[pair]string, []customerRow, error) {
	l, err := layoutOf[customerRow](db.NamingStrategy)
	if err != nil {
		return nil, nil, err
	}
	columns := l.text("owners", func() string {
		var names []string
		for _, c := range l.columns {
			names = append(names, `customers."`+c.name+`"`)
		}
		return strings.Join(names, ", ")
	})
	identities := s.found("identities", "kind", "handle", "customer_id", handles)
	rows, err := db.Raw("SELECT k.a, k.b, "+columns+" FROM "+identities.SQL+" JOIN customers ON customers.id = at.customer_id", identities.Vars...).Rows()
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	owners, customers := make(map[pair]string, len(handles)), make([]customerRow, 0, len(handles))
	var k pair
	var row customerRow
	fields := append([]any{&k.a, &k.b}, l.fields(reflect.ValueOf(&row).Elem(), "")...)
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return nil, nil, err
		}
		owners[k], customers = row.ID, append(customers, row)
	}
	return owners, customers, rows.Err()
}

// requesters returns customers with their companies, by the uids they were asked
// for: a uid whose record was merged names the record it was merged into.
func (s *Store) requesters(db *gorm.DB, ids []string) (map[desk.CustomerID]*desk.Requester, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	customers, err := find[customerRow](db, "", s.in("id", ids), "")
	if err != nil {
		return nil, err
	}
	return s.requestersOf(db, customers)
}

// requestersOf is [Store.requesters] of records that were read.
func (s *Store) requestersOf(db *gorm.DB, customers []customerRow) (map[desk.CustomerID]*desk.Requester, error) {
	out := make(map[desk.CustomerID]*desk.Requester, len(customers))
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
		rows, err := find[accountRow](db, "", s.in("id", wanted), "")
		if err != nil {
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
		out[c.ID] = &desk.Requester{Customer: c, Account: accounts[customers[i].AccountID], Found: true}
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
	out := make(map[desk.CustomerID]desk.Requester, len(found))
	for id, r := range found {
		if r != nil {
			out[id] = *r
		}
	}
	return out, nil
}

// Customer returns a customer with their company, or desk.ErrNotFound.
func (s *Store) Customer(ctx context.Context, id desk.CustomerID) (desk.Requester, error) {
	found, err := s.Customers(ctx, []desk.CustomerID{id})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("store: customer: %w", desk.ErrNotFound)
	}
	return found[id], err
}

// uids are all uids a customer has: the record's own, first, and those of the
// records that were merged into it.
func (s *Store) uids(db *gorm.DB, id desk.CustomerID) ([]string, error) {
	var own []customerRow
	if err := db.Select("id", "merged_into").Where("id = ?", string(id)).Find(&own).Error; err != nil {
		return nil, err
	}
	uid := string(id)
	if len(own) > 0 && own[0].MergedInto != "" {
		uid = own[0].MergedInto
	}
	var merged []string
	err := db.Model(&customerRow{}).Where("merged_into = ?", uid).Where("merged_into <> ''").Order("id").Pluck("id", &merged).Error
	return append([]string{uid}, merged...), err
}

// CustomerNamed returns a customer by uid or external ID, with their company and
// handles, or desk.ErrNotFound. The names of a record that was merged name the
// one it was merged into.
func (s *Store) CustomerNamed(ctx context.Context, uidOrExternalID string) (desk.Requester, []desk.Identity, error) {
	v, err := s.View(ctx, nil)
	if err != nil {
		return desk.Requester{}, nil, err
	}
	r, err := v.CustomerByID(ctx, uidOrExternalID)
	if err == nil && !r.Found {
		err = fmt.Errorf("store: customer: %w", desk.ErrNotFound)
	}
	if err != nil {
		return desk.Requester{}, nil, err
	}
	handles, err := s.Identities(ctx, r.Customer.ID)
	return r, handles, err
}

// Identities returns the handles of a customer, by kind and handle. The uid of a
// record that was merged names the one it was merged into.
func (s *Store) Identities(ctx context.Context, id desk.CustomerID) ([]desk.Identity, error) {
	uids, err := s.uids(s.read(ctx), id)
	if err != nil {
		return nil, failed("identities", err)
	}
	var rows []identityRow
	if err := s.read(ctx).Where(s.in("customer_id", uids)).Order("kind, handle").Find(&rows).Error; err != nil {
		return nil, failed("identities", err)
	}
	out := make([]desk.Identity, len(rows))
	for i, r := range rows {
		out[i] = desk.Identity{Kind: r.Kind, Handle: r.Handle, CustomerID: desk.CustomerID(r.CustomerID), Verified: r.Verified}
	}
	return out, nil
}

// ChangeCustomer locks a customer's record, lets fn change it and saves it. fn
// may run more than once. An external ID that another customer has, or that was
// merged into another, is desk.ErrConflict; an empty one takes it away.
func (s *Store) ChangeCustomer(ctx context.Context, id desk.CustomerID, fn func(*desk.Customer) error) (desk.Requester, error) {
	err := s.write(ctx, func(tx *gorm.DB) error {
		row, err := s.lockCustomer(tx, id)
		if err != nil {
			return err
		}
		c, err := row.desk()
		if err != nil {
			return err
		}
		if err := fn(&c); err != nil {
			return err
		}
		c.ID, c.CreatedAt = desk.CustomerID(row.ID), row.CreatedAt
		return s.writeCustomer(tx, &c)
	})
	if err != nil {
		return desk.Requester{}, failed("change customer", err)
	}
	return s.Customer(ctx, id)
}

// lockCustomer locks the record of a uid, the one it was merged into when it
// was.
func (s *Store) lockCustomer(tx *gorm.DB, id desk.CustomerID) (*customerRow, error) {
	for {
		var rows []customerRow
		if err := s.forUpdate(tx).Where("id = ?", string(id)).Find(&rows).Error; err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, desk.ErrNotFound
		}
		if rows[0].MergedInto == "" {
			return &rows[0], nil
		}
		id = desk.CustomerID(rows[0].MergedInto)
	}
}

// writeCustomer writes a locked record as it is, its external ID too.
func (s *Store) writeCustomer(tx *gorm.DB, c *desk.Customer) error {
	row, err := newCustomerRow(c)
	if err != nil {
		return err
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
	return tx.Model(&customerRow{}).Where("id = ?", row.ID).Select("external_id", "name", "email", "phone", "account_id", "service_level",
		"vip", "language", "time_zone", "preferences", "updated_at").Updates(&row).Error
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
