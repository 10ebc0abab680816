package workers

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/glebarez/go-sqlite"
	_ "github.com/jackc/pgx/v5/stdlib"

	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// A row the database itself refuses costs the 127 others of its group nothing,
// neither when they are accepted nor when they are filed.
func TestAPoisonRowCostsOnlyItself(t *testing.T) {
	for _, db := range []struct{ driver, url string }{{"sqlite", filepath.Join(t.TempDir(), "books.db")}, {"pgx", ""}} {
		t.Run(db.driver, func(t *testing.T) {
			if db.driver == "pgx" {
				db.url = pgtest.New(t)
			}
			s, err := store.Open(t.Context(), store.Options{URL: db.url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			refusePoison(t, db.driver, db.url)
			w := &watched{Store: s, settled: make(chan desk.ReceiptID, 10000)}
			i := intake(t, w, nil)
			i.accepting.wait = 10 * time.Second // groups are full, or the test is slow

			const group, bad = 128, 77
			ids, errs := make([]desk.ReceiptID, group), make([]error, group)
			submit := func(poison string) {
				var all sync.WaitGroup
				for n := range group {
					all.Go(func() {
						subject := "fine"
						if n == bad {
							subject = poison
						}
						var got []desk.ReceiptID
						if got, errs[n] = i.Submit(context.Background(), nil, mail(fmt.Sprint(poison, n), fmt.Sprintf("p%d@b.example", n%5), subject)); errs[n] == nil {
							ids[n] = got[0]
						}
					})
				}
				all.Wait()
			}
			submit("poison for the ledger")
			for n, err := range errs {
				if (err != nil) != (n == bad) {
					t.Errorf("message %d: %v", n, err)
				}
			}
			if err := errs[bad]; err == nil || !strings.Contains(err.Error(), "poison") {
				t.Errorf("the bad one heard %v", err)
			}
			submit("poison for the books")
			for n, err := range errs {
				if err != nil {
					t.Errorf("message %d: %v", n, err)
				}
			}
			for range i.set.Attempts {
				if err := i.Process(t.Context(), ids); err != nil {
					t.Fatal(err)
				}
			}
			if c := counts(t, w); c[desk.Filed] != group-1 || c[desk.Failed] != 1 || c[desk.Accepted] != group-1 {
				t.Errorf("ledger %v", c)
			}
			if r, err := w.Receipt(t.Context(), ids[bad]); err != nil || r.State != desk.Failed || !strings.Contains(r.Reason, "poison") || r.Attempts != i.set.Attempts {
				t.Errorf("the bad one: %s %q after %d attempts, %v", r.State, r.Reason, r.Attempts, err)
			}
		})
	}
}

// refusePoison makes the database refuse rows with a word.
func refusePoison(t *testing.T, driver, url string) {
	t.Helper()
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := []string{
		`CREATE TRIGGER poison_ledger BEFORE INSERT ON ledger WHEN NEW.draft LIKE '%"subject":"poison for the ledger"%' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
		`CREATE TRIGGER poison_books BEFORE INSERT ON messages WHEN NEW.subject = 'poison for the books' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
	}
	if driver == "pgx" {
		statements = []string{
			`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$`,
			`CREATE TRIGGER poison_ledger BEFORE INSERT ON ledger FOR EACH ROW WHEN (NEW.draft LIKE '%"subject":"poison for the ledger"%') EXECUTE FUNCTION poison()`,
			`CREATE TRIGGER poison_books BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.subject = 'poison for the books') EXECUTE FUNCTION poison()`,
		}
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}
