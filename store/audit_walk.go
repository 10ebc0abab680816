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
		last := len(rows) < a.o.Batch
		after = next(&rows[len(rows)-1]) // before fn, which may leave rows out
		if err := fn(rows); err != nil || last {
			return err
		}
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
		last := len(rows) < a.o.Batch
		after = next(&rows[len(rows)-1]) // before fn, which may leave rows out
		if err := fn(rows); err != nil || last {
			return err
		}
	}
}

// spanned is a table whose rows are found by two columns, in their order.
type spanned struct {
	table, key, number string
	at                 string // when a row was made; empty: nobody asks
}

// span sums up the rows of one key.
type span[N any] struct {
	Key         string
	Least, Most N
	N, Young    int64 // rows, and those made since the audit looks at rows
}

// spanRows is how many rows are summed up at once, for each row of a page: they
// are narrow.
const spanRows = 20

// spans sums up the rows of a table by key, from one key to another (empty: the
// last), and calls fn with some keys at a time, each of them once. least is below
// all numbers. However many rows a key has, or nobody asks for, one statement reads
// a fixed number of them.
func spans[N any](a *auditor, t spanned, from string, least N, to string, fn func([]span[N]) error) error {
	columns, young, limit := t.key+" AS key, "+t.number+" AS number", "0", a.o.Batch*spanRows
	if t.at != "" && !a.o.Since.IsZero() {
		columns += ", " + t.at + " AS at"
		young = "sum(CASE WHEN at >= ? THEN 1 ELSE 0 END)"
	}
	text := "SELECT key, min(number) AS least, max(number) AS most, count(*) AS n, " + young + " AS young FROM (SELECT " + columns + " FROM " + t.table +
		" WHERE (" + t.key + ", " + t.number + ") > (?, ?)"
	if to != "" {
		text += " AND " + t.key + " <= ?"
	}
	text += " ORDER BY " + t.key + ", " + t.number + " LIMIT ?) AS page GROUP BY key ORDER BY key"
	var left []span[N] // the last key of the page before: it may go on
	for after := least; ; {
		var args []any
		if young != "0" {
			args = append(args, micro(a.o.Since))
		}
		if args = append(args, from, after); to != "" {
			args = append(args, to)
		}
		var page []span[N]
		if err := a.tx.Raw(text, append(args, limit)...).Scan(&page).Error; err != nil {
			return err
		}
		var read int64
		for _, s := range page {
			read += s.N
		}
		if len(page) > 0 {
			last := page[len(page)-1]
			from, after = last.Key, last.Most
		}
		if len(left) > 0 && len(page) > 0 && left[0].Key == page[0].Key {
			page[0].Least = left[0].Least
			page[0].N, page[0].Young = page[0].N+left[0].N, page[0].Young+left[0].Young
		} else {
			page = append(left, page...)
		}
		if read < int64(limit) {
			return fn(page)
		}
		last := len(page) - 1
		left = []span[N]{page[last]}
		if err := fn(page[:last]); err != nil {
			return err
		}
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
