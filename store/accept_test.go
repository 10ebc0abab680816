package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// onPostgres opens new books.
func onPostgres(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAcceptHearsOfTheCommit: an acceptance that is one statement is refused when
// that statement went well and its commit did not.
func TestAcceptHearsOfTheCommit(t *testing.T) {
	s := onPostgres(t)
	run := func(sql string) {
		t.Helper()
		if err := s.write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(sql).Error }); err != nil {
			t.Fatal(err)
		}
	}
	accept := func() (desk.Receipt, error) {
		body := []byte(`{"text":"hello"}`)
		kept := desk.Keep(body)
		d := &desk.Draft{Source: "s", Channel: desk.Chat, Scope: "CHAT", ExternalID: "one", Fingerprint: "f", Raw: kept.Ref, Kept: []desk.Kept{kept}, ReceivedAt: time.Now()}
		r := desk.NewReceipt(d, time.Now())
		_, err := s.Accept(t.Context(), nil, []desk.Receipt{r})
		return r, err
	}
	run(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END'`)
	run(`CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if _, err := accept(); err == nil {
		t.Error("the sender heard yes, and the commit was refused")
	}
	if _, there, err := s.ReceiptOf(t.Context(), "s", "one"); err != nil || there {
		t.Errorf("the ledger has it: %v, %v", there, err)
	}
	run(`DROP TRIGGER refuse ON ledger`)
	r, err := accept()
	if err != nil {
		t.Fatal(err)
	}
	if bytes, there, err := s.Kept(t.Context(), r.Draft.Raw.Digest); err != nil || !there || string(bytes) != `{"text":"hello"}` {
		t.Errorf("kept %q, %v, %v", bytes, there, err)
	}
}

// TestAcceptKnowsWhatIsThere: a group with messages the ledger has, or bytes that
// are kept, is written all the same, and allowed for from then on.
func TestAcceptKnowsWhatIsThere(t *testing.T) {
	s := onPostgres(t)
	accept := func(messages ...string) (ids []desk.ReceiptID) {
		t.Helper()
		var rs []desk.Receipt
		for _, m := range messages {
			id, body, _ := strings.Cut(m, " ")
			kept := desk.Keep([]byte(body))
			d := &desk.Draft{Source: "s", Channel: desk.Chat, Scope: "CHAT", ExternalID: id, Fingerprint: body, Raw: kept.Ref, Kept: []desk.Kept{kept}, ReceivedAt: time.Now()}
			rs = append(rs, desk.NewReceipt(d, time.Now()))
		}
		ids, err := s.Accept(t.Context(), nil, rs)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	count := func(table string) (n int64) {
		if err := s.r.Table(table).Count(&n).Error; err != nil {
			t.Fatal(err)
		}
		return n
	}
	old := accept("1 a", "2 b")
	if s.caution.Load() > 0 {
		t.Error("there was no reason for caution")
	}
	for _, c := range []struct {
		group []string
		same  int // as old's first, -1: none
		rows  int64
		kept  int64
	}{{[]string{"3 c", "1 a"}, 1, 3, 3}, {[]string{"4 a"}, -1, 4, 3}, {[]string{"1 a"}, 0, 4, 3}, {[]string{"5 d"}, -1, 5, 4}} {
		s.caution.Store(0)
		ids := accept(c.group...)
		if c.same >= 0 && ids[c.same] != old[0] {
			t.Errorf("%q: receipts %s, want %s among them", c.group, ids, old[0])
		}
		if rows, kept := count("ledger"), count("kept"); rows != c.rows || kept != c.kept {
			t.Errorf("%q: %d rows and %d bodies, want %d and %d", c.group, rows, kept, c.rows, c.kept)
		}
		if careful, wanted := s.caution.Load() == cautious, c.group[0] != "5 d"; careful != wanted {
			t.Errorf("%q: careful from now on: %v", c.group, careful)
		}
	}
	s.caution.Store(2)
	accept("6 e", "1 a")
	if got := s.caution.Load(); got != 1 {
		t.Errorf("a careful group met something: caution %d, want 1", got)
	}
}

// TestAcceptNamesARowThatIsThere: a row that is in the way and that retention takes
// at that moment is written anew, in one statement and in steps.
func TestAcceptNamesARowThatIsThere(t *testing.T) {
	for name, bodies := range map[string][2]string{"one statement": {"a", "b"}, "steps": {"a", "a"}} {
		t.Run(name, func(t *testing.T) {
			s := onPostgres(t)
			receipt := func(externalID, body string) desk.Receipt {
				kept := desk.Keep([]byte(body))
				return desk.NewReceipt(&desk.Draft{Source: "s", Channel: desk.Chat, Scope: "CHAT", ExternalID: externalID, Fingerprint: "f", Raw: kept.Ref,
					Kept: []desk.Kept{kept}, ReceivedAt: time.Now()}, time.Now())
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			old, err := s.Accept(t.Context(), nil, []desk.Receipt{receipt("1", bodies[0])})
			must(err)
			s.caution.Store(2) // the statement allows for what is there
			meanwhile(t, s, "INSERT INTO ledger", func() { must(s.w.Exec("DELETE FROM ledger WHERE id = ?", string(old[0])).Error) })
			ids, err := s.Accept(t.Context(), nil, []desk.Receipt{receipt("1", bodies[0]), receipt("2", bodies[1])})
			must(err)
			for i, id := range ids {
				if r, err := s.Receipt(t.Context(), id); err != nil || r.ExternalID != fmt.Sprint(i+1) {
					t.Errorf("receipt %d of those acknowledged: %v, %v", i, r.ExternalID, err)
				}
			}
		})
	}
}
