package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// requesters returns customers with their companies, by uid.
func (s *Store) requesters(db *gorm.DB, ids []string) (map[desk.CustomerID]desk.Requester, error) {
	out := make(map[desk.CustomerID]desk.Requester, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var customers []customerRow
	if err := db.Where(s.in("id", ids)).Find(&customers).Error; err != nil {
		return nil, err
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
	return out, nil
}

// Customers returns customers with their companies, by uid; unknown ones are
// left out.
func (s *Store) Customers(ctx context.Context, ids []desk.CustomerID) (map[desk.CustomerID]desk.Requester, error) {
	found, err := s.requesters(s.read(ctx), texts(ids))
	if err != nil {
		return nil, fmt.Errorf("store: customers: %w", err)
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
