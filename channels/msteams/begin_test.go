package msteams

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/msteams/faketeams"
	"switchboard/pipeline/desk"
)

// firstWords is a reply that has no conversation yet.
func firstWords(handle, text string) *desk.Reply {
	return &desk.Reply{To: []desk.Party{{Handle: handle}}, Message: desk.Message{
		ID: "01HV0000000000000000000003", Via: &desk.Via{Source: "chat"}, Direction: desk.Outbound, Public: true, Text: text}}
}

// person is what is remembered of somebody.
func (h *house) remembered(t *testing.T, kind desk.ContactKind, handle string) (desk.Contact, address) {
	t.Helper()
	c, err := h.book.Contact(t.Context(), "chat", kind, handle)
	if err != nil {
		t.Fatalf("%s %s: %v", kind, handle, err)
	}
	var to address
	if err := json.Unmarshal(c.Address, &to); err != nil {
		t.Fatal(err)
	}
	return c, to
}

func (h *house) all(t *testing.T, list []faketeams.Activity) {
	t.Helper()
	for _, a := range list {
		h.deliver(t, a, 200)
	}
}

const creates = "/emea/v3/conversations"

// TestInstalledForAPerson: the reference comes with the installation, and goes
// with it.
func TestInstalledForAPerson(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	chat := f.Personal(h.person)
	events := f.Installed(chat, h.person)
	for _, one := range events { // each alone tells it, twice changes nothing
		h.book.by = map[string]desk.Contact{}
		h.deliver(t, one, 200)
		h.deliver(t, one, 200)
		c, to := h.remembered(t, desk.Person, h.person.AAD)
		want := address{ServiceURL: f.ServiceURL(), ChannelID: "msteams", Conversation: chat.ID, Type: "personal", Tenant: f.Tenant,
			Bot: identity{ID: f.Bot().ID, Name: f.Bot().Name}, User: identity{ID: h.person.ID, Name: h.person.Name, AAD: h.person.AAD}}
		if c.Gone != "" || to != want {
			t.Errorf("%s: %+v %+v", one["type"], c, to)
		}
	}
	proof, err := h.Send(t.Context(), firstWords(h.person.AAD, "Your order is **ready**"))
	if err != nil {
		t.Fatal(err)
	}
	sent := f.Sent()
	if len(sent) != 1 || sent[0].Conversation != chat.ID || sent[0].ReplyTo != "" || !strings.Contains(sent[0].Text(), "<strong>ready</strong>") {
		t.Fatalf("sent %+v", sent)
	}
	if b := proof.Begun; b == nil || b.Thread.Key != chat.ID || b.Handle != h.person.AAD || b.Group != "" || proof.ExternalID != chat.ID+"/"+sent[0].ID {
		t.Fatalf("proof %+v", proof)
	}
	if proof, err := h.Send(t.Context(), firstWords("ADA@customer.example", "by mail address")); err != nil || proof.Begun.Handle != h.person.AAD {
		t.Errorf("%+v, %v", proof, err)
	}
	if f.Hits(creates) != 0 {
		t.Error("a chat that is known was asked for")
	}
	// What follows is said in it, and the answer has its thread.
	if _, err := h.Send(t.Context(), &desk.Reply{Thread: proof.Begun.Thread, Message: firstWords("", "And?").Message}); err != nil {
		t.Fatal(err)
	}
	h.deliver(t, f.Message(chat, h.person, "thanks"), 200)
	if d := h.one(t); d.Thread.Key != proof.Begun.Thread.Key || d.From.Handle != proof.Begun.Handle {
		t.Errorf("the answer is %+v", d)
	}

	h.clock.Add(time.Minute)
	gone := f.Uninstalled(chat, h.person)
	for _, one := range gone {
		h.deliver(t, one, 200)
	}
	_, err = h.Send(t.Context(), firstWords(h.person.AAD, "hello"))
	if !desk.IsPermanent(err) || !strings.Contains(err.Error(), "the app was removed on "+h.clock.Now().UTC().Format("2 January 2006")) {
		t.Errorf("after the removal: %v", err)
	}
	h.deliver(t, events[0], 200) // an old event that comes late
	if c, _ := h.remembered(t, desk.Person, h.person.AAD); c.Gone == "" {
		t.Error("news that was overtaken counts")
	}
	h.clock.Add(time.Minute)
	h.all(t, f.Installed(chat, h.person))
	if _, err = h.Send(t.Context(), firstWords(h.person.AAD, "hello again")); err != nil {
		t.Errorf("installed again: %v", err)
	}
	if c := h.Counts(); c["contact kept"] == 0 || c["contact gone"] != 2 {
		t.Errorf("counts %v", c)
	}
	h.well(t)
}

// TestInstalledInATeam: its members can be written to without having said a
// word, however they are called.
func TestInstalledInATeam(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	channel := f.Channel()
	bo := f.Join(faketeams.Person{Name: "Bo Lindqvist", Email: "bo@customer.example", UPN: "blind@tenant.example"})
	cy := f.Person("Cy Young", "cy@customer.example")
	guest := f.Join(faketeams.Person{Name: "Gil Guest", Email: "gil@elsewhere.example", UPN: "gil_ext", Role: "guest"})
	var many []faketeams.Person
	for i := range 260 {
		many = append(many, f.Person(fmt.Sprint("Member ", i), fmt.Sprintf("m%d@customer.example", i)))
	}
	f.Team(channel, many...)
	f.Team(channel, cy, guest, bo)
	h.all(t, f.Installed(channel, h.person))
	if _, to := h.remembered(t, desk.Place, channel.Team); to.Conversation != channel.Team || to.Tenant != f.Tenant || to.ServiceURL != f.ServiceURL() {
		t.Errorf("the team is %+v", to)
	}
	if c, to := h.remembered(t, desk.Person, h.person.AAD); to.Conversation != "" || c.Gone != "" || to.User.ID != h.person.ID {
		t.Errorf("who installed it is %+v", to)
	}
	dee := f.Person("Dee Dee", "dee@customer.example")
	f.Team(channel, dee)
	h.deliver(t, f.Members(channel, h.person, "membersAdded", dee), 200)
	if _, to := h.remembered(t, desk.Person, dee.AAD); to.User.ID != dee.ID {
		t.Errorf("who was added is %+v", to)
	}
	for name, c := range map[string]struct {
		handle string
		who    faketeams.Person
		asked  int // pages of the roster
	}{
		"who installed it":         {h.person.AAD, h.person, 0},
		"who was added":            {dee.AAD, dee, 0},
		"by their ID":              {cy.AAD, cy, 0},
		"by their user name":       {"CY@customer.example", cy, 0},
		"by their address":         {"bo@customer.example", bo, 2},
		"a guest, by ID":           {guest.AAD, guest, 0},
		"of the first page, by ..": {"m3@customer.example", many[3], 0},
	} {
		t.Run(name, func(t *testing.T) {
			before, pages := len(f.Sent()), f.Hits(creates+"/"+channel.Team+"/pagedmembers")
			for range 2 {
				proof, err := h.Send(t.Context(), firstWords(c.handle, "hello"))
				if err != nil {
					t.Fatal(err)
				}
				if proof.Begun.Handle != c.who.AAD || proof.Begun.Thread.Key != "a:1"+c.who.AAD {
					t.Errorf("begun %+v", proof.Begun)
				}
			}
			sent := f.Sent()[before:]
			if len(sent) != 2 || sent[0].Conversation != "a:1"+c.who.AAD || sent[1].Conversation != sent[0].Conversation {
				t.Errorf("sent %+v", sent)
			}
			if n := f.Hits(creates+"/"+channel.Team+"/pagedmembers") - pages; n != 2*c.asked {
				t.Errorf("%d pages of the roster for two messages, want %d", n, 2*c.asked)
			}
			if _, to := h.remembered(t, desk.Person, c.who.AAD); to.Conversation != "a:1"+c.who.AAD {
				t.Errorf("remembered %+v", to)
			}
		})
	}
	for name, handle := range map[string]string{"nobody": "nobody@customer.example", "a guest's address": "gil@elsewhere.example",
		"an unknown ID": "00000000-0000-4000-8000-000000000000", "nothing": " "} {
		if _, err := h.Send(t.Context(), firstWords(handle, "hello")); !desk.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is heard of somebody in the team does not take their chat away.
	h.clock.Add(2 * time.Hour)
	h.deliver(t, f.Message(channel, cy, "hi"), 200)
	if _, to := h.remembered(t, desk.Person, cy.AAD); to.Conversation != "a:1"+cy.AAD {
		t.Errorf("the chat is forgotten: %+v", to)
	}

	h.clock.Add(time.Minute)
	h.all(t, f.Uninstalled(channel, h.person))
	if c, _ := h.remembered(t, desk.Place, channel.Team); c.Gone == "" {
		t.Error("the team is still there")
	}
	_, err := h.Send(t.Context(), firstWords("m9@customer.example", "hello"))
	if !desk.IsPermanent(err) || !strings.Contains(err.Error(), "does not know them: the app must be installed") {
		t.Errorf("after the removal: %v", err)
	}
	h.well(t)
}

// TestRemovedUnheard: the app was taken out of a team and nobody told us.
func TestRemovedUnheard(t *testing.T) {
	h := newHouse(t, options{})
	channel := h.fake.Channel()
	cy := h.fake.Person("Cy Young", "cy@customer.example")
	h.fake.Team(channel, cy)
	h.all(t, h.fake.Installed(channel, h.person))
	h.clock.Add(time.Minute)
	h.fake.Uninstalled(channel, h.person)
	if _, err := h.Send(t.Context(), firstWords(cy.AAD, "hello")); !desk.IsPermanent(err) {
		t.Errorf("%v", err)
	}
	if c, _ := h.remembered(t, desk.Place, channel.Team); c.Gone != goneApp {
		t.Errorf("%+v", c)
	}
	// Whoever is known by their reference hears it from Teams.
	_, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello"))
	if !desk.IsPermanent(err) || !strings.Contains(err.Error(), "not installed for them or a team of theirs") || !strings.Contains(err.Error(), "403 BotNotInConversationRoster") {
		t.Errorf("%v", err)
	}
	h.well(t)
}

// TestOpenErrors: what goes wrong while a chat is opened is tried again, or not,
// and never half done.
func TestOpenErrors(t *testing.T) {
	for name, c := range map[string]struct {
		fault     faketeams.Fault
		permanent bool
		later     time.Duration
		says      string
	}{
		"not installed": {fault: faketeams.Fault{Status: 403, Code: "BotNotInConversationRoster"}, permanent: true, says: "they blocked it"},
		"bad":           {fault: faketeams.Fault{Status: 400, Code: "BadSyntax"}, permanent: true, says: "BadSyntax"},
		"throttled":     {fault: faketeams.Fault{Status: 429, RetryAfter: "17"}, later: 17 * time.Second},
		"down":          {fault: faketeams.Fault{Status: 503, RetryAfter: "3"}, later: 3 * time.Second},
		"broken":        {fault: faketeams.Fault{Status: 500}, says: "has a failure"},
		"gateway":       {fault: faketeams.Fault{Status: 502}, says: "open a chat"},
		"cut":           {fault: faketeams.Fault{Cut: true, Done: true}, says: "open a chat"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, options{})
			channel := h.fake.Channel()
			h.all(t, h.fake.Installed(channel, h.person))
			h.fake.Break(func(r *http.Request) *faketeams.Fault {
				if r.URL.Path == creates {
					return &c.fault
				}
				return nil
			})
			_, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello"))
			var later *channels.Later
			switch {
			case err == nil || desk.IsPermanent(err) != c.permanent || errors.Is(err, channels.ErrCutOff) || !strings.Contains(err.Error(), c.says):
				t.Errorf("%v", err)
			case c.later != 0 && (!errors.As(err, &later) || later.After != c.later):
				t.Errorf("%v, want to wait %s", err, c.later)
			}
			h.fake.Break(nil)
			if len(h.fake.Sent()) != 0 {
				t.Error("something was said")
			}
			if _, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello")); err != nil {
				t.Errorf("again: %v", err)
			}
			h.well(t)
		})
	}
}

// TestForgottenChat: a remembered chat that is gone is opened anew.
func TestForgottenChat(t *testing.T) {
	h := newHouse(t, options{})
	h.all(t, h.fake.Installed(h.fake.Personal(h.person), h.person))
	c, to := h.remembered(t, desk.Person, h.person.AAD)
	to.Conversation = "a:1old"
	c.Address = to.json()
	_ = h.book.KeepContact(t.Context(), c)
	proof, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello"))
	if err != nil || proof.Begun.Thread.Key != "a:1"+h.person.AAD {
		t.Fatalf("%+v, %v", proof, err)
	}
	h.fake.Blocked(h.fake.Personal(h.person))
	if _, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello")); !desk.IsPermanent(err) || !strings.Contains(err.Error(), "or the bot blocked") {
		t.Errorf("blocked: %v", err)
	}
	h.well(t)
}

// TestSingleTenant: the bot's token comes from its own tenant, and one who is
// known by the bot's own name for them alone is written to there.
func TestSingleTenant(t *testing.T) {
	h := newHouse(t, options{single: true, settings: func(s *settings) {}})
	h.adapter.settings.ServiceURL = h.fake.ServiceURL()
	_ = h.fake.Installed(h.fake.Personal(h.person), h.person)
	send := func() error { _, err := h.Send(t.Context(), firstWords(h.person.ID, "hello")); return err }
	if err := send(); err == nil || !strings.Contains(err.Error(), "unauthorized_client") {
		t.Fatalf("a token of another authority: %v", err)
	}
	h.adapter.tokens.url = strings.Replace(h.adapter.tokens.url, "botframework.com", h.fake.Tenant, 1)
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if sent := h.fake.Sent(); len(sent) != 1 || sent[0].Conversation != "a:1"+h.person.AAD {
		t.Errorf("sent %+v", sent)
	}
	h.adapter.settings.Tenants, h.adapter.settings.TenantID = nil, ""
	if err := (func() error { _, err := h.Send(t.Context(), firstWords("29:1other", "hello")); return err })(); !desk.IsPermanent(err) {
		t.Errorf("of which tenant? %v", err)
	}
	h.well(t)
}

// TestBeginWithWindow: a chat's messages are held together by their group.
func TestBeginWithWindow(t *testing.T) {
	h := newHouse(t, options{settings: func(s *settings) { s.Window = time.Hour }})
	chat := h.fake.Personal(h.person)
	h.all(t, h.fake.Installed(chat, h.person))
	proof, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello"))
	if err != nil || proof.Begun.Group != chat.ID || proof.Begun.Thread.Key != proof.ExternalID {
		t.Fatalf("%+v, %v", proof.Begun, err)
	}
	h.deliver(t, h.fake.Message(chat, h.person, "hi"), 200)
	if d := h.one(t); d.Group != proof.Begun.Group {
		t.Errorf("the answer's group is %q", d.Group)
	}
	h.well(t)
}

// TestContactsFail: an installation that cannot be kept comes again; a message
// is taken all the same.
func TestContactsFail(t *testing.T) {
	h := newHouse(t, options{})
	chat := h.fake.Personal(h.person)
	h.book.fail = desk.ErrUnavailable
	for _, a := range h.fake.Installed(chat, h.person) {
		h.deliver(t, a, 503)
	}
	h.deliver(t, h.fake.Message(chat, h.person, "hi"), 200)
	h.one(t)
	if _, err := h.Send(t.Context(), firstWords(h.person.AAD, "hello")); err == nil || desk.IsPermanent(err) {
		t.Errorf("%v", err)
	}
	h.well(t)
}

// TestNothingPrivateBegins: nor what is not public.
func TestNothingPrivateBegins(t *testing.T) {
	h := newHouse(t, options{})
	h.all(t, h.fake.Installed(h.fake.Personal(h.person), h.person))
	r := firstWords(h.person.AAD, "secret")
	r.Message.Public = false
	if _, err := h.Send(t.Context(), r); !desk.IsPermanent(err) || len(h.fake.Sent()) != 0 {
		t.Errorf("%v", err)
	}
	h.well(t)
}
