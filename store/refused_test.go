package store_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// A server that lets nobody in any more, as after a change of passwords, is no
// message's fault either; only who opens the books is told that waiting is no use.
func TestADoorThatIsShutIsNobodysFault(t *testing.T) {
	dsn := pgtest.Start(t).Database(t)
	direct, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(context.WithoutCancel(t.Context()))
	do := func(sql string) {
		t.Helper()
		if _, err := direct.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE ROLE guest LOGIN SUPERUSER PASSWORD 'old'")
	as, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	as.User = url.UserPassword("guest", "old")
	s := opened(t, as.String())
	r := desk.NewReceipt(benchDraft(0), time.Now())
	if _, err := s.Accept(t.Context(), nil, []desk.Receipt{r}); err != nil {
		t.Fatal(err)
	}
	do("ALTER ROLE guest PASSWORD 'new'")
	do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'")
	for what, call := range map[string]func() error{
		"accept": func() error {
			_, err := s.Accept(t.Context(), nil, []desk.Receipt{desk.NewReceipt(benchDraft(1), time.Now())})
			return err
		},
		"file": func() error {
			_, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())})
			return err
		},
		"receipts": func() error { _, err := s.Receipts(t.Context(), []desk.ReceiptID{r.ID}); return err },
	} {
		for range 3 { // the first may be told by a connection that was cut
			if err := call(); !errors.Is(err, desk.ErrUnavailable) || desk.IsPermanent(err) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if other, err := store.Open(t.Context(), store.Options{URL: as.String()}); err == nil || errors.Is(err, desk.ErrUnavailable) {
		if err == nil {
			other.Close()
		}
		t.Errorf("opened anew: %v", err)
	}
	do("ALTER ROLE guest PASSWORD 'old'")
	if results, err := s.File(t.Context(), []*desk.Filing{benchFiling(r, desk.NewPolicy())}); err != nil || results[0].Err != nil {
		t.Errorf("let in again: %v, %v", results, err)
	}
}

// What PostgreSQL will never take is refused for good: a mailbox goes on without it,
// and a group is not tried again for its sake.
func TestWhatPostgreSQLNeverTakesIsRefusedForGood(t *testing.T) {
	s := opened(t, pgtest.New(t))
	for name, spoil := range map[string]func(*desk.Receipt){
		"a NUL":               func(r *desk.Receipt) { r.Source = "mail\x00" },
		"a time out of range": func(r *desk.Receipt) { r.SourceTime = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a key too large":     func(r *desk.Receipt) { r.Source = incompressible(9000) },
	} {
		r := desk.NewReceipt(benchDraft(0), time.Now())
		spoil(&r)
		_, err := s.Accept(t.Context(), nil, []desk.Receipt{r})
		if !desk.IsPermanent(err) || errors.Is(err, desk.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// incompressible is a text that no index makes shorter.
func incompressible(n int) string {
	var b strings.Builder
	for x := uint64(1); b.Len() < n; {
		x = x*6364136223846793005 + 1442695040888963407
		b.WriteByte('!' + byte(x>>33)%90)
	}
	return b.String()
}

// Somebody who holds a lock for longer than the server lets us wait is no message's
// fault.
func TestALockHeldForLongIsNobodysFault(t *testing.T) {
	dsn := pgtest.New(t)
	s := opened(t, dsn+"&lock_timeout=50")
	r := desk.NewReceipt(benchDraft(0), time.Now())
	if _, err := s.Accept(t.Context(), nil, []desk.Receipt{r}); err != nil {
		t.Fatal(err)
	}
	holder, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.WithoutCancel(t.Context()))
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM ledger FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Trouble(t.Context(), r.ID, 3, "x", time.Now()); !errors.Is(err, desk.ErrUnavailable) {
		t.Errorf("it hears %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
