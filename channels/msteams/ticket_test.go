package msteams

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/workers"
)

// filer files each draft at once through the real line, into real books.
type filer struct {
	t      testing.TB
	store  *store.Store
	intake *workers.Intake
}

func newFiler(t testing.TB, now func() time.Time) *filer {
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
	p.Sources["chat"] = desk.Source{Name: "chat", Channel: desk.MSTeams}
	f := &filer{t: t, store: s, intake: workers.NewIntake(workers.Parts{Books: s, Policy: func() *desk.Policy { return p },
		View: func(ctx context.Context, d []*desk.Draft) (pipeline.Books, error) { return s.View(ctx, d) },
		Line: &pipeline.Line{Stages: pipeline.Standard()}, Now: now, Log: slog.New(slog.DiscardHandler), Settings: workers.DefaultSettings()})}
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
		if r.State != desk.Filed {
			f.t.Errorf("%s %s: %s %s", d.ExternalID, d.Act, r.State, r.Reason)
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// TestTicket follows a chat into the books: one ticket, one entry a message, the
// edit and the delete on their entries.
func TestTicket(t *testing.T) {
	h := newHouse(t, options{})
	f := newFiler(t, h.clock.Now)
	h.adapter.Sink = f
	chat := h.fake.Personal(h.person)
	say := func(text string) map[string]any {
		h.clock.Add(time.Minute)
		a := h.fake.Message(chat, h.person, text)
		h.deliver(t, a, 200)
		h.deliver(t, a, 200) // and again
		return a
	}
	first := say("My phone is dead")
	second := say("It was wet")
	h.clock.Add(time.Minute)
	h.deliver(t, h.fake.Edited(first, "My *phone* drowned"), 200)
	h.deliver(t, h.fake.Deleted(second), 200)

	ticket, err := f.store.Ticket(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Ticket(t.Context(), "2"); err == nil {
		t.Error("there is a second ticket")
	}
	entries, _, err := f.store.Messages(t.Context(), ticket.ID, 10, "", false)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries (%v)", len(entries), err)
	}
	if e := entries[0]; !strings.Contains(e.Text, "drowned") || e.EditedAt.IsZero() || e.From.Handle != h.person.AAD {
		t.Errorf("the edited entry: %+v", e)
	}
	if e := entries[1]; e.DeletedAt.IsZero() {
		t.Errorf("the deleted entry: %+v", e)
	}
	h.deliver(t, h.fake.Undeleted(second), 200)
	if entries, _, err = f.store.Messages(t.Context(), ticket.ID, 10, "", false); err != nil || !entries[1].DeletedAt.IsZero() {
		t.Errorf("the undeleted entry: %v (%v)", entries[1].DeletedAt, err)
	}
	h.well(t)
}

var _ channels.Sink = (*filer)(nil)
