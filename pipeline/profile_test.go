package pipeline

import (
	"slices"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// known puts a customer with a handle into the books.
func (s *shelf) known(id desk.CustomerID, kind, handle string) {
	r := desk.Requester{Customer: desk.Customer{ID: id, Name: "Ann", Email: "ann@acme.example"}, Found: true}
	s.people[kind+" "+handle] = r
}

func TestProfileTellsWhoSomebodyIs(t *testing.T) {
	full := desk.Profile{Name: "Ann B.", Email: "Ann@Acme.example", EmailVerified: true, Phone: "+1", TimeZone: "Europe/Berlin", Language: "de"}
	unsure := full
	unsure.EmailVerified = false
	for _, c := range []struct {
		name    string
		books   func(*shelf)
		profile *desk.Profile
		who     desk.CustomerID // "" is a new one
		handles []desk.Identity
		email   string
		phone   string
		account bool
		explain string
	}{
		{name: "no profile", profile: nil, handles: []desk.Identity{{Kind: "slack", Handle: "U1", Verified: true}}},
		{name: "verified, nobody knows them", profile: &full, email: "ann@acme.example", phone: "+1", account: true,
			handles: []desk.Identity{{Kind: "slack", Handle: "U1", Verified: true}, {Kind: "email", Handle: "ann@acme.example", Verified: true}}},
		{name: "verified, the address is known", profile: &full, who: "ann", email: "ann@acme.example", phone: "+1",
			books:   func(s *shelf) { s.known("ann", "email", "ann@acme.example") },
			handles: []desk.Identity{{Kind: "slack", Handle: "U1", Verified: true}}, explain: "verified"},
		{name: "unverified, the address is known", profile: &unsure, email: "Ann@Acme.example", phone: "+1",
			books:   func(s *shelf) { s.known("ann", "email", "ann@acme.example") },
			handles: []desk.Identity{{Kind: "slack", Handle: "U1", Verified: true}}},
		{name: "verified, the handle is known", profile: &full, who: "ann", email: "ann@acme.example", phone: "+1",
			books:   func(s *shelf) { s.known("ann", "slack", "U1") },
			handles: []desk.Identity{{Kind: "email", Handle: "ann@acme.example", Verified: true}}},
		{name: "verified, both known as one", profile: &full, who: "ann", email: "ann@acme.example", phone: "+1",
			books: func(s *shelf) { s.known("ann", "slack", "U1"); s.known("ann", "email", "ann@acme.example") }},
		{name: "verified, known as two", profile: &full, who: "ann", email: "ann@acme.example", phone: "+1",
			books:   func(s *shelf) { s.known("ann", "slack", "U1"); s.known("eve", "email", "ann@acme.example") },
			explain: "belongs to customer eve"},
		{name: "unverified, the handle is known", profile: &unsure, who: "ann", email: "ann@acme.example", phone: "+1",
			books: func(s *shelf) { s.known("ann", "slack", "U1") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			if c.books != nil {
				c.books(s)
			}
			d := chat("m1", "U1", "hello")
			d.Profile = c.profile
			_, f := run(t, s, house(t), d, noon)
			if f.NewCustomer != (c.who == "") {
				t.Fatalf("new customer %v\n%s", f.NewCustomer, trail(f))
			}
			got := slices.Clone(f.Identities)
			for i := range got {
				if c.who != "" && got[i].CustomerID != c.who || f.Customer != nil && got[i].CustomerID != f.Customer.ID {
					t.Errorf("handle of %s", got[i].CustomerID)
				}
				got[i].CustomerID = ""
			}
			if !slices.Equal(got, c.handles) {
				t.Errorf("handles %v, want %v", got, c.handles)
			}
			if f.Customer != nil && (f.Customer.Email != c.email || f.Customer.Phone != c.phone) {
				t.Errorf("record %+v", f.Customer)
			}
			if c.who != "" && f.Ticket.CustomerID != c.who {
				t.Errorf("ticket of %s", f.Ticket.CustomerID)
			}
			if (f.Account != nil) != c.account {
				t.Errorf("account %+v: only a verified address names a company", f.Account)
			}
			if !strings.Contains(trail(f), c.explain) {
				t.Errorf("no %q in\n%s", c.explain, trail(f))
			}
		})
	}
}

// Anybody may type somebody else's address into a form: it names them on the
// ticket and completes nothing of theirs.
func TestATypedAddressCompletesNobodysRecord(t *testing.T) {
	s, p := newShelf(), house(t)
	s.known("ann", "email", "ann@acme.example")
	form := func(from string) *desk.Filing {
		d := mail("f"+from, from, "help", "text")
		d.Channel, d.Profile = desk.WebForm, &desk.Profile{Name: "Mallory", Phone: "+666"}
		_, f := run(t, s, p, d, noon)
		return f
	}
	if f := form("ann@acme.example"); f.Customer != nil || f.Ticket.CustomerID != "ann" {
		t.Errorf("%+v", f.Customer)
	}
	if f := form("new@acme.example"); f.Customer == nil || f.Customer.Phone != "+666" || f.Identities[0].Verified {
		t.Errorf("%+v %+v", f.Customer, f.Identities)
	}
}

// TestNamedCustomerWithKnownHandle: who is named by an ID nobody has is the owner of
// the address when that one has no ID, and else somebody new, to whom it is not given.
func TestNamedCustomerWithKnownHandle(t *testing.T) {
	named := func(s *shelf, id, email string) *desk.Filing {
		_, f := run(t, s, house(t), &desk.Draft{Source: "api", Channel: desk.API, Scope: "API", ExternalID: "k1", ReceivedAt: noon, Subject: "help",
			From: desk.Party{Name: "Ann", Handle: email}, Ask: &desk.Ask{Title: "help", CustomerID: id, Actor: desk.Actor{Kind: desk.ByKey, ID: "k"}}}, noon)
		return f
	}
	s := newShelf()
	s.known("ann", "email", "ann@acme.example")
	f := named(s, "cust-9", "ann@acme.example")
	if f.NewCustomer || f.Ticket.CustomerID != "ann" || f.Customer == nil || f.Customer.ID != "ann" || f.Customer.ExternalID != "cust-9" {
		t.Errorf("who has no ID: new %v, ticket of %s, %+v\n%s", f.NewCustomer, f.Ticket.CustomerID, f.Customer, trail(f))
	}
	ann := s.people["email ann@acme.example"]
	ann.Customer.ExternalID = "cust-1"
	s.people["email ann@acme.example"] = ann
	f = named(s, "cust-9", "ann@acme.example")
	if !f.NewCustomer || f.Ticket.CustomerID == "ann" || f.Customer.ExternalID != "cust-9" || len(f.Identities) != 0 || !strings.Contains(trail(f), "belongs to customer ann") {
		t.Errorf("who has another: new %v, ticket of %s, %+v, %+v\n%s", f.NewCustomer, f.Ticket.CustomerID, f.Customer, f.Identities, trail(f))
	}
	if f = named(s, "cust-9", "bob@acme.example"); !f.NewCustomer || len(f.Identities) != 1 {
		t.Errorf("nobody's address: %+v", f.Identities)
	}
}
