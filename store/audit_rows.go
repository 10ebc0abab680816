package store

import (
	"math"

	"gorm.io/gorm"
)

// The walks of the smaller tables: what they refer to must be there.

// events walks the events by ticket and number: they have no other key.
func (a *auditor) events() error {
	q := a.madeSince(a.tx.Model(&eventRow{}).Distinct("ticket_id"), "at")
	return pages(a, q, "ticket_id", "", func(e *eventRow) string { return e.TicketID }, func(rows []eventRow) error {
		return refers(a, "event.ticket", rows, func(e *eventRow) string { return e.TicketID }, func(e *eventRow) string { return e.TicketID })
	})
}

// madeSince leaves out rows of a table that is not keyed by time.
func (a *auditor) madeSince(q *gorm.DB, column string) *gorm.DB {
	if !a.o.Since.IsZero() {
		q = q.Where(column+" >= ?", micro(a.o.Since))
	}
	return q
}

func (a *auditor) threads() error {
	next := func(t *threadRow) pair { return pair{t.Scope, t.Key} }
	return pairPages(a, a.madeSince(a.tx, "created_at"), "scope", "key", next, func(rows []threadRow) error {
		return refers(a, "thread.ticket", rows, func(t *threadRow) string { return t.Scope + " " + t.Key }, func(t *threadRow) string { return t.TicketID })
	})
}

func (a *auditor) groups() error {
	next := func(g *groupRow) pair { return pair{g.Scope, g.Key} }
	return pairPages(a, a.madeSince(a.tx, "at"), "scope", "key", next, func(rows []groupRow) error {
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
	next := func(l *linkRow) pair { return pair{l.FromID, l.ToID} }
	q := a.madeSince(a.tx.Distinct("from_id", "to_id"), "created_at")
	return pairPages(a, q, "from_id", "to_id", next, func(rows []linkRow) error {
		c.Looked += int64(len(rows))
		ends := append(valuesOf(rows, func(l *linkRow) string { return l.FromID }), valuesOf(rows, func(l *linkRow) string { return l.ToID })...)
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

func (a *auditor) revisions() error {
	c := a.check("revision.message", 0)
	q := a.tx.Model(&revisionRow{}).Distinct("message_id")
	return pages(a, q, "message_id", a.since, func(r *revisionRow) string { return r.MessageID }, func(rows []revisionRow) error {
		c.Looked += int64(len(rows))
		messages, err := byID(a, valuesOf(rows, func(r *revisionRow) string { return r.MessageID }), messageID, "id")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if messages[r.MessageID] == nil {
				c.bad(r.MessageID, "revisions of a message that is not there")
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

// cursors checks what a cursor can be (RFC 9051 section 2.3.1.1). A receipt does
// not know its UID, so the two cannot be compared.
func (a *auditor) cursors() error {
	next := func(r *cursorRow) pair { return pair{r.Source, r.Folder} }
	return pairPages(a, a.tx, "source", "folder", next, func(rows []cursorRow) error {
		c := a.check("cursor.sane", len(rows))
		for _, r := range rows {
			if r.UIDValidity < 1 || r.UIDValidity > math.MaxUint32 || r.LastUID < 0 || r.LastUID > math.MaxUint32 {
				c.bad(r.Source+" "+r.Folder, "read up to UID %d of UIDVALIDITY %d", r.LastUID, r.UIDValidity)
			}
		}
		return nil
	})
}
