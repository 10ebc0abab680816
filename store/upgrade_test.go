package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// While a fleet is rolled over to a next version, that version's migration adds
// columns under the feet of this one, whose connections have prepared their
// statements.
func TestColumnsAreAddedBesideUs(t *testing.T) {
	dsn := pgtest.New(t)
	s, err := store.Open(t.Context(), store.Options{URL: dsn, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	direct, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(t.Context()))
	serial := 0
	work := func() (err error) {
		serial++
		r := desk.NewReceipt(benchDraft(serial), time.Now())
		if _, err := s.Accept(t.Context(), nil, []desk.Receipt{r}); err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if _, err := s.Receipts(t.Context(), []desk.ReceiptID{r.ID}); err != nil {
			return fmt.Errorf("receipts: %w", err)
		}
		if _, err := s.View(t.Context(), []*desk.Draft{r.Draft}); err != nil {
			return fmt.Errorf("view: %w", err)
		}
		results, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())})
		if err != nil || results[0].Err != nil {
			return fmt.Errorf("file: %w %v", err, results)
		}
		id := results[0].Ticket
		if _, err := s.Ticket(t.Context(), string(id)); err != nil {
			return fmt.Errorf("ticket: %w", err)
		}
		if _, _, err := s.Messages(t.Context(), id, 10, "", true); err != nil {
			return fmt.Errorf("messages: %w", err)
		}
		if _, _, err := s.Tickets(t.Context(), desk.TicketFilter{Limit: 10}); err != nil {
			return fmt.Errorf("tickets: %w", err)
		}
		if _, err := s.Change(t.Context(), id, 0, func(*desk.Ticket) ([]desk.Event, error) { return nil, nil }); err != nil {
			return fmt.Errorf("change: %w", err)
		}
		if _, err := s.Keys(t.Context()); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		_, err = s.Unsent(t.Context(), time.Now(), time.Now(), time.Now(), 10)
		return err
	}
	for range 5 {
		if err := work(); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := direct.Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 15 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	for _, table := range tables {
		if _, err := direct.Exec(t.Context(), "ALTER TABLE "+table+" ADD COLUMN of_the_next_version text"); err != nil {
			t.Fatal(err)
		}
		if err := work(); err != nil {
			t.Errorf("after a column was added to %s: %v", table, err)
		}
	}
}
