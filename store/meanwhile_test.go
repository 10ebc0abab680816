package store

import (
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// meanwhile does something, once, right after the first statement with these words:
// between two statements of one transaction, when that runs them.
func meanwhile(t testing.TB, s *Store, words string, do func()) {
	t.Helper()
	done := false
	look := func(db *gorm.DB) {
		if !done && strings.Contains(db.Statement.SQL.String(), words) {
			done = true
			do()
		}
	}
	c, name := s.w.Callback(), "meanwhile "+words
	for _, err := range []error{c.Query().After("gorm:query").Register(name, look), c.Row().After("gorm:row").Register(name, look),
		c.Raw().After("gorm:raw").Register(name, look)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if !done {
			t.Errorf("there was no statement with %q", words)
		}
	})
}

// A reply opens a ticket again, and a message is edited, while retention takes
// what is old: what is new stays. Only
// PostgreSQL writes two things at once.
func TestRetentionLeavesWhatCameMeanwhile(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h := newAuditHouse(t, s)
	ctx, ticket, said := t.Context(), desk.TicketID(h.names["ticket0"]), desk.MessageID(h.names["note"])
	before := micro(time.Now())
	h.now = before.Add(time.Second)
	meanwhile(t, h.s, `SELECT "id","resolved_at"`, func() { h.reply("again", ticket, desk.Change{}) })
	h.retireAll(h.s.RetireRaw, before)
	list, _, err := h.s.Messages(ctx, ticket, 10, "", false)
	h.must(err)
	if last := list[len(list)-1]; last.ExternalID != "again" || last.Raw.IsZero() {
		t.Errorf("the reply lost its raw message: %+v", last)
	}
	r, err := h.s.Receipt(ctx, list[len(list)-1].Receipt)
	h.must(err)
	if r.Draft == nil || r.Raw.IsZero() {
		t.Errorf("its receipt lost it: %+v", r)
	}
	if list[0].Raw.IsZero() {
		t.Error("what was said before went although the ticket is open")
	}
	h.clean("without raw")

	edit := func(text string, at time.Time) {
		_, err := h.s.Revise(ctx, ticket, desk.Revision{Message: said, Act: desk.ActEdit, Text: text, At: at}, desk.Actor{Kind: desk.ByAgent, ID: "ada"}, nil)
		h.must(err)
	}
	edit("better", before.Add(-time.Minute))
	meanwhile(t, h.s, "sum(CASE WHEN at <", func() { edit("best", h.now) })
	if n := h.retireAll(h.s.RetireRevisions, before); n < 1 {
		t.Errorf("%d revisions", n)
	}
	revisions, err := h.s.Revisions(ctx, said)
	h.must(err)
	if len(revisions) != 1 || revisions[0].Text != "better" {
		t.Errorf("revisions %+v", revisions)
	}
	h.clean("without revisions")
}
