package pipeline

import (
	"context"

	"switchboard/pipeline/desk"
)

// verifiedEmail is the sender's mail address when their vendor vouches for it,
// else "". Only such an address says who somebody is: anybody may type one.
func verifiedEmail(p *Pass) string {
	if pr := p.Draft.Profile; pr != nil && pr.EmailVerified && desk.Domain(pr.Email) != "" {
		return desk.Handle("email", pr.Email)
	}
	return ""
}

// ownerOfEmail finds the customer who has the sender's verified address, and
// adds the handle the message came by to them.
func ownerOfEmail(ctx context.Context, p *Pass, kind, handle string) (bool, error) {
	email := verifiedEmail(p)
	if email == "" || kind == "email" {
		return false, nil
	}
	r, err := p.Books.Requester(ctx, "email", email)
	if err != nil || !r.Found {
		return false, err
	}
	p.Requester = r
	p.Identities = append(p.Identities, identity(kind, handle, r.Customer.ID))
	p.Note("customer %s, by the mail address their vendor verified; this %s is theirs from now on", r.Customer.ID, kind)
	return true, nil
}

// addEmail adds the verified address to a customer known by another handle. One
// that is somebody else's stays theirs: whether two records are one person, a
// person decides.
func addEmail(ctx context.Context, p *Pass, kind string) error {
	email := verifiedEmail(p)
	if email == "" || kind == "email" {
		return nil
	}
	r, err := p.Books.Requester(ctx, "email", email)
	if err != nil {
		return err
	}
	id := p.Requester.Customer.ID
	switch {
	case !r.Found:
		p.Identities = append(p.Identities, desk.Identity{Kind: "email", Handle: email, CustomerID: id, Verified: true})
		p.Note("their mail address, verified by their vendor, is known from now on")
	case r.Customer.ID != id:
		p.NoteData(map[string]any{"customer": r.Customer.ID}, "their mail address belongs to customer %s: the two may be one person", r.Customer.ID)
	}
	return nil
}

// complete completes a customer by what the vendor says; what is known stays. Who
// merely typed a mail address completes no record that was there before: it may
// be a stranger's.
func complete(p *Pass, kind string) {
	pr, c := p.Draft.Profile, &p.Requester.Customer
	if pr == nil || c.ID == "" || !p.NewCustomer && kind == "email" && !pr.EmailVerified {
		return
	}
	filled := c.Fill(desk.Customer{Name: pr.Name, Email: pr.Email, Phone: pr.Phone, TimeZone: pr.TimeZone, Language: pr.Language})
	if filled && !p.NewCustomer {
		c.UpdatedAt = p.Now
		p.Completed = true
		p.Note("their record is more complete now")
	}
}

// identity is a handle a message came by. A vendor's own handles come in events
// it signed; a mail address is only what a message says.
func identity(kind, handle string, id desk.CustomerID) desk.Identity {
	return desk.Identity{Kind: kind, Handle: handle, CustomerID: id, Verified: kind != "email"}
}
