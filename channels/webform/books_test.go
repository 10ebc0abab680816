package webform

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/workers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTicket follows a form into real books: a ticket with its fields, however
// often and from however many tabs it is sent, and a receipt that says so.
func TestTicket(t *testing.T) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "books.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	p := desk.NewPolicy()
	p.Sources["site"] = desk.Source{Name: "site", Channel: desk.WebForm}
	intake := workers.NewIntake(workers.Parts{Books: s, Policy: func() *desk.Policy { return p },
		View: func(ctx context.Context, d []*desk.Draft) (pipeline.Books, error) { return s.View(ctx, d) },
		Line: &pipeline.Line{Stages: pipeline.Standard()}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Settings: workers.DefaultSettings()})
	defer intake.Stop()
	h := newHouse(t, siteYAML(t))
	h.a.Sink, h.a.Mailboxes = intake, s
	h.now = time.Now()

	token := h.token("contact")
	pairs := good(token)
	pairs[7] = "order" // the topic
	pairs = append(pairs, "order", "A-4711", "impact", "HIGH", "phone", "030 1234567")
	places := make([]string, 20)
	var wg sync.WaitGroup
	for i := range places {
		wg.Go(func() {
			code, header, _ := h.post("/forms/site/contact?lang=en", pairs, upFile{"files", "a.log", "", "one\r\ntwo\n"})
			if code == http.StatusSeeOther {
				places[i] = header.Get("Location")
			}
		})
	}
	wg.Wait()
	for _, at := range places {
		if at == "" || at != places[0] {
			t.Fatalf("not one receipt: %q", places)
		}
	}
	name, id, found := h.a.signer.readReceipt(strings.TrimPrefix(strings.Split(places[0], "?")[0], "/forms/site/receipts/"))
	if !found || name != "contact" {
		t.Fatal(places[0])
	}
	if _, _, body := h.get(places[0]); !strings.Contains(body, "being processed") {
		t.Error("the receipt does not say that it waits")
	}
	if err := intake.Process(ctx, []desk.ReceiptID{id}); err != nil {
		t.Fatal(err)
	}
	if _, _, body := h.get(places[0]); !strings.Contains(body, "a ticket is open") {
		t.Error("the receipt does not say that it is filed")
	}
	ticket, err := s.Ticket(ctx, "1")
	if err != nil {
		t.Fatal(err)
	}
	if ticket.Title != "A question" || ticket.Priority != desk.High || ticket.Type != "QUESTION" || ticket.Channel != desk.WebForm || ticket.Custom["orderNumber"] != "A-4711" {
		t.Errorf("%+v", ticket)
	}
	messages, _, err := s.Messages(ctx, ticket.ID, 10, "", false)
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages %v", len(messages), err)
	}
	m := messages[0]
	if !strings.HasPrefix(m.Text, "**Phone:** 030 1234567\n") || !strings.HasSuffix(m.Text, "\n\nHow does it work?\n\nThank you") || m.From.Handle != "Sam@example.com" || len(m.Attachments) != 1 || h.read(m.Attachments[0].Blob) != "one\r\ntwo\n" {
		t.Errorf("%+v", m)
	}
	if _, err := s.Ticket(ctx, "2"); err == nil {
		t.Error("there are two tickets")
	}
}

// TestDraftForgery: what is written into one field cannot look like another.
func TestDraftForgery(t *testing.T) {
	f := &form{name: "f", langs: []string{"en"}, title: phrase{"en": "Claims"}, fields: []*field{
		{name: "a", kind: kindText, maxLength: 500, label: phrase{"en": "A"}},
		{name: "b", kind: kindLongText, maxLength: 500, label: phrase{"en": "Long"}},
		{name: "c", kind: kindHidden, maxLength: 500, label: phrase{}},
		{name: "d", kind: kindText, maxLength: 500, label: phrase{"en": "Name"}, to: toName},
		{name: "e", kind: kindLongText, maxLength: 500, label: phrase{"en": "Text"}, to: toDescription},
	}}
	values := map[string][]string{"a": {"x\r\n**Paid:** yes"}, "b": {"x\n\n**Paid:** yes"}, "c": {"**Paid:** yes"}, "d": {"Sam\nOwner: me"}, "e": {"the rest"}}
	answers, wrong := f.check(values, f.visible(values, nil), nil)
	if len(wrong) != 0 {
		t.Fatal(wrong)
	}
	d := draftFrom(&sent{source: desk.Source{Name: "s", Channel: desk.WebForm, Separate: true}, form: f, id: "1", lang: "en", answers: answers})
	want := "**A:** x  \\*\\*Paid:\\*\\* yes\n**Long:**\n> x\n> \n> **Paid:** yes\n\n**c:** \\*\\*Paid:\\*\\* yes\n\nthe rest"
	if d.Text != want {
		t.Errorf("%q\nwant %q", d.Text, want)
	}
	if d.Subject != "Claims" || d.Ask.Title != "" || d.Scope != "s" || d.Thread.Address != nil || d.From != (desk.Party{Name: "Sam Owner: me"}) || d.Ask.Actor != (desk.Actor{Kind: desk.ByCustomer, Name: "Sam Owner: me"}) {
		t.Errorf("%+v %+v", d, d.Ask)
	}
	if d.Ask.CustomerID != "" || d.Ask.TeamID != "" || d.Ask.AgentID != "" {
		t.Errorf("a stranger chose: %+v", d.Ask)
	}
}
