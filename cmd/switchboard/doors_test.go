package main

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// side is the other side of a door: a customer there, and what the vendor shows
// them. Each call ends when Switchboard has taken what was said.
type side interface {
	begin(text string, file []byte) // the first message
	follow(text string) bool        // another, before anybody answered; false: not possible there
	again()                         // what was said last is delivered once more
	answer(text string)             // to what we said
	edit(text string) bool          // the first message; false: not possible there
	remove() bool                   // the follow-up; false: not possible there
	// has are our messages as they stand there, each in its thread or not.
	has() []standing
}

// standing is a message of ours at the vendor's.
type standing struct {
	threaded bool // where the customer's message is
	text     string
}

// TestDoors lets a customer and an agent talk through every door.
func TestDoors(t *testing.T) {
	for _, door := range []struct {
		name, source string
		open         func(*street) side
		answer       string // doorAnswer as it must look there
		changes      bool   // the vendor lets us edit and delete
	}{
		{"slack", "acme-slack", newSlackSide, "We are *on it*: see <https://status.desk.example/a|the page> &amp; wait", true},
		{"teams", "teams", newTeamsSide, `<p>We are <strong>on it</strong>: see <a href="https://status.desk.example/a">the page</a> &amp; wait</p>`, true},
		{"telegram", "telegram", newTelegramSide, `We are <b>on it</b>: see <a href="https://status.desk.example/a">the page</a> &amp; wait`, true},
		{"form", "site", newFormSide, "We are on it: see the page <https://status.desk.example/a> & wait", false},
		{"email", "support", newMailSide, "We are on it: see the page <https://status.desk.example/a> & wait", false},
	} {
		t.Run(door.name, func(t *testing.T) {
			s := openStreet(t)
			s.run()
			talk(t, s, door.open(s), door.source, door.answer, door.changes)
		})
	}
}

const doorAnswer = "We are **on it**: see [the page](https://status.desk.example/a) & wait"

func talk(t *testing.T, s *street, customer side, source, formatted string, changes bool) {
	file := append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte("\x00\xff\r\n.\r\nline\n"), 3000)...)
	customer.begin("The lamp is *broken* since noon", file)
	s.filed(1)
	ticket := s.only()
	if ticket.Source != source {
		t.Errorf("the ticket is of %s, want %s", ticket.Source, source)
	}
	first := s.said(ticket)[0]
	if !strings.Contains(first.Text, "since noon") || len(first.Attachments) != 1 || !bytes.Equal(s.bytes(first.Attachments[0].Blob), file) {
		t.Errorf("the first message is %q with %d files, or its file was changed", first.Text, len(first.Attachments))
	}
	if a := s.file(first.ID); !bytes.Equal(a.raw, file) || a.header.Get("Content-Length") != strconv.Itoa(len(file)) {
		t.Errorf("the API gives %d bytes of the file's %d: %v", len(a.raw), len(file), a.header)
	}
	receipts, want := 1, 1
	count := func(what string) {
		t.Helper()
		s.filed(receipts)
		if n := len(s.said(s.only())); n != want {
			t.Fatalf("%s: %d messages on the ticket, want %d", what, n, want)
		}
	}
	if customer.follow("And the other one too") {
		receipts, want = receipts+1, want+1
		count("a follow-up")
	}
	customer.again()
	count("a redelivery")

	// The agent answers, and says something to the colleagues.
	answer := s.comment(ticket, doorAnswer, true)
	note := s.comment(ticket, "never to be seen outside", false)
	want += 2
	sent := s.sent(answer)
	stands := customer.has()
	if len(stands) != 1 || !stands[0].threaded || strings.TrimSpace(stands[0].text) != formatted {
		t.Fatalf("the customer sees %+v, want %q in the thread", stands, formatted)
	}
	if m, err := s.store.Message(t.Context(), note); err != nil || m.Send != desk.SendNone {
		t.Errorf("the note is %+v, %v", m, err)
	}
	customer.answer("Thank you, I wait")
	receipts, want = receipts+1, want+1
	count("the answer to our answer")
	if sent.ExternalID == "" {
		t.Error("the answer has no ID of the vendor")
	}

	// What was said may be unsaid, on both sides.
	if customer.edit("The lamp is whole, the switch is broken") {
		receipts++
		count("an edit")
		m, _ := s.store.Message(t.Context(), first.ID)
		if m == nil || m.EditedAt.IsZero() || !strings.Contains(m.Text, "the switch is broken") {
			t.Errorf("the edit left %+v", m)
		}
	}
	if customer.remove() {
		receipts++
		count("a delete")
		if m := s.said(ticket)[1]; m.DeletedAt.IsZero() {
			t.Errorf("the follow-up stands: %+v", m)
		}
	}
	path := "/v1/tickets/" + string(ticket.ID) + "/comments/" + string(answer)
	s.ask(s.key, "PATCH", path, `{"content":"We are **done**"}`).want(t, 200)
	if changes {
		s.until(func() string {
			if stands = customer.has(); len(stands) == 1 && strings.Contains(stands[0].text, "done") && !strings.Contains(stands[0].text, "**") {
				return ""
			}
			return "our edit did not arrive: " + stands[0].text
		})
	}
	s.ask(s.key, "DELETE", path, "").want(t, 204)
	if changes {
		s.until(func() string {
			if stands = customer.has(); len(stands) == 0 {
				return ""
			}
			return "our delete did not arrive: " + stands[0].text
		})
	}
	for _, m := range customer.has() {
		if strings.Contains(m.text, "never to be seen") {
			t.Errorf("the note left the house: %+v", m)
		}
	}
	if stale := s.said(ticket); len(stale) != want {
		t.Errorf("%d messages at the end, want %d", len(stale), want)
	}
}

// TestOnePerson: who wrote by mail and then in Slack, where the address is
// confirmed, and in Teams, is one customer.
func TestOnePerson(t *testing.T) {
	s := openStreet(t)
	s.run()
	traffic := demoTraffic{s.demoDoors, s.url, s.key}
	s.post1("frank@stark.example", "m1@stark.example", "", "First by mail", "Hello")
	s.filed(1)
	said, d := s.slack.Say(t.Context(), slackMessage("", "then in Slack"))
	if !d.OK || said.TS == "" {
		t.Fatalf("%+v", d.Attempts)
	}
	frank := s.teams.Person("Frank Foss", "Frank@Stark.example")
	if err := traffic.toTeams(t.Context(), s.teams.Message(s.teams.Channel(), frank, "then in Teams")); err != nil {
		t.Fatal(err)
	}
	// The same name without a confirmed address stays somebody else.
	s.slack.AddUser(unconfirmed)
	if _, d := s.slack.Say(t.Context(), slackMessage(unconfirmed.ID, "an impostor")); !d.OK {
		t.Fatalf("%+v", d.Attempts)
	}
	s.filed(4)
	tickets, _, err := s.store.Tickets(t.Context(), desk.TicketFilter{Limit: 10})
	if err != nil || len(tickets) != 4 {
		t.Fatalf("%d tickets, %v", len(tickets), err)
	}
	people := map[desk.CustomerID]int{}
	for _, k := range tickets {
		people[k.CustomerID]++
		if strings.Contains(k.Description, "impostor") {
			people[k.CustomerID] += 10
		}
	}
	if len(people) != 2 {
		t.Fatalf("%d customers: %v", len(people), people)
	}
	for id, n := range people {
		handles, err := s.store.Identities(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if n != 3 && n != 11 || n == 3 && len(handles) != 3 {
			t.Errorf("customer %s has %d and the handles %+v", id, n, handles)
		}
	}
}
