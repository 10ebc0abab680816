package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// TestReceiptsAreLockedInOrder: what changes many rows of the ledger at once waits
// at the row a filing holds, and meanwhile holds none that the filing comes to
// later, however the rows lie on disk.
func TestReceiptsAreLockedInOrder(t *testing.T) {
	url := pgtest.New(t)
	s, err := Open(t.Context(), Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// So that the plan of an update goes by where the rows lie, as that of many does.
	var name string
	if err := s.read(t.Context()).Raw("SELECT current_database()").Scan(&name).Error; err != nil {
		t.Fatal(err)
	}
	err = s.write(t.Context(), func(tx *gorm.DB) error {
		return tx.Exec("ALTER DATABASE " + name + " SET enable_indexscan = off").Error
	})
	if err == nil {
		err = s.Close()
	}
	if err == nil {
		s, err = Open(t.Context(), Options{URL: url})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	now := time.Now()
	var ids []desk.ReceiptID
	for n := range 40 { // the later ID lies first
		d := &desk.Draft{Source: "s", Channel: desk.Chat, Scope: "CHAT", ExternalID: fmt.Sprint(n), Fingerprint: "f", ReceivedAt: now}
		r := desk.NewReceipt(d, now.Add(-time.Duration(n)*time.Second))
		if _, err := s.Accept(t.Context(), nil, []desk.Receipt{r}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	first, last := slices.Min(ids), slices.Max(ids)
	for name, change := range map[string]func(context.Context) error{
		"claim":    func(ctx context.Context) error { return s.Claim(ctx, ids, now) },
		"attempt":  func(ctx context.Context) error { _, _, err := s.Attempt(ctx, ids, 1000, "r", now); return err },
		"survived": func(ctx context.Context) error { return s.Survived(ctx, ids) },
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			err := s.write(t.Context(), func(tx *gorm.DB) error {
				if err := s.holdReceipts(tx, []desk.ReceiptID{first, first}); err != nil {
					return err
				}
				go func() { done <- change(t.Context()) }()
				waits := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
				for n := 0; n == 0; {
					if err := s.read(t.Context()).Raw(waits).Scan(&n).Error; err != nil {
						return err
					}
				}
				return tx.Exec("SELECT id FROM ledger WHERE id = ? FOR UPDATE NOWAIT", string(last)).Error
			})
			if err != nil {
				t.Errorf("the last row was held by one that waits for the first: %v", err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
