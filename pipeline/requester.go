package pipeline

import (
	"context"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// Requester finds out who writes: by the customer ID an authenticated sender
// names (one that nobody has yet goes to whom the handle belongs to, if they have
// none, and else to somebody new), else by the identity on this channel, else by
// a mail address the vendor verified, else it makes a new customer, tied to the
// company whose mail domain they write from.
func Requester() Stage {
	return Stage{
		Name: "requester",
		Doc:  "find or make the customer and their account",
		Run: func(ctx context.Context, p *Pass) error {
			if id := askedCustomer(p); id != "" {
				return namedCustomer(ctx, p, id)
			}
			if err := customerByHandle(ctx, p); err != nil {
				return err
			}
			complete(p, desk.IdentityKind(p.Draft.Channel))
			return nil
		},
	}
}

func askedCustomer(p *Pass) string {
	if p.Draft.Ask == nil {
		return ""
	}
	return p.Draft.Ask.CustomerID
}

// namedCustomer resolves the ID an authenticated sender gave; its right to
// create one was checked at the door.
func namedCustomer(ctx context.Context, p *Pass, id string) error {
	kind, handle := p.handle()
	r, err := p.Books.CustomerByID(ctx, id)
	if err != nil {
		return err
	}
	if r.Found {
		p.Requester = r
		p.Note("customer %s, named by the sender", r.Customer.ID)
		return nil
	}
	if handle != "" {
		if r, err = p.Books.Requester(ctx, kind, handle); err != nil {
			return err
		}
	}
	if r.Found && r.Customer.ExternalID == "" {
		p.Requester, p.Completed = r, true
		p.Requester.Customer.ExternalID, p.Requester.Customer.UpdatedAt = id, p.Now
		p.Note("customer %s, known by this %s, has external ID %s from now on", r.Customer.ID, kind, id)
		return nil
	}
	if err := newCustomer(ctx, p, kind, handle); err != nil {
		return err
	}
	p.Requester.Customer.ExternalID = id
	p.Note("new customer with external ID %s", id)
	if r.Found {
		p.Identities = slices.DeleteFunc(p.Identities, func(i desk.Identity) bool { return i.Kind == kind && i.Handle == handle })
		p.NoteData(map[string]any{"customer": r.Customer.ID}, "this %s belongs to customer %s, who has another external ID, and stays theirs", kind, r.Customer.ID)
	}
	return nil
}

func customerByHandle(ctx context.Context, p *Pass) error {
	kind, handle := p.handle()
	if handle == "" {
		p.Note("nobody: the message names no sender")
		return nil
	}
	r, err := p.Books.Requester(ctx, kind, handle)
	if err != nil {
		return err
	}
	if r.Found {
		p.Requester = r
		p.Note("customer %s, known by this %s", r.Customer.ID, kind)
		return addEmail(ctx, p, kind)
	}
	if found, err := ownerOfEmail(ctx, p, kind, handle); err != nil || found {
		return err
	}
	if err := newCustomer(ctx, p, kind, handle); err != nil {
		return err
	}
	p.Note("new customer: this %s was never seen", kind)
	return nil
}

func newCustomer(ctx context.Context, p *Pass, kind, handle string) error {
	c := desk.Customer{ID: desk.NewID[desk.CustomerID](p.Now), Name: p.Draft.From.Name, CreatedAt: p.Now, UpdatedAt: p.Now}
	p.NewCustomer = true
	if handle != "" {
		p.Identities = append(p.Identities, identity(kind, handle, c.ID))
	}
	email := verifiedEmail(p)
	if kind == "email" {
		email = handle
	} else if email != "" {
		p.Identities = append(p.Identities, desk.Identity{Kind: "email", Handle: email, CustomerID: c.ID, Verified: true})
	}
	if email != "" {
		c.Email = email
		if err := account(ctx, p, &c, desk.Domain(email)); err != nil {
			return err
		}
	}
	p.Requester.Customer = c
	return nil
}

// account ties a new customer to the company of their mail domain; a public
// provider's domain is nobody's company.
func account(ctx context.Context, p *Pass, c *desk.Customer, domain string) error {
	if domain == "" || !strings.Contains(domain, ".") || p.Policy.Public(domain) {
		return nil
	}
	a, ok, err := p.Books.AccountByDomain(ctx, domain)
	if err != nil {
		return err
	}
	if !ok {
		a = desk.Account{ID: desk.NewID[desk.AccountID](p.Now), Name: domain, Domain: domain, CreatedAt: p.Now}
		p.NewAccount = &a
	}
	c.AccountID = a.ID
	p.Requester.Account = a
	p.Note("account %s by the mail domain", a.ID)
	return nil
}
