package main

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// Whoever filled in a form may go on by mail: the link on the receipt's page
// leads onto the same ticket, before anybody answered.
func TestContinueByEmail(t *testing.T) {
	s := openStreetOn(t, strings.Replace(string(demoConfig), "    webform:\n", "    webform:\n      continueAddress: support@desk.example\n", 1))
	s.run()
	c := newFormSide(s).(*formSide)
	c.begin("The lamp is broken", []byte("\x89PNG\r\n\x1a\nxx"))
	s.filed(1)
	resp, err := http.Post(s.url+"/forms/site/contact.json", c.kind, bytes.NewReader(c.body)) // again: says where its receipt is
	if err != nil {
		t.Fatal(err)
	}
	said := fetched(t, resp) + resp.Header.Get("Location")
	page, err := http.Get(s.url + regexp.MustCompile(`/forms/site/receipts/[^"?]+`).FindString(said))
	if err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(html.UnescapeString(regexp.MustCompile(`mailto:[^"]+`).FindString(fetched(t, page))))
	if err != nil || link.Query().Get("subject") == "" {
		t.Fatalf("no link to go on by mail: %v %v", link, err)
	}
	s.post1("hana.private@gmail.com", "cont@gmail.com", "", link.Query().Get("subject"), "And here is more by mail")
	s.filed(2)
	tickets, _, err := s.store.Tickets(t.Context(), desk.TicketFilter{Limit: 10})
	if err != nil || len(tickets) != 1 || tickets[0].MessageCount != 2 {
		t.Errorf("%d tickets: going on by mail opened one of its own (%v)", len(tickets), err)
	}
}

func fetched(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What the doors refuse is counted, by source and reason.
func TestRefusalsAreCounted(t *testing.T) {
	s := openStreet(t)
	s.run()
	for _, path := range []string{"/hooks/slack/acme-slack/events", "/hooks/msteams/teams/messages", "/hooks/chat/telegram", "/forms/site/contact.json"} {
		resp, err := http.Post(s.url+path, "application/json", strings.NewReader(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		fetched(t, resp)
		if resp.StatusCode < 400 || resp.StatusCode > 499 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	resp, err := http.Get(s.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics := fetched(t, resp)
	for _, source := range []string{"acme-slack", "teams", "telegram", "site"} {
		if !regexp.MustCompile(`switchboard_source_events_total\{source="` + source + `",what="[^"]+"\} [1-9]`).MatchString(metrics) {
			t.Errorf("nothing is counted for %s", source)
		}
	}
}
