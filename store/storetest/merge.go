package storetest

import (
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

var boss = desk.Actor{Kind: desk.ByAgent, ID: "boss", Name: "Boss"}

// asks opens a ticket for a new customer with handles and returns both.
func (h *house) asks(externalID, crm string, handles ...string) (desk.TicketID, desk.CustomerID) {
	h.Helper()
	d := h.draft(externalID)
	d.From = desk.Party{Name: "Name of " + handles[0], Handle: handles[0]}
	f := h.from(h.opens(h.accept(d)[0]), handles...)
	f.Customer.ExternalID, f.Customer.Name, f.Customer.Email = crm, d.From.Name, handles[0]
	return h.filed(f)[0].Ticket, f.Customer.ID
}

func (h *house) handles(id desk.CustomerID) []string {
	h.Helper()
	list, err := h.s.Identities(h.ctx, id)
	h.must(err)
	out := []string{}
	for _, i := range list {
		out = append(out, i.Handle)
	}
	return out
}

func recordCompleted(h *house) {
	_, ann := h.asks("a", "", "ann@example.com")
	r, err := h.s.Customer(h.ctx, ann)
	h.must(err)
	// An agent changes the record while the line completes what it read before.
	_, err = h.s.ChangeCustomer(h.ctx, ann, func(c *desk.Customer) error {
		c.VIP, c.Phone = true, "+1 by hand"
		return nil
	})
	h.must(err)
	complete := func(externalID string, set func(*desk.Customer)) *desk.Filing {
		f := h.opens(h.accept(h.draft(externalID))[0])
		c := r.Customer
		set(&c)
		f.Customer = &c
		return f
	}
	h.filed(complete("b", func(c *desk.Customer) { c.Phone, c.Language = "+2 by the vendor", "de" }),
		complete("c", func(c *desk.Customer) { c.TimeZone = "Europe/Berlin" }))
	got, err := h.s.Customer(h.ctx, ann)
	h.must(err)
	if c := got.Customer; !c.VIP || c.Phone != "+1 by hand" || c.Language != "de" || c.TimeZone != "Europe/Berlin" || c.Name != r.Customer.Name {
		h.Fatalf("record %+v", c)
	}
}

func customerChanged(h *house) {
	_, ann := h.asks("a", "crm-1", "ann@example.com")
	_, bob := h.asks("b", "crm-2", "bob@example.com")
	h.now = h.now.Add(time.Hour)
	r, err := h.s.ChangeCustomer(h.ctx, ann, func(c *desk.Customer) error {
		c.Name, c.ExternalID, c.Preferences, c.UpdatedAt = "Ann B.", "", map[string]any{"channel": "email"}, h.now
		return nil
	})
	h.must(err)
	c := r.Customer
	if c.Name != "Ann B." || c.ExternalID != "" || c.Preferences["channel"] != "email" || !c.UpdatedAt.Equal(h.now) || c.CreatedAt.Equal(h.now) {
		h.Fatalf("record %+v", c)
	}
	_, err = h.s.ChangeCustomer(h.ctx, bob, func(c *desk.Customer) error { c.ExternalID = "crm-1"; return nil })
	h.must(err)
	_, err = h.s.ChangeCustomer(h.ctx, ann, func(c *desk.Customer) error { c.ExternalID = "crm-1"; return nil })
	h.refused(err, desk.ErrConflict)
	_, err = h.s.ChangeCustomer(h.ctx, "unknown", func(*desk.Customer) error { return nil })
	h.refused(err, desk.ErrNotFound)
	named, handles, err := h.s.CustomerNamed(h.ctx, "crm-1")
	h.must(err)
	h.equal("named", named.Customer.ID, bob)
	h.equal("handles", handles, []desk.Identity{{Kind: "email", Handle: "bob@example.com", CustomerID: bob}})
	_, _, err = h.s.CustomerNamed(h.ctx, "crm-2")
	h.refused(err, desk.ErrNotFound)
	counter := func(c *desk.Customer) error {
		n, _ := c.Preferences["n"].(float64)
		c.Preferences = map[string]any{"n": n + 1}
		return nil
	}
	h.atOnce(8, func(int) error {
		_, err := h.s.ChangeCustomer(h.ctx, bob, counter)
		return err
	})
	r, err = h.s.Customer(h.ctx, bob)
	h.must(err)
	h.equal("no change is lost", r.Customer.Preferences["n"], 8.0)
}

func customersMerged(h *house) {
	one, ann := h.asks("a", "crm-1", "ann@example.com")
	two, ann2 := h.asks("b", "crm-2", "ann@home.example", "ann2@home.example")
	three, ann3 := h.asks("c", "", "ann3@home.example")
	_, err := h.s.ChangeCustomer(h.ctx, ann2, func(c *desk.Customer) error { c.Phone, c.VIP = "+2", true; return nil })
	h.must(err)
	before := h.ticket(two)
	h.now = h.now.Add(time.Hour)
	_, err = h.s.MergeCustomers(h.ctx, ann2, ann3, boss, h.now)
	h.must(err)
	r, err := h.s.MergeCustomers(h.ctx, ann, ann2, boss, h.now)
	h.must(err)
	if c := r.Customer; c.ID != ann || c.Phone != "+2" || !c.VIP || c.ExternalID != "crm-1" || c.Name != "Name of ann@example.com" {
		h.Fatalf("record %+v", c)
	}
	h.equal("handles", h.handles(ann), []string{"ann2@home.example", "ann3@home.example", "ann@example.com", "ann@home.example"})
	for _, id := range []desk.TicketID{one, two, three} {
		h.equal("ticket", h.ticket(id).CustomerID, ann)
	}
	t := h.ticket(two)
	e := h.events(two)[1]
	if t.Version != before.Version+1 || e.Kind != desk.EventCustomer || e.Actor != boss || e.Data["from"] != string(ann2) || e.Data["to"] != string(ann) {
		h.Fatalf("ticket %+v event %+v", t, e)
	}
	h.equal("events of the first", len(h.events(one)), 1)
	for _, name := range []string{string(ann), string(ann2), string(ann3), "crm-1", "crm-2"} {
		r, handles, err := h.s.CustomerNamed(h.ctx, name)
		h.must(err)
		if r.Customer.ID != ann || len(handles) != 4 {
			h.Errorf("%s names %s with %d handles", name, r.Customer.ID, len(handles))
		}
	}
	for _, id := range []desk.CustomerID{ann, ann2} {
		list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Customer: id})
		h.must(err)
		h.equal("tickets of "+string(id), len(list), 3)
	}
	all, err := h.s.Customers(h.ctx, []desk.CustomerID{ann3, ann})
	h.must(err)
	h.equal("by the old uid", all[ann3].Customer.ID, ann)

	// What the line decided before the merge finds its way.
	f := h.opens(h.accept(h.draft("late"))[0])
	f.Ticket.CustomerID, f.Message.Author.ID, f.Events[0].Actor.ID = ann2, string(ann2), string(ann2)
	f.Identities = []desk.Identity{{Kind: "email", Handle: "late@home.example", CustomerID: ann2}}
	late := h.filed(f)[0].Ticket
	h.equal("a late ticket", h.ticket(late).CustomerID, ann)
	h.equal("its author", h.messages(late)[0].Author.ID, ann)
	h.equal("a late handle", h.requester("late@home.example").Customer.ID, ann)
	named := h.from(h.opens(h.accept(h.draft("named"))[0]))
	named.Customer.ExternalID = "crm-2"
	h.equal("by the old external ID", h.ticket(h.filed(named)[0].Ticket).CustomerID, ann)

	_, err = h.s.MergeCustomers(h.ctx, ann, ann3, boss, h.now) // again
	h.must(err)
	h.equal("again changes nothing", len(h.events(three)), 3)
	_, err = h.s.MergeCustomers(h.ctx, ann, ann, boss, h.now)
	h.refused(err, desk.ErrInvalid)
	_, err = h.s.MergeCustomers(h.ctx, ann, "unknown", boss, h.now)
	h.refused(err, desk.ErrNotFound)
	_, err = h.s.MergeCustomers(h.ctx, "unknown", ann, boss, h.now)
	h.refused(err, desk.ErrNotFound)
}

// mergeRace merges two records into each other while mail of both comes in.
func mergeRace(h *house) {
	_, a := h.asks("a", "", "a@example.com")
	_, b := h.asks("b", "", "b@example.com")
	const n = 6
	fs := make([]*desk.Filing, n)
	for i := range fs {
		f := h.opens(h.accept(h.draft(fmt.Sprint("m", i)))[0])
		f.Ticket.CustomerID = []desk.CustomerID{a, b}[i%2]
		fs[i] = f
	}
	h.atOnce(n+2, func(i int) error {
		switch i {
		case n:
			_, err := h.s.MergeCustomers(h.ctx, a, b, boss, h.now)
			return err
		case n + 1:
			_, err := h.s.MergeCustomers(h.ctx, b, a, boss, h.now)
			return err
		}
		res, err := h.s.File(h.ctx, fs[i:i+1])
		if err == nil {
			err = res[0].Err
		}
		return err
	})
	r, handles, err := h.s.CustomerNamed(h.ctx, string(a))
	h.must(err)
	other, _, err := h.s.CustomerNamed(h.ctx, string(b))
	h.must(err)
	h.equal("one record", other.Customer.ID, r.Customer.ID)
	h.equal("handles", len(handles), 2)
	list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Customer: r.Customer.ID})
	h.must(err)
	h.equal("tickets", len(list), n+2)
}

func customersSplit(h *house) {
	one, ann := h.asks("a", "", "ann@example.com")
	two, bob := h.asks("b", "", "bob@example.com")
	_, err := h.s.MergeCustomers(h.ctx, ann, bob, boss, h.now)
	h.must(err)
	reply := h.joins(h.accept(h.draft("c"))[0], one)
	reply.Message.From.Handle = "bob@example.com" // who answers on a ticket does not own it
	h.filed(reply)
	split := func(handles ...string) (desk.Requester, error) {
		var list []desk.Identity
		for _, handle := range handles {
			list = append(list, desk.Identity{Kind: "email", Handle: handle})
		}
		return h.s.SplitCustomer(h.ctx, ann, list, boss, h.now.Add(time.Hour))
	}
	for _, wrong := range [][]string{nil, {"eve@example.com"}, {"bob@example.com", "eve@example.com"}, {"ann@example.com", "bob@example.com"}} {
		_, err := split(wrong...)
		h.refused(err, desk.ErrInvalid)
	}
	r, err := split("Bob@Example.com")
	h.must(err)
	if c := r.Customer; c.ID == ann || c.ID == bob || c.Email != "bob@example.com" || c.Name != "Name of bob@example.com" {
		h.Fatalf("record %+v", c)
	}
	h.equal("handles", h.handles(r.Customer.ID), []string{"bob@example.com"})
	h.equal("what stays", h.handles(ann), []string{"ann@example.com"})
	h.equal("his ticket", h.ticket(two).CustomerID, r.Customer.ID)
	h.equal("her ticket", h.ticket(one).CustomerID, ann)
	e := h.events(two)
	if last := e[len(e)-1]; last.Kind != desk.EventCustomer || last.Data["why"] != "split" || len(e) != h.ticket(two).EventCount {
		h.Fatalf("events %+v", e)
	}
	h.equal("known by it", h.requester("bob@example.com").Customer.ID, r.Customer.ID)
	_, err = h.s.SplitCustomer(h.ctx, "unknown", []desk.Identity{{Kind: "email", Handle: "x"}}, boss, h.now)
	h.refused(err, desk.ErrNotFound)

	// A mail address that goes leaves the record.
	_, eve := h.asks("d", "crm-9", "eve@example.com")
	_, err = h.s.SplitCustomer(h.ctx, eve, []desk.Identity{{Kind: "email", Handle: "eve@example.com"}}, boss, h.now)
	h.must(err) // an external ID still leads to the old record
	left, err := h.s.Customer(h.ctx, eve)
	h.must(err)
	h.equal("address", left.Customer.Email, "")
}

// splitNames: what named the person before a merge that was none names them again,
// and a handle that came in while the two were merged goes with them like any other.
func splitNames(h *house) {
	_, ann := h.asks("a", "crm-1", "ann@example.com")
	_, bob := h.asks("b", "crm-2", "bob@example.com")
	_, eve := h.asks("c", "crm-3", "eve@example.com")
	for _, from := range []desk.CustomerID{bob, eve} {
		_, err := h.s.MergeCustomers(h.ctx, ann, from, boss, h.now)
		h.must(err)
	}
	late := h.opens(h.accept(h.draft("late"))[0])
	late.Ticket.CustomerID = ann
	late.Identities = []desk.Identity{{Kind: "email", Handle: "late@example.com", CustomerID: bob}}
	h.filed(late)
	h.equal("all of it", h.handles(ann), []string{"ann@example.com", "bob@example.com", "eve@example.com", "late@example.com"})
	r, err := h.s.SplitCustomer(h.ctx, ann, []desk.Identity{{Kind: "email", Handle: "bob@example.com"}, {Kind: "email", Handle: "late@example.com"}}, boss, h.now.Add(time.Hour))
	h.must(err)
	h.equal("his ID", r.Customer.ExternalID, "crm-2")
	for name, want := range map[string]desk.CustomerID{"crm-1": ann, "crm-2": r.Customer.ID, "crm-3": ann, string(ann): ann, string(bob): r.Customer.ID, string(eve): ann} {
		got, _, err := h.s.CustomerNamed(h.ctx, name)
		h.must(err)
		h.equal(name+" names", got.Customer.ID, want)
	}
	h.equal("his handles", h.handles(r.Customer.ID), []string{"bob@example.com", "late@example.com"})
	h.equal("what stays", h.handles(ann), []string{"ann@example.com", "eve@example.com"})
}
