package store

import (
	"gorm.io/gorm"
)

// pages calls fn with the rows of a query, a page at a time, in the order of a
// key that is unique. after is the key the walk begins behind; next is the key of
// a row.
func pages[T any](a *auditor, q *gorm.DB, column, after string, next func(*T) string, fn func([]T) error) error {
	for {
		var rows []T
		err := q.Session(&gorm.Session{}).Where(column+" > ?", after).Order(column).Limit(a.o.Batch).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := fn(rows); err != nil {
			return err
		}
		if len(rows) < a.o.Batch {
			return nil
		}
		after = next(&rows[len(rows)-1])
	}
}

// pairPages is pages for a table whose key has two columns.
func pairPages[T any](a *auditor, q *gorm.DB, colA, colB string, next func(*T) pair, fn func([]T) error) error {
	var after pair
	for {
		var rows []T
		err := q.Session(&gorm.Session{}).Where("("+colA+", "+colB+") > (?, ?)", after.a, after.b).Order(colA + ", " + colB).
			Limit(a.o.Batch).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := fn(rows); err != nil {
			return err
		}
		if len(rows) < a.o.Batch {
			return nil
		}
		after = next(&rows[len(rows)-1])
	}
}

// byID finds the rows of a table with the IDs, by ID. Empty IDs are left out.
func byID[T any](a *auditor, ids []string, id func(*T) string, columns ...string) (map[string]*T, error) {
	out := make(map[string]*T, len(ids))
	ids = named(ids)
	if len(ids) == 0 {
		return out, nil
	}
	var rows []T
	if err := a.tx.Select(columns).Where(a.s.in("id", ids)).Find(&rows).Error; err != nil {
		return nil, err
	}
	for i := range rows {
		out[id(&rows[i])] = &rows[i]
	}
	return out, nil
}

// named leaves out what is empty or was named before.
func named(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// valuesOf collects one value of each row.
func valuesOf[T any](rows []T, value func(*T) string) []string {
	out := make([]string, len(rows))
	for i := range rows {
		out[i] = value(&rows[i])
	}
	return out
}

// The keys of rows.
func receiptID(r *receiptRow) string   { return r.ID }
func messageID(r *messageRow) string   { return r.ID }
func ticketID(r *ticketRow) string     { return r.ID }
func customerID(r *customerRow) string { return r.ID }
func accountID(r *accountRow) string   { return r.ID }

// ticketsOf finds the tickets that rows name.
func (a *auditor) ticketsOf(ids []string) (map[string]*ticketRow, error) {
	return byID(a, ids, ticketID, "id", "merged_into")
}
