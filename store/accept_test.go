package store

import (
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// TestAcceptHearsOfTheCommit: an acceptance that is one statement is refused when
// that statement went well and its commit did not.
func TestAcceptHearsOfTheCommit(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
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
