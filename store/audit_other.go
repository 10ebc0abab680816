package store

import "switchboard/pipeline/desk"

// The walks of the tables that are about the house and not about a ticket.

// contacts walks whom a source can write to first. They are keyed by what the
// vendor calls them, not by customers of ours: merging those moves none. When one was
// heard of is said by the vendor's clock, which may be ahead of ours by the grace.
func (a *auditor) contacts() error {
	var after contactRow
	for {
		var rows []contactRow
		err := a.tx.Where("(source, kind, handle) > (?, ?, ?)", after.Source, after.Kind, after.Handle).
			Order("source, kind, handle").Limit(a.o.Batch).Find(&rows).Error
		if err != nil {
			return err
		}
		c := a.check("contact.sane", len(rows))
		for _, r := range rows {
			kind := desk.ContactKind(r.Kind)
			if r.Source == "" || r.Handle == "" || r.Address == "" || kind != desk.Person && kind != desk.Place || r.At.After(a.o.Now.Add(max(a.o.Skew, a.o.Grace))) {
				c.bad(r.Source+" "+r.Kind+" "+r.Handle, "heard of at %s, with %d bytes of address", stamp(r.At), len(r.Address))
			}
		}
		if len(rows) < a.o.Batch {
			return nil
		}
		after = rows[len(rows)-1]
	}
}

// canaries walks the sources' canaries, and the receipts that wait to be removed.
func (a *auditor) canaries() error {
	var sources []canaryRow
	if err := a.tx.Order("source").Find(&sources).Error; err != nil { // a row for each source
		return err
	}
	c := a.check("canary.times", len(sources))
	for _, r := range sources {
		switch {
		case (r.HeardAt == nil) != (r.SettledAt == nil):
			c.bad(r.Source, "made at %s, settled at %s", stampp(r.HeardAt), stampp(r.SettledAt))
		case r.HeardAt != nil && r.SettledAt.Before(r.HeardAt.Add(-a.o.Skew)):
			c.bad(r.Source, "settled at %s, before it was made at %s", stampp(r.SettledAt), stampp(r.HeardAt))
		}
	}
	next := func(r *canaryReceiptRow) string { return r.ID }
	return pages(a, a.tx, "id", a.since, next, func(rows []canaryReceiptRow) error {
		c := a.check("canary.receipt", len(rows))
		receipts, err := byID(a, valuesOf(rows, next), receiptID, "id", "state", "reason")
		if err != nil {
			return err
		}
		for _, r := range rows {
			switch got := receipts[r.ID]; {
			case got == nil && !a.gone(retiredLedger, r.ID):
				c.bad(r.ID, "is not in the ledger")
			case got != nil && (got.State != string(desk.Dropped) || got.Reason != desk.CanaryReason):
				c.bad(r.ID, "%s: %s", got.State, got.Reason)
			}
		}
		return nil
	})
}
