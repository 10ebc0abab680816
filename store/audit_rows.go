package store

import (
	"math"
	"slices"
	"time"
)

// The walks of the smaller tables: what they refer to must be there.

// events walks the events by ticket and number: they have no other key.
func (a *auditor) events() error {
	of := func(s *span[int]) string { return s.Key }
	return spans(a, spanned{"events", "ticket_id", "seq", "at"}, "", math.MinInt32, "", func(rows []span[int]) error {
		if !a.o.Since.IsZero() {
			rows = slices.DeleteFunc(rows, func(s span[int]) bool { return s.Young == 0 })
		}
		return refers(a, "event.ticket", rows, of, of)
	})
}

// madeSince leaves out rows of a table that is not keyed by time. The database is
// not asked to: it would read such a table to its end for a page of young rows.
func madeSince[T any](a *auditor, rows []T, made func(*T) time.Time) []T {
	return slices.DeleteFunc(rows, func(r T) bool { return made(&r).Before(micro(a.o.Since)) })
}

func (a *auditor) threads() error {
	next := func(t *threadRow) pair { return pair{t.Scope, t.Key} }
	return pairPages(a, a.tx, "scope", "key", next, func(rows []threadRow) error {
		rows = madeSince(a, rows, func(t *threadRow) time.Time { return t.CreatedAt })
		return refers(a, "thread.ticket", rows, func(t *threadRow) string { return t.Scope + " " + t.Key }, func(t *threadRow) string { return t.TicketID })
	})
}

func (a *auditor) groups() error {
	next := func(g *groupRow) pair { return pair{g.Scope, g.Key} }
	return pairPages(a, a.tx, "scope", "key", next, func(rows []groupRow) error {
		rows = madeSince(a, rows, func(g *groupRow) time.Time { return g.At })
		return refers(a, "group.ticket", rows, func(g *groupRow) string { return g.Scope + " " + g.Key }, func(g *groupRow) string { return g.TicketID })
	})
}

// refers checks that every row names a ticket that is there.
func refers[T any](a *auditor, check string, rows []T, id, ticket func(*T) string) error {
	c := a.check(check, len(rows))
	tickets, err := a.ticketsOf(valuesOf(rows, ticket))
	if err != nil {
		return err
	}
	for i := range rows {
		if t := ticket(&rows[i]); tickets[t] == nil {
			c.bad(id(&rows[i]), "ticket %q is not there", t)
		}
	}
	return nil
}

// links walks the links. One ticket has few, so that a page by both ends cuts
// none off: the types of a pair are read together.
func (a *auditor) links() error {
	c := a.check("link.tickets", 0)
	type tied struct {
		FromID, ToID string
		Young        int
	}
	next := func(l *tied) pair { return pair{l.FromID, l.ToID} }
	q := a.tx.Model(&linkRow{}).Select("from_id, to_id, sum(CASE WHEN created_at >= ? THEN 1 ELSE 0 END) AS young", micro(a.o.Since)).Group("from_id, to_id")
	return pairPages(a, q, "from_id", "to_id", next, func(rows []tied) error {
		rows = slices.DeleteFunc(rows, func(l tied) bool { return l.Young == 0 })
		c.Looked += int64(len(rows))
		ends := append(valuesOf(rows, func(l *tied) string { return l.FromID }), valuesOf(rows, func(l *tied) string { return l.ToID })...)
		tickets, err := a.ticketsOf(ends)
		if err != nil {
			return err
		}
		for _, l := range rows {
			if tickets[l.FromID] == nil || tickets[l.ToID] == nil || l.FromID == l.ToID {
				c.bad(l.FromID, "linked to %q, and one of them is not there or both are one", l.ToID)
			}
		}
		return nil
	})
}

// revisionSpans are the revisions of each message.
var revisionSpans = spanned{table: "revisions", key: "message_id", number: "n"}

func (a *auditor) revisions() error {
	c := a.check("revision.message", 0)
	return spans(a, revisionSpans, a.since, math.MinInt32, "", func(rows []span[int]) error {
		c.Looked += int64(len(rows))
		messages, err := byID(a, valuesOf(rows, func(r *span[int]) string { return r.Key }), messageID, "id")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if messages[r.Key] == nil {
				c.bad(r.Key, "revisions of a message that is not there")
			}
		}
		return nil
	})
}

func (a *auditor) customers() error {
	return pages(a, a.tx.Select("id", "account_id", "merged_into"), "id", a.since, customerID, func(rows []customerRow) error {
		account, merged := a.check("customer.account", 0), a.check("customer.merged", 0)
		accounts, err := byID(a, valuesOf(rows, func(c *customerRow) string { return c.AccountID }), accountID, "id")
		if err != nil {
			return err
		}
		into, err := byID(a, valuesOf(rows, func(c *customerRow) string { return c.MergedInto }), customerID, "id", "merged_into")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.AccountID != "" {
				account.Looked++
				if accounts[r.AccountID] == nil {
					account.bad(r.ID, "of company %q, which is not there", r.AccountID)
				}
			}
			if r.MergedInto != "" {
				merged.Looked++
				if to := into[r.MergedInto]; to == nil || to.MergedInto != "" || to.ID == r.ID {
					merged.bad(r.ID, "merged into %q, which is not there or merged itself", r.MergedInto)
				}
			}
		}
		return nil
	})
}

func (a *auditor) identities() error {
	next := func(r *identityRow) pair { return pair{r.Kind, r.Handle} }
	return pairPages(a, a.tx, "kind", "handle", next, func(rows []identityRow) error {
		c := a.check("identity.customer", len(rows))
		customers, err := byID(a, valuesOf(rows, func(r *identityRow) string { return r.CustomerID }), customerID, "id")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if customers[r.CustomerID] == nil {
				c.bad(r.Kind+" "+r.Handle, "of customer %q, who is not there", r.CustomerID)
			}
		}
		return nil
	})
}

// cursors checks what a cursor can be (RFC 9051 section 2.3.1.1). One of nothing is
// that of a folder that is read again from its beginning. A receipt does not know its
// UID, so the two cannot be compared.
func (a *auditor) cursors() error {
	next := func(r *cursorRow) pair { return pair{r.Source, r.Folder} }
	return pairPages(a, a.tx, "source", "folder", next, func(rows []cursorRow) error {
		c := a.check("cursor.sane", len(rows))
		for _, r := range rows {
			if r.UIDValidity == 0 && r.LastUID == 0 {
				continue
			}
			if r.UIDValidity < 1 || r.UIDValidity > math.MaxUint32 || r.LastUID < 0 || r.LastUID > math.MaxUint32 {
				c.bad(r.Source+" "+r.Folder, "read up to UID %d of UIDVALIDITY %d", r.LastUID, r.UIDValidity)
			}
		}
		return nil
	})
}
