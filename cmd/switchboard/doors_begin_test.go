package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// first makes a ticket for somebody over the API and returns it.
func (s *street) first(body string) *desk.Ticket {
	s.t.Helper()
	id := s.ask(s.newKey(desk.RoleIntegration), "POST", "/v1/tickets", body).want(s.t, 201).text("uid")
	t, err := s.store.Ticket(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

// via lets the agent say something by a source.
func (s *street) via(t *desk.Ticket, source, text string) desk.MessageID {
	s.t.Helper()
	a := s.ask(s.key, "POST", "/v1/tickets/"+string(t.ID)+"/comments", fmt.Sprintf(`{"content":%q,"isPublic":true,"via":%q}`, text, source)).want(s.t, 201)
	if a.text("sendState") != "queued" {
		s.t.Fatalf("the comment is %s", a.raw)
	}
	return desk.MessageID(a.text("id"))
}

// settles waits until n receipts are settled and the ticket has the messages.
func (s *street) settles(t *desk.Ticket, receipts, messages int) []desk.Message {
	s.t.Helper()
	s.filed(receipts)
	said := s.said(t)
	if len(said) != messages {
		s.t.Fatalf("%d messages on the ticket, want %d", len(said), messages)
	}
	return said
}

// TestFirstWordInTeams: somebody installed the bot, or is in a team that did, and
// never wrote; the agent writes first, and what they say to it is on the ticket.
func TestFirstWordInTeams(t *testing.T) {
	for name, install := range map[string]func(*street, faketeams.Person) []faketeams.Activity{
		"installed by themselves": func(s *street, p faketeams.Person) []faketeams.Activity {
			return s.teams.Installed(s.teams.Personal(p), p)
		},
		"in a team": func(s *street, p faketeams.Person) []faketeams.Activity {
			c := s.teams.Channel()
			s.teams.Team(c, p)
			return s.teams.Installed(c, s.teams.Person("Owen Owner", "owen@oscorp.example"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStreet(t)
			s.run()
			traffic := demoTraffic{s.demoDoors, s.url, ""}
			gina := s.teams.Person("Gina Green", "gina@oscorp.example")
			for _, a := range install(s, gina) {
				if err := traffic.toTeams(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			ticket := s.first(`{"title":"Your server","description":"It will be moved","requester":{"email":"gina@oscorp.example","name":"Gina Green"}}`)
			m := s.sent(s.via(ticket, "teams", "We move it **tonight**"))
			chat := s.teams.Personal(gina)
			sent := s.teams.Sent()
			if len(sent) != 1 || sent[0].Conversation != chat.ID || !strings.Contains(sent[0].Text(), "<strong>tonight</strong>") {
				t.Fatalf("Teams shows %+v", sent)
			}
			if m.ExternalID != chat.ID+"/"+sent[0].ID {
				t.Errorf("it is %q there", m.ExternalID)
			}
			// The answer, though the ticket is the API's and she was known by mail only.
			if err := traffic.toTeams(t.Context(), s.teams.Message(chat, gina, "Fine with me")); err != nil {
				t.Fatal(err)
			}
			said := s.settles(ticket, 2, 3)
			if said[2].Channel != desk.MSTeams || !strings.Contains(said[2].Text, "Fine") {
				t.Errorf("the answer is %+v", said[2])
			}
			// From here it is a conversation like any other.
			s.sent(s.comment(ticket, "Thank you", true))
			if sent = s.teams.Sent(); len(sent) != 2 || sent[1].Conversation != chat.ID || sent[1].ReplyTo == "" {
				t.Errorf("Teams shows %+v", sent)
			}
			s.ask(s.key, "PATCH", "/v1/tickets/"+string(ticket.ID)+"/comments/"+string(m.ID), `{"content":"We move it *tomorrow*"}`).want(t, 200)
			s.until(func() string {
				if sent = s.teams.Sent(); len(sent) == 3 && sent[2].Method == http.MethodPut && strings.Contains(sent[2].Text(), "tomorrow") {
					return ""
				}
				return fmt.Sprintf("our edit did not arrive: %+v", sent)
			})
			if now, err := s.store.Ticket(t.Context(), string(ticket.ID)); err != nil || now.Source != "api" || now.ThreadSource != "teams" || !now.Has(gina.AAD) {
				t.Errorf("the ticket is %+v, %v", now, err)
			}
			for _, p := range s.teams.Problems() {
				t.Error("Microsoft complains: " + p)
			}
		})
	}
}

// TestFirstWordRefused: nobody with the app there: the ticket says why.
func TestFirstWordRefused(t *testing.T) {
	s := openStreet(t)
	s.run()
	traffic := demoTraffic{s.demoDoors, s.url, ""}
	gina := s.teams.Person("Gina Green", "gina@oscorp.example")
	chat := s.teams.Personal(gina)
	if err := traffic.toTeams(t.Context(), s.teams.Message(chat, gina, "Hello")); err != nil {
		t.Fatal(err)
	}
	s.filed(1)
	ticket := s.first(`{"title":"Later","description":"x","customerId":"` + string(s.only().CustomerID) + `"}`)
	failed := func(says string) {
		t.Helper()
		id := s.via(ticket, "teams", "Are you there?")
		s.until(func() string {
			m, err := s.store.Message(t.Context(), id)
			if err != nil || m.Send != desk.SendFailed {
				return fmt.Sprintf("%+v, %v", m, err)
			}
			if !strings.Contains(m.SendError, says) {
				t.Fatalf("it says %q", m.SendError)
			}
			return ""
		})
		events, err := s.store.Events(t.Context(), ticket.ID, 0, desk.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		if last.Kind != desk.EventCommentFailed || !strings.Contains(fmt.Sprint(last.Data["reason"]), says) {
			t.Errorf("the ticket says %+v", last)
		}
	}
	s.teams.Blocked(chat)
	failed("or the bot blocked (403")
	for _, a := range s.teams.Uninstalled(chat, gina) {
		if err := traffic.toTeams(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	failed("the app was removed on ")
	if sent := s.teams.Sent(); len(sent) != 0 {
		t.Errorf("Teams shows %+v", sent)
	}
}

// TestFirstWordInSlack and by mail: the same, by the other sources that can.
func TestFirstWordInSlack(t *testing.T) {
	s := openStreet(t)
	s.run()
	ticket := s.first(`{"title":"Your printer","description":"x","requester":{"email":"frank@stark.example"}}`)
	m := s.sent(s.via(ticket, "acme-slack", "It is **repaired**"))
	posts := s.slack.Posts()
	dm := "D" + demoFrank[1:]
	if len(posts) != 1 || posts[0].Channel != dm || posts[0].Text != "It is *repaired*" {
		t.Fatalf("Slack shows %+v", posts)
	}
	if _, d := s.slack.Say(t.Context(), fakeslack.Message{Channel: dm, User: demoFrank, ThreadTS: posts[0].TS, Text: "Thanks"}); !d.OK {
		t.Fatalf("%+v", d)
	}
	s.settles(ticket, 2, 3)
	if _, d := s.slack.Say(t.Context(), fakeslack.Message{Channel: dm, User: demoFrank, Text: "And the other?"}); !d.OK { // beside the thread
		t.Fatalf("%+v", d)
	}
	s.settles(ticket, 3, 4)
	if !strings.HasSuffix(m.ExternalID, posts[0].TS) {
		t.Errorf("it is %q there", m.ExternalID)
	}
}

func TestFirstWordByMail(t *testing.T) {
	s := openStreet(t)
	s.run()
	ticket := s.first(`{"title":"Your lamp","description":"x","requester":{"email":"` + hana + `"}}`)
	s.sent(s.via(ticket, "support", "It is **repaired**"))
	ours := s.letters(hana)
	if len(ours) != 1 || ours[0].Subject != "Your lamp" || len(ours[0].InReplyTo) != 0 {
		t.Fatalf("mailed %+v", ours)
	}
	s.sent(s.comment(ticket, "You can fetch it", true))
	if ours = s.letters(hana); len(ours) != 2 || ours[1].Subject != "Re: Your lamp" || len(ours[1].InReplyTo) != 1 || ours[1].InReplyTo[0] != ours[0].MessageID {
		t.Fatalf("mailed %+v", ours)
	}
	s.post1(hana, "1@tyrell.example", ours[0].MessageID, "Re: Your lamp", "Good")
	s.settles(ticket, 2, 4)
	// By a source that only listens, and by a form: refused, and told what could.
	for _, source := range []string{"site", "telegram", "billing"} {
		a := s.ask(s.key, "POST", "/v1/tickets/"+string(ticket.ID)+"/comments", `{"content":"x","isPublic":true,"via":"`+source+`"}`).want(t, 422)
		if !a.names("via") || !strings.Contains(string(a.raw), "acme-slack, support, teams") {
			t.Errorf("%s: %s", source, a.raw)
		}
	}
}
