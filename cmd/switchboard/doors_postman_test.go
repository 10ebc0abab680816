package main

import (
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// TestPostman: who mails for a source that cannot.
func TestPostman(t *testing.T) {
	a := &adapters{
		teams:   map[string]desk.TeamID{"site": "support", "shop": "sales", "support": "support", "sales": "sales"},
		postmen: []desk.Source{{Name: "info"}, {Name: "support", Team: "support"}, {Name: "sales", Team: "sales"}, {Name: "sales-2", Team: "sales"}},
	}
	for source, want := range map[string]string{"site": "support", "shop": "sales", "api": "info", "gone": "info"} {
		if got, ok := a.postman(source); got != want || !ok {
			t.Errorf("%s is mailed by %q, want %s", source, got, want)
		}
	}
	if got, ok := (&adapters{}).postman("site"); ok {
		t.Errorf("%q mails, though nobody can", got)
	}
}

// TestTicketOfTheAPI is answered by mail when its customer has an address, and
// nowhere when not; both are told to who comments.
func TestTicketOfTheAPI(t *testing.T) {
	s := openStreet(t)
	s.run()
	s.post1(hana, "1@tyrell.example", "", "The lamp", "It is broken")
	s.filed(1)
	customer := s.only().CustomerID
	create := func(body string) string {
		t.Helper()
		return s.ask(s.key, "POST", "/v1/tickets", body).want(t, 201).text("uid")
	}
	said := func(ticket string) reply {
		t.Helper()
		return s.ask(s.key, "POST", "/v1/tickets/"+ticket+"/comments", `{"content":"We **called** you","isPublic":true}`).want(t, 201)
	}
	nobody := create(`{"title":"From a program","description":"x"}`)
	if a := said(nobody); a.json["sendState"] != nil {
		t.Errorf("an answer to nobody is %v", a.json["sendState"])
	}
	known := create(`{"title":"You called","description":"x","customerId":"` + string(customer) + `"}`)
	a := said(known)
	if a.json["sendState"] != "queued" {
		t.Errorf("the answer is %v", a.json["sendState"])
	}
	s.sent(desk.MessageID(a.text("id")))
	ours := s.letters(hana)
	if len(ours) != 1 || ours[0].Subject != "Re: You called" || !strings.HasPrefix(strings.TrimSpace(ours[0].Text), "We called you") {
		t.Fatalf("mailed %+v", ours)
	}
	// What she says to it is on the same ticket, and the next answer is to that.
	s.post1(hana, "2@tyrell.example", ours[0].MessageID, "Re: You called", "Yes, I did")
	s.filed(4)
	ticket, err := s.store.Ticket(t.Context(), known)
	if err != nil || ticket.MessageCount != 3 {
		t.Fatalf("%+v, %v", ticket, err)
	}
	s.sent(s.comment(ticket, "Good", true))
	if ours = s.letters(hana); len(ours) != 2 || len(ours[1].InReplyTo) != 1 || ours[1].InReplyTo[0] != "2@tyrell.example" {
		t.Errorf("mailed %+v", ours)
	}
}
