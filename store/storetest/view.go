package storetest

import (
	"context"
	"time"

	"switchboard/pipeline/desk"
)

func seenInEveryState(h *house) {
	a, b := h.draft("a"), h.draft("a")
	b.Source, b.Fingerprint, b.Raw = "another", "other content", desk.BlobRef{Digest: "0123", Size: 7}
	c := h.draft("a")
	c.Scope, c.Source = "SLACK", "slack"
	rs := h.accept(a, b, c)
	t := h.filed(h.opens(rs[0]))[0].Ticket
	plain := *a
	plain.Thread.Plain, plain.Scope, plain.Source = true, scope, scope // the scope is its own
	want := []desk.Seen{
		{Receipt: rs[0].ID, Source: "mail", Fingerprint: a.Fingerprint, State: desk.Filed, TicketID: t},
		{Receipt: rs[1].ID, Source: "another", Fingerprint: "other content", Raw: "0123", State: desk.Accepted},
	}
	for _, v := range []interface {
		Seen(ctx context.Context, scope, externalID string) ([]desk.Seen, error)
	}{h.view(), h.view(a, b, c), h.view(&plain)} {
		got, err := v.Seen(h.ctx, scope, "a")
		h.must(err)
		h.equal("seen", got, want)
		got, err = v.Seen(h.ctx, scope, "unknown")
		h.must(err)
		h.equal("unknown", len(got), 0)
	}
}

func ahead(h *house) {
	var rs []desk.Receipt
	var drafts []*desk.Draft
	for i, name := range []string{"a", "b", "c", "other"} {
		d := h.draft(name)
		d.Thread.Key = "conversation"
		if name == "other" {
			d.Scope = "another"
		}
		h.now = h.now.Add(time.Duration(i) * time.Second)
		rs = append(rs, h.accept(d)...)
		drafts = append(drafts, d)
	}
	check := func(i int, want desk.ReceiptID) {
		h.Helper()
		for _, ds := range [][]*desk.Draft{nil, drafts} {
			id, ok, err := h.view(ds...).Ahead(h.ctx, drafts[i].Scope, "conversation", rs[i].ID)
			h.must(err)
			if id != want || ok != (want != "") {
				h.Fatalf("ahead of %s: %s %v, want %s", drafts[i].ExternalID, id, ok, want)
			}
		}
	}
	check(0, "")
	check(1, rs[0].ID)
	check(2, rs[0].ID)
	check(3, "")
	h.filed(h.opens(rs[0]))
	check(2, rs[1].ID)
	_, err := h.s.Trouble(h.ctx, rs[1].ID, 5, "hm", h.now) // who is in trouble blocks nobody
	h.must(err)
	check(2, "")
}

func viewFinds(h *house) {
	f := h.from(h.opens(h.accept(h.draft("a"))[0], "conversation"), "ann@example.com")
	f.Account = &desk.Account{ID: "acc", Name: "Acme", Domain: "example.com", CreatedAt: h.now}
	f.Customer.AccountID, f.Customer.ExternalID = "acc", "crm-1"
	res := h.filed(f)[0]
	d := h.draft("b")
	d.From.Handle = "Ann@Example.com" // people type it either way
	d.Thread.Key, d.References = "conversation", []string{"unknown", "a"}
	d.Signed = []desk.SignedRef{{Ticket: res.Ticket, Via: "reply address"}}
	d.Ask = &desk.Ask{CustomerID: "crm-1", TeamID: "fresh"}
	for _, drafts := range [][]*desk.Draft{nil, {d}} {
		v := h.view(drafts...)
		owners, err := v.Threads(h.ctx, scope, []string{"conversation", "unknown", "a", "b"})
		h.must(err)
		h.equal("threads", owners, map[string]desk.TicketID{"conversation": res.Ticket, "a": res.Ticket})
		owners, err = v.Threads(h.ctx, "another scope", []string{"a"})
		h.must(err)
		h.equal("another scope", len(owners), 0)
		r, err := v.Requester(h.ctx, "email", desk.Handle("email", d.From.Handle))
		h.must(err)
		c, err := v.CustomerByID(h.ctx, "crm-1")
		h.must(err)
		if !r.Found || r.Account.Name != "Acme" || c.Customer.ID != r.Customer.ID || r.Customer.ID != f.Customer.ID {
			h.Fatalf("requester %+v, customer %+v", r, c)
		}
		t, err := v.Ticket(h.ctx, res.Ticket)
		h.must(err)
		byNumber, err := v.TicketByNumber(h.ctx, res.Number)
		h.must(err)
		h.equal("ticket", *t, *h.ticket(res.Ticket))
		h.equal("by number", *byNumber, *t)
		_, err = v.Ticket(h.ctx, "unknown")
		h.refused(err, desk.ErrNotFound)
		_, err = v.TicketByNumber(h.ctx, 99999)
		h.refused(err, desk.ErrNotFound)
	}
	h.change(res.Ticket, func(t *desk.Ticket) { t.DeletedAt = &h.now })
	t, err := h.view(d).Ticket(h.ctx, res.Ticket)
	h.must(err)
	if t.DeletedAt == nil {
		h.Fatal("a deleted ticket looks alive")
	}
}

func ownCopies(h *house) {
	id := h.opened("a").ID
	v := h.view()
	one, err := v.Ticket(h.ctx, id)
	h.must(err)
	one.Title, one.Tags = "changed", append(one.Tags, "changed")
	two, err := v.Ticket(h.ctx, id)
	h.must(err)
	if two.Title == "changed" || len(two.Tags) != 0 {
		h.Fatalf("got %+v", two)
	}
}
