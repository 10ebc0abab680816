package store

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// What is asked of receipts in one state goes by an index of such receipts,
// whatever the database believes of how many there are: right after the ledger
// was made, while a flood waits, and when all of it is filed and the statistics
// still speak of the flood.
func TestReceiptsByStateGoByTheirIndexes(t *testing.T) {
	for _, url := range []string{filepath.Join(t.TempDir(), "books.db"), pgtest.New(t)} {
		s, err := Open(t.Context(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		do := func(sql string) {
			t.Helper()
			if err := s.w.WithContext(t.Context()).Exec(sql).Error; err != nil {
				t.Fatal(err)
			}
		}
		t.Run(s.Dialect(), func(t *testing.T) {
			statements := collect(t, s)
			plansByState(t, s, statements, "empty")
			do(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
				INSERT INTO ledger (id, source, scope, external_id, fingerprint, thread_key, source_time, accepted_at, raw_digest, raw_size, draft, state, reason,
					attempts, ticket_id, message_id, trail)
				SELECT 'id' || (100000 + i), 'mail', 'EMAIL', 'e' || i, '', 't' || i, '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00', '', 0, '{}',
					CASE WHEN i % 2 = 0 THEN 'accepted' WHEN i % 500 = 1 THEN 'held' ELSE 'filed' END, '', 0, '', '', '' FROM n`)
			do("ANALYZE")
			plansByState(t, s, statements, "a flood")
			do("UPDATE ledger SET state = 'filed' WHERE state = 'accepted'")
			plansByState(t, s, statements, "all filed")
			counts, err := s.Counts(t.Context())
			if err != nil || len(counts) != 2 || counts[desk.Held] != 12 || counts[desk.Filed] != 5988 {
				t.Errorf("counts %v, %v", counts, err)
			}
		})
	}
}

func plansByState(t *testing.T, s *Store, statements map[string][]any, when string) {
	t.Helper()
	ctx := t.Context()
	waiting := regexp.MustCompile(`ledger_(backlog|ahead)`)
	ended := regexp.MustCompile(`ledger_unfiled`)
	for name, c := range map[string]struct {
		ask  func() error
		wish *regexp.Regexp
	}{
		"accepted": {func() error { _, err := s.ReceiptList(ctx, desk.ReceiptFilter{State: desk.Accepted}); return err }, waiting},
		"accepted, newest": {func() error {
			_, err := s.ReceiptList(ctx, desk.ReceiptFilter{State: desk.Accepted, Newest: true, After: "id9", Limit: 10})
			return err
		}, waiting},
		"accepted, of one source": {func() error {
			_, err := s.ReceiptList(ctx, desk.ReceiptFilter{State: desk.Accepted, Source: "mail", Since: time.Unix(1e9, 0)})
			return err
		}, waiting},
		"held": {func() error { _, err := s.ReceiptList(ctx, desk.ReceiptFilter{State: desk.Held}); return err }, ended},
		"held, newest": {func() error {
			_, err := s.ReceiptList(ctx, desk.ReceiptFilter{State: desk.Held, Newest: true})
			return err
		}, ended},
		"failed":     {func() error { _, err := s.Reopenable(ctx, desk.ReceiptFilter{State: desk.Failed}); return err }, ended},
		"reopenable": {func() error { _, err := s.Reopenable(ctx, desk.ReceiptFilter{}); return err }, ended},
	} {
		statements := collect(t, s)
		if err := c.ask(); err != nil {
			t.Fatal(err)
		}
		asked := 0
		for text, vars := range statements {
			if !strings.Contains(text, "ledger") {
				continue
			}
			asked++
			if plan := planOf(t, s, text, vars); !c.wish.MatchString(plan) {
				t.Errorf("%s, %s: not by %s:\n%s\n%s", when, name, c.wish, text, plan)
			}
		}
		if asked != 1 {
			t.Errorf("%s, %s: %d statements", when, name, asked)
		}
	}
	clear(statements)
	if _, err := s.Pulse(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Counts(ctx); err != nil {
		t.Fatal(err)
	}
	for text, vars := range statements {
		if plan := planOf(t, s, text, vars); strings.Contains(text, "state <>") && !ended.MatchString(plan) {
			t.Errorf("%s: not by the index of what ended:\n%s\n%s", when, text, plan)
		}
	}
}
