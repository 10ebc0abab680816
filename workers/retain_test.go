package workers

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

// retainBooks is a real store that counts the batches.
type retainBooks struct {
	*store.Store
	batches int
	before  map[string]time.Time
}

func (b *retainBooks) RetireDrafts(ctx context.Context, before time.Time, limit int) (int64, bool, error) {
	b.batches++
	b.before["drafts"] = before
	return b.Store.RetireDrafts(ctx, before, limit)
}

func (b *retainBooks) RetireLedger(ctx context.Context, before time.Time, limit int) (int64, bool, error) {
	b.before["ledger"] = before
	return b.Store.RetireLedger(ctx, before, limit)
}

// jobs are both, one after the other.
type jobs []Job

func (j jobs) Once(ctx context.Context, now time.Time) error {
	return errors.Join(j[0].Once(ctx, now), j[1].Once(ctx, now))
}

// bookshelf opens books of an SQLite file.
func bookshelf(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: filepath.Join(t.TempDir(), "books.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// One process at a time takes away what is old, batch by batch, and leaves alone
// what is to be kept forever.
func TestRetain(t *testing.T) {
	s := bookshelf(t)
	now := time.Now()
	old := now.Add(-100 * time.Hour)
	var rs []desk.Receipt
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		rs = append(rs, desk.NewReceipt(&desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: id, Text: "words"}, old))
	}
	ids, err := s.Accept(t.Context(), nil, rs)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := s.File(t.Context(), []*desk.Filing{{Receipt: id, At: old, Verdict: desk.Dropped, Reason: "spam"}}); err != nil {
			t.Fatal(err)
		}
	}
	books := &retainBooks{Store: s, before: map[string]time.Time{}}
	looked, clock := 0, now
	set := RetainSettings{Drafts: 50 * time.Hour, Orphans: time.Hour, OrphansEvery: 24 * time.Hour, Every: time.Minute, Batch: 2}
	job := func(holder string) jobs {
		log, at := slog.New(slog.DiscardHandler), func() time.Time { return clock }
		return jobs{&Retain{Books: books, Holder: holder, Now: at, Log: log, Set: set}, &Orphans{Books: books, Holder: holder, Now: at, Log: log, Set: set,
			Walk: func(context.Context, time.Time, func() error) (int64, int64, error) { looked++; return 0, 0, nil }}}
	}
	one, two := job("one"), job("two")
	for range 2 {
		if err := one.Once(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if books.batches != 4 || looked != 1 || !books.before["drafts"].Equal(now.Add(-50*time.Hour)) {
		t.Errorf("%d batches, orphans looked for %d times, before %v", books.batches, looked, books.before)
	}
	if _, ok := books.before["ledger"]; ok {
		t.Error("what is kept forever was taken away")
	}
	for _, id := range ids {
		if r, err := s.Receipt(t.Context(), id); err != nil || r.Draft != nil || r.Reason != "spam" {
			t.Errorf("receipt %+v, %v", r, err)
		}
	}
	if err := two.Once(t.Context(), now); err != nil || books.batches != 4 {
		t.Errorf("two at once: %d batches, %v", books.batches, err)
	}
	// When the first is gone for longer than its lease, the second does it.
	later := now.Add(25 * time.Hour)
	clock = later
	if err := two.Once(t.Context(), later); err != nil || books.batches != 5 || looked != 2 {
		t.Errorf("after the lease: %d batches, orphans looked for %d times, %v", books.batches, looked, err)
	}
	// It stops between two batches when it is told to.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := one.Once(ctx, later.Add(time.Hour)); err == nil || looked != 2 {
		t.Errorf("cancelled: %v, looked for %d times", err, looked)
	}
}

// A walk that was noted by a clock far ahead does not put the next one off until then.
func TestOrphansAreLookedForAfterAClockThatWasAhead(t *testing.T) {
	s := bookshelf(t)
	now, looked := time.Now(), 0
	o := &Orphans{Books: s, Holder: "one", Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Set:  RetainSettings{Orphans: time.Hour, OrphansEvery: 24 * time.Hour, Every: time.Minute},
		Walk: func(context.Context, time.Time, func() error) (int64, int64, error) { looked++; return 0, 0, nil }}
	for _, last := range []struct {
		at   time.Time
		want int
	}{{now.AddDate(10, 0, 0), 1}, {now.Add(time.Second), 1}, {now.Add(-time.Hour), 1}, {now.Add(-25 * time.Hour), 2}} {
		if err := s.MarkRetired(t.Context(), orphansKind, last.at); err != nil {
			t.Fatal(err)
		}
		if err := o.Once(t.Context(), now); err != nil || looked != last.want {
			t.Errorf("%s after the last walk: looked for %d times, want %d, %v", now.Sub(last.at), looked, last.want, err)
		}
	}
}
