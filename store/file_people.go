package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// people is what a group knows and adds about customers. Two messages may bring
// the same new person at the same moment, in one group or in two: the first
// makes the record, the second uses it.
type people struct {
	byHandle   map[pair]desk.CustomerID            // identities, with those the group adds
	byExternal map[string]desk.CustomerID          // external IDs, likewise
	byDomain   map[string]desk.AccountID           // accounts, likewise
	merged     map[desk.CustomerID]desk.CustomerID // records that are another's by now

	customers  []*desk.Customer // new
	changed    map[string]*desk.Customer
	accounts   []*desk.Account
	identities []identityRow
}

// verdict is whom a filing's customer turns out to be.
type verdict struct {
	was, customer desk.CustomerID
	account       desk.AccountID
	makeCustomer  bool
	makeAccount   bool
}

// handles are the entry's identities in the form the index holds.
func (e *entry) handles() []pair {
	out := make([]pair, len(e.f.Identities))
	for i, id := range e.f.Identities {
		out[i] = pair{id.Kind, key(id.Handle)}
	}
	return out
}

func (g *group) lookUpPeople() error {
	p := &g.people
	*p = people{byHandle: map[pair]desk.CustomerID{}, byExternal: map[string]desk.CustomerID{}, byDomain: map[string]desk.AccountID{},
		merged: map[desk.CustomerID]desk.CustomerID{}, changed: map[string]*desk.Customer{}}
	var handles []pair
	var externals, domains, named []string
	for e := range g.filed {
		if id := e.named(); id != "" {
			named = append(named, string(id))
		}
		handles = append(handles, e.handles()...)
		if c := e.f.Customer; c != nil && c.ExternalID != "" {
			externals = append(externals, key(c.ExternalID))
		}
		if a := e.f.Account; a != nil && a.Domain != "" {
			domains = append(domains, key(a.Domain))
		}
	}
	if len(handles) > 0 {
		rows, err := find[identityRow](g.tx, "", g.s.inPairs("kind", "handle", handles), "")
		if err != nil {
			return err
		}
		for _, r := range rows {
			p.byHandle[pair{r.Kind, r.Handle}] = desk.CustomerID(r.CustomerID)
		}
	}
	if len(externals) > 0 {
		rows, err := find[customerRow](g.tx, "id external_id merged_into", g.s.in("external_id", externals), "")
		if err != nil {
			return err
		}
		for _, r := range rows {
			p.byExternal[orEmpty(r.ExternalID)] = desk.CustomerID(cmp.Or(r.MergedInto, r.ID))
		}
	}
	if len(named) > 0 {
		rows, err := find[customerRow](g.tx, "id merged_into", g.s.in("id", named), "AND merged_into <> ''")
		if err != nil {
			return err
		}
		for _, r := range rows {
			p.merged[desk.CustomerID(r.ID)] = desk.CustomerID(r.MergedInto)
		}
	}
	if len(domains) > 0 {
		rows, err := find[accountRow](g.tx, "id domain", g.s.in("domain", domains), "")
		if err != nil {
			return err
		}
		for _, r := range rows {
			p.byDomain[orEmpty(r.Domain)] = desk.AccountID(r.ID)
		}
	}
	return nil
}

// named is the customer the line found in the books, "" when it found none.
func (e *entry) named() desk.CustomerID {
	switch {
	case e.f.Customer != nil && e.f.NewCustomer:
		return ""
	case e.f.Customer != nil:
		return e.f.Customer.ID
	case e.ticket != nil:
		return e.ticket.CustomerID
	case e.message.Author.Kind == desk.ByCustomer:
		return desk.CustomerID(e.message.Author.ID)
	}
	return ""
}

// resolve says whom the entry's customer turns out to be: for a new one,
// whoever has the external ID, else whoever has one of the handles; for one whose
// record was merged, whoever has it now.
func (p *people) resolve(e *entry) verdict {
	var v verdict
	if id := e.named(); id != "" {
		v.was, v.customer = id, cmp.Or(p.merged[id], id)
	}
	if c := e.f.Customer; c != nil && v.customer == v.was {
		v.was, v.customer, v.account, v.makeCustomer = c.ID, c.ID, c.AccountID, e.f.NewCustomer
		if e.f.NewCustomer {
			if id, ok := p.byExternal[key(c.ExternalID)]; ok && c.ExternalID != "" {
				v.customer, v.makeCustomer = id, false
			} else {
				for _, h := range e.handles() {
					if id, ok := p.byHandle[h]; ok {
						v.customer, v.makeCustomer = id, false
						break
					}
				}
			}
		}
	}
	if a := e.f.Account; a != nil && v.customer == v.was { // who has a record already has their company too
		v.makeAccount = true
		if id, ok := p.byDomain[key(a.Domain)]; ok && a.Domain != "" {
			v.makeAccount = false
			if v.account == a.ID {
				v.account = id
			}
		}
	}
	return v
}

// another reports whether an entry's new customer has an external ID nobody has, and
// was found by a handle: whether the two are one, the line decides.
func (p *people) another(e *entry, v verdict) bool {
	c := e.f.Customer
	if c == nil || !e.f.NewCustomer || c.ExternalID == "" || v.customer == c.ID {
		return false
	}
	_, known := p.byExternal[key(c.ExternalID)]
	return !known
}

// commit adds what a standing entry brings.
func (p *people) commit(e *entry, v verdict) {
	if v.makeAccount {
		a := *e.f.Account
		p.accounts = append(p.accounts, &a)
		if a.Domain != "" {
			p.byDomain[key(a.Domain)] = a.ID
		}
	}
	if f := e.f.Customer; f != nil && v.customer == f.ID {
		c := *f
		c.AccountID = v.account
		if v.makeCustomer {
			p.customers = append(p.customers, &c)
		} else {
			if id, ok := p.byExternal[key(c.ExternalID)]; ok && id != c.ID {
				c.ExternalID = "" // somebody else's
			}
			if earlier := p.changed[string(c.ID)]; earlier != nil {
				c.Fill(*earlier)
			}
			p.changed[string(c.ID)] = &c
		}
		if c.ExternalID != "" {
			p.byExternal[key(c.ExternalID)] = c.ID
		}
	}
	for i, h := range e.handles() {
		if _, ok := p.byHandle[h]; ok || h.b == "" {
			continue
		}
		id := e.f.Identities[i].CustomerID
		if v.customer != "" && (id == "" || id == v.was) {
			id = v.customer
		}
		p.byHandle[h] = id
		p.identities = append(p.identities, identityRow{Kind: h.a, Handle: h.b, CustomerID: string(id), Verified: e.f.Identities[i].Verified})
	}
}

// customerSaved writes back a customer's record. An external ID, once known,
// stays until another is given.
var customerSaved = saved(`name email phone account_id service_level vip language time_zone preferences updated_at`,
	"external_id = COALESCE(excluded.external_id, customers.external_id)")

// customerFilled completes a record that is there: only what is empty is
// written, so that nobody's change is undone by what the line read before it.
var customerFilled = saved("updated_at", filled("name", "email", "phone", "account_id", "service_level", "language", "time_zone", "preferences")+
	"external_id = COALESCE(customers.external_id, excluded.external_id)")

func filled(columns ...string) string {
	var set strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&set, "%[1]s = CASE WHEN customers.%[1]s = '' THEN excluded.%[1]s ELSE customers.%[1]s END, ", c)
	}
	return set.String()
}

// writePeople writes companies, changed customers, new customers and handles,
// each sorted by the key others may be after.
func (g *group) writePeople() error {
	p := &g.people
	slices.SortFunc(p.accounts, func(a, b *desk.Account) int { return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.ID, b.ID)) })
	accounts := make([]accountRow, len(p.accounts))
	for i, a := range p.accounts {
		accounts[i] = newAccountRow(a)
	}
	if err := insertNew(g.tx, accounts); err != nil {
		return err
	}
	changed := make([]customerRow, 0, len(p.changed))
	for _, id := range sorted(p.changed) {
		row, err := newCustomerRow(p.changed[id])
		if err != nil {
			return err
		}
		changed = append(changed, row)
	}
	if _, err := insert(g.tx, changed, customerFilled); err != nil {
		return err
	}
	slices.SortFunc(p.customers, func(a, b *desk.Customer) int {
		return cmp.Or(cmp.Compare(key(a.ExternalID), key(b.ExternalID)), cmp.Compare(a.ID, b.ID))
	})
	customers := make([]customerRow, len(p.customers))
	for i, c := range p.customers {
		row, err := newCustomerRow(c)
		if err != nil {
			return err
		}
		customers[i] = row
	}
	if err := insertNew(g.tx, customers); err != nil {
		return err
	}
	slices.SortFunc(p.identities, func(a, b identityRow) int { return comparePairs(pair{a.Kind, a.Handle}, pair{b.Kind, b.Handle}) })
	return insertNew(g.tx, p.identities)
}
