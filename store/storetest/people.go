package storetest

import (
	"fmt"

	"switchboard/pipeline/desk"
)

// requester is who owns a mail address.
func (h *house) requester(handle string) desk.Requester {
	h.Helper()
	r, err := h.view().Requester(h.ctx, "email", handle)
	h.must(err)
	return r
}

func customerByHandle(h *house) {
	f := h.from(h.opens(h.accept(h.draft("a"))[0]), "ann@example.com", "ann@home.example")
	f.Customer.Email, f.Customer.VIP, f.Customer.Preferences = "ann@example.com", true, map[string]any{"language": "de"}
	f.Identities[1].Verified = true
	h.filed(f)
	for _, handle := range []string{"ann@example.com", "ann@home.example"} {
		r := h.requester(handle)
		if !r.Found {
			h.Fatalf("%s is unknown", handle)
		}
		h.equal("customer", r.Customer, *f.Customer)
	}
	if h.requester("nobody@example.com").Found {
		h.Fatal("found nobody")
	}
	// A handle of somebody's is never given away; a fresh one joins them.
	g := h.from(h.opens(h.accept(h.draft("b"))[0]), "ann@work.example", "ann@home.example")
	h.filed(g)
	h.equal("the new handle", h.requester("ann@work.example").Customer.ID, f.Customer.ID)
	h.equal("the old handle", h.requester("ann@home.example").Customer.ID, f.Customer.ID)
}

func sharedInGroup(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"))
	bad := h.from(h.opens(rs[0]), "ann@example.com") // the first of the group fails
	bad.Verdict = "nonsense"
	one, two := h.from(h.opens(rs[1]), "ann@example.com"), h.from(h.opens(rs[2]), "ann@example.com", "other@example.com")
	res := h.file(bad, one, two)
	for _, r := range res[1:] {
		h.must(r.Err)
		h.equal("customer", h.ticket(r.Ticket).CustomerID, one.Customer.ID)
		h.equal("author", h.messages(r.Ticket)[0].Author.ID, one.Customer.ID)
		h.equal("actor", h.events(r.Ticket)[0].Actor.ID, one.Customer.ID)
	}
	h.equal("handle", h.requester("other@example.com").Customer.ID, one.Customer.ID)
	_, err := h.s.Customer(h.ctx, two.Customer.ID)
	h.refused(err, desk.ErrNotFound)
}

func customerRace(h *house) {
	const n = 8
	fs := make([]*desk.Filing, n)
	for i := range fs {
		fs[i] = h.from(h.opens(h.accept(h.draft(fmt.Sprint(i)))[0]), "ann@example.com", fmt.Sprint(i, "@example.com"))
	}
	results := make([]desk.FilingResult, n)
	h.atOnce(n, func(i int) error {
		res, err := h.s.File(h.ctx, fs[i:i+1])
		if err == nil {
			results[i] = res[0]
		}
		return err
	})
	want := h.requester("ann@example.com").Customer.ID
	for i, r := range results {
		h.must(r.Err)
		h.equal("customer", h.ticket(r.Ticket).CustomerID, want)
		h.equal("own handle", h.requester(fmt.Sprint(i, "@example.com")).Customer.ID, want)
	}
}

func customerExternalID(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"))
	one, two := h.from(h.opens(rs[0])), h.from(h.opens(rs[1]), "ann@example.com")
	one.Customer.ExternalID, two.Customer.ExternalID = "crm-1", "crm-1"
	res := h.filed(one, two)
	h.equal("in a group", h.ticket(res[1].Ticket).CustomerID, one.Customer.ID)
	three := h.from(h.opens(rs[2]), "ann2@example.com")
	three.Customer.ExternalID = "crm-1"
	h.equal("later", h.ticket(h.filed(three)[0].Ticket).CustomerID, one.Customer.ID)
	for _, id := range []string{"crm-1", string(one.Customer.ID)} {
		r, err := h.view().CustomerByID(h.ctx, id)
		h.must(err)
		if !r.Found || r.Customer.ID != one.Customer.ID {
			h.Fatalf("by %s: %+v", id, r)
		}
	}
	h.equal("handle", h.requester("ann2@example.com").Customer.ID, one.Customer.ID)
	var fs []*desk.Filing
	for i := range 6 {
		f := h.from(h.opens(h.accept(h.draft(fmt.Sprint("race", i)))[0]), fmt.Sprint("race", i, "@example.com"))
		f.Customer.ExternalID = "crm-2"
		fs = append(fs, f)
	}
	h.atOnce(len(fs), func(i int) error {
		_, err := h.s.File(h.ctx, fs[i:i+1])
		return err
	})
	r, err := h.view().CustomerByID(h.ctx, "crm-2")
	h.must(err)
	for i := range fs {
		h.equal("raced", h.requester(fmt.Sprint("race", i, "@example.com")).Customer.ID, r.Customer.ID)
	}
}

// customerOfAnotherID: a customer named by an ID nobody has is not taken for who has
// the handle meanwhile: the line decides that, on what it sees then.
func customerOfAnotherID(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"))
	one, two := h.from(h.opens(rs[0]), "info@acme.example"), h.from(h.opens(rs[1]), "info@acme.example")
	one.Customer.ExternalID, two.Customer.ExternalID = "crm-1", "crm-2"
	res := h.file(one, two)
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrConflict)
	h.refused(h.file(two)[0].Err, desk.ErrConflict)
	two.Identities = nil
	h.equal("alone", h.ticket(h.filed(two)[0].Ticket).CustomerID, two.Customer.ID)
	h.equal("the handle", h.requester("info@acme.example").Customer.ID, one.Customer.ID)
	// One that has no ID is given it.
	three := h.from(h.opens(rs[2]), "ann@acme.example")
	h.filed(three)
	four := h.opens(h.accept(h.draft("d"))[0])
	ann := h.requester("ann@acme.example").Customer
	ann.ExternalID = "crm-3"
	four.Customer, four.Ticket.CustomerID = &ann, ann.ID
	h.filed(four)
	r, _, err := h.s.CustomerNamed(h.ctx, "crm-3")
	h.must(err)
	h.equal("by the ID", r.Customer.ID, three.Customer.ID)
}

func oneCompany(h *house) {
	with := func(f *desk.Filing, domain string) *desk.Filing {
		f.Account = &desk.Account{ID: desk.NewID[desk.AccountID](h.now), Name: domain, Domain: domain, ServiceLevel: "gold", CreatedAt: h.now}
		f.Customer.AccountID = f.Account.ID
		return f
	}
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"), h.draft("d"))
	one := with(h.from(h.opens(rs[0]), "a@acme.example"), "acme.example")
	two := with(h.from(h.opens(rs[1]), "b@acme.example"), "acme.example")
	h.filed(one, two)
	h.filed(with(h.from(h.opens(rs[2]), "c@acme.example"), "acme.example"))
	for _, who := range []string{"a", "b", "c"} {
		h.equal("company of "+who, h.requester(who+"@acme.example").Account, *one.Account)
	}
	a, ok, err := h.view().AccountByDomain(h.ctx, "acme.example")
	h.must(err)
	if !ok || a.ID != one.Account.ID {
		h.Fatalf("by domain: %v %+v", ok, a)
	}
	if _, ok, err := h.view().AccountByDomain(h.ctx, "other.example"); ok || err != nil {
		h.Fatal(ok, err)
	}
	known := with(h.from(h.opens(rs[3]), "a@acme.example"), "fresh.example")
	h.filed(known)
	h.equal("who is known keeps the company", h.requester("a@acme.example").Account.ID, one.Account.ID)
	if _, ok, _ := h.view().AccountByDomain(h.ctx, "fresh.example"); ok {
		h.Fatal("a company nobody works for")
	}
}

func customersByHand(h *house) {
	c := desk.Customer{ID: desk.NewID[desk.CustomerID](h.now), ExternalID: "x1", Name: "Ann", CreatedAt: h.now, UpdatedAt: h.now}
	r, err := h.s.EnsureCustomer(h.ctx, c, []desk.Identity{{Kind: "email", Handle: "ann@example.com"}})
	h.must(err)
	h.equal("made", r.Customer, c)
	again := desk.Customer{ID: desk.NewID[desk.CustomerID](h.now), Name: "Ann again", CreatedAt: h.now, UpdatedAt: h.now}
	r, err = h.s.EnsureCustomer(h.ctx, again, []desk.Identity{{Kind: "email", Handle: "ann@example.com"}, {Kind: "slack", Handle: "U1"}})
	h.must(err)
	h.equal("found", r.Customer, c)
	s, err := h.view().Requester(h.ctx, "slack", "U1")
	h.must(err)
	h.equal("handle joined", s.Customer.ID, c.ID)

	c.Name, c.VIP, c.ExternalID = "Ann B.", true, ""
	h.must(h.s.SaveCustomer(h.ctx, c))
	c.ExternalID = "x1" // stays until another is given
	r, err = h.s.Customer(h.ctx, c.ID)
	h.must(err)
	h.equal("saved", r.Customer, c)
	other, err := h.s.EnsureCustomer(h.ctx, desk.Customer{ID: desk.NewID[desk.CustomerID](h.now), CreatedAt: h.now, UpdatedAt: h.now}, nil)
	h.must(err)
	other.Customer.ExternalID = "x1"
	h.refused(h.s.SaveCustomer(h.ctx, other.Customer), desk.ErrConflict)
	h.refused(h.s.SaveCustomer(h.ctx, again), desk.ErrNotFound)
	list, err := h.s.Customers(h.ctx, []desk.CustomerID{c.ID, other.Customer.ID, "unknown"})
	h.must(err)
	h.equal("list", len(list), 2)
}

func teamFirstUse(h *house) {
	f := h.opens(h.accept(h.draft("a"))[0])
	f.Team = &desk.Team{ID: "fresh", Name: "Fresh"}
	g := h.opens(h.accept(h.draft("b"))[0])
	g.Team = f.Team
	h.filed(f, g)
	third := h.opens(h.accept(h.draft("c"))[0])
	third.Team = f.Team
	h.filed(third)
	for id, want := range map[desk.TeamID]bool{"fresh": true, "other": false} {
		ok, err := h.view().HasTeam(h.ctx, id)
		h.must(err)
		h.equal(string(id), ok, want)
	}
}
