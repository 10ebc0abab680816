package slack

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/workers"
)

// filer files each draft at once through the real line, into real books.
type filer struct {
	store  *store.Store
	intake *workers.Intake
}

func newFiler(t testing.TB) *filer {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "books.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	p := desk.NewPolicy()
	p.Sources["acme"] = desk.Source{Name: "acme", Channel: desk.Slack}
	f := &filer{store: s, intake: workers.NewIntake(workers.Parts{Books: s, Policy: func() *desk.Policy { return p },
		View: func(ctx context.Context, d []*desk.Draft) (pipeline.Books, error) { return s.View(ctx, d) },
		Line: &pipeline.Line{Stages: pipeline.Standard()}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Settings: workers.DefaultSettings()})}
	t.Cleanup(f.intake.Stop)
	return f
}

func (f *filer) Submit(ctx context.Context, _ *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	var ids []desk.ReceiptID
	for _, d := range drafts {
		r, err := f.intake.FileNow(ctx, d)
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

func (f *filer) entries(t testing.TB, number string) []desk.Message {
	t.Helper()
	ticket, err := f.store.Ticket(t.Context(), number)
	if err != nil {
		t.Fatalf("ticket %s: %v", number, err)
	}
	list, _, err := f.store.Messages(t.Context(), ticket.ID, 50, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestTicket follows a talk into the books and an answer out of them.
func TestTicket(t *testing.T) {
	f := newFiler(t)
	w := newTown(t, plan{noDesk: true, prepare: func(a *adapter) { a.Sink = f }})
	first := w.say(fakeslack.Message{Channel: help, User: ada, Text: "my phone is dead"})
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "it was wet"}) // within the window
	_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, ThreadTS: first.TS, Text: "and warm"})
	w.yes(d)
	w.yes(w.s.Deliver(t.Context(), d.Body))
	gone := w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: first.TS, Text: "forget that"})
	w.yes(w.s.Edit(t.Context(), help, first.TS, "my phone *drowned*"))
	w.yes(w.s.Delete(t.Context(), help, gone.TS))
	list := f.entries(t, "1")
	if len(list) != 4 || list[0].Text != "my phone **drowned**" || list[0].EditedAt.IsZero() || list[3].DeletedAt.IsZero() || list[2].Text != "and warm" {
		t.Errorf("%d entries: %+v", len(list), list)
	}
	if _, err := f.store.Ticket(t.Context(), "2"); err == nil {
		t.Error("there is a second ticket")
	}
	ticket, err := f.store.Ticket(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.store.Customer(t.Context(), ticket.CustomerID)
	if err != nil || c.Customer.Name != "Ada" || c.Customer.Email != "ada@example.com" || c.Customer.TimeZone != "Europe/Berlin" {
		t.Errorf("%+v %v", c.Customer, err)
	}
	// Somebody else in the same thread.
	w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: first.TS, Text: "mine too"})
	if list = f.entries(t, "1"); len(list) != 5 || list[4].From.Handle != bob {
		t.Errorf("what another person says in the thread is not on the ticket: %d entries", len(list))
	}
}
