package workers

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

// The Redis of an embedded house dies with its process, and with it all it knew
// of what killed it. The messages that do are found all the same, alone, however
// many there are and whatever waits beside them.
func TestPoisonIsIsolatedWhereRedisDiesToo(t *testing.T) {
	const good = 2*childGroup - 4
	folder := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(folder, "books.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, w: &watched{Store: s}, env: append(os.Environ(), childFolder+"="+folder)}
	f.door = intake(t, f.w, nil)
	var batch []*desk.Draft
	for n := range good {
		batch = append(batch, mail(fmt.Sprint("good", n), fmt.Sprint("c", n, "@good.example"), "help"))
		if n == 10 || n == childGroup+10 { // in two tasks
			batch = append(batch, mail(fmt.Sprint("bad", n), "k@bad.example", "poison"))
		}
	}
	ids := f.submit(batch...)
	deaths := 0
	one, _ := f.worker()
	f.until("all to be settled", func() bool {
		select {
		case <-one.Done():
			if deaths++; deaths > 50 {
				t.Fatalf("it goes round in circles; ledger %v", counts(t, f.w))
			}
			one, _ = f.worker()
		default:
		}
		return f.settled(ids)
	})
	t.Logf("%d workers died of it", deaths)
	if c := counts(t, f.w); c[desk.Filed] != good || c[desk.Failed] != 2 {
		t.Errorf("ledger %v", c)
	}
	for _, n := range []int{11, childGroup + 12} {
		r, err := f.w.Receipt(t.Context(), ids[n])
		if err != nil || r.State != desk.Failed || r.Attempts != childAttempts || !strings.Contains(r.Reason, "isolated") {
			t.Errorf("the poison: %s %q after %d attempts, %v", r.State, r.Reason, r.Attempts, err)
		}
	}
	// One death each with its neighbours and one with its group, and the named ones.
	if most := 2*childAttempts + 4; deaths > most {
		t.Errorf("%d workers died, want at most %d", deaths, most)
	}
}

// The file tells what was in hand, and in whose turn it was, whatever it ends with;
// it does not grow, and one that cannot be written costs nothing.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in-hand")
	now := time.Now()
	open := func() *Journal {
		j, err := OpenJournal(path, func() time.Time { return now }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { j.Close() })
		return j
	}
	told := func(j *Journal) (out []string) {
		for _, n := range j.before() {
			out = append(out, fmt.Sprint(n.Task.Receipts, n.Task.Deaths, n.Begun))
		}
		return out
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("left: %v, want %v", got, want)
		}
	}
	ids := func(s ...desk.ReceiptID) []desk.ReceiptID { return s }
	a, b, c := task{Receipts: ids("a", "b")}, task{Receipts: ids("c"), Deaths: 1}, task{Receipts: ids("d"), Deaths: 2}

	j := open()
	done := j.took(a)
	j.took(task{Receipts: ids("x")})()
	j.waits(b)
	j.waits(c)
	endB := j.took(b)
	if got := j.others(ids("a", "c", "d", "e")); fmt.Sprint(got) != "[a e]" {
		t.Errorf("suspects are run beside others: %v", got)
	}
	if err := os.WriteFile(path, append(read(t, path), `{"key":"9","ta`...), 0o600); err != nil { // killed while writing
		t.Fatal(err)
	}
	next := open()
	expect(told(next), "[a b] 0 true", "[c] 1 true", "[d] 2 false")
	next.took(a)
	expect(told(open()), "[a b] 0 true", "[c] 1 true", "[a b] 0 true", "[d] 2 false")
	next.resumed()
	expect(told(open()), "[a b] 0 true")

	endB()
	j.freed(b)
	done()
	now = now.Add(suspectWaits)
	if got := j.others(ids("c", "d")); fmt.Sprint(got) != "[c d]" {
		t.Errorf("a suspect that the queue lost is run by nobody: %v", got)
	}

	j = open()
	j.resumed()
	big := task{Receipts: make([]desk.ReceiptID, 128)}
	for i := range big.Receipts {
		big.Receipts[i] = desk.NewID[desk.ReceiptID](now)
	}
	for range 200 {
		j.took(big)()
	}
	if n := len(read(t, path)); n > journalIdle+8000 {
		t.Errorf("the file has %d bytes", n)
	}
	j.file.Close()
	j.took(a)()
	j.took(a)
	if !j.failing {
		t.Error("a file that is closed was written")
	}
	var none *Journal
	none.took(a)()
	none.waits(b)
	none.freed(b)
	none.resumed()
	if len(none.others(ids("a"))) != 1 || none.before() != nil || none.Close() != nil {
		t.Error("no journal knows something")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What could not be queued as suspect is nobody's: the sweep, which files without the
// queue, has it at once.
func TestASuspectThatWasNotQueuedIsFiledByOthers(t *testing.T) {
	w := openBooks(t)
	log := slog.New(slog.DiscardHandler)
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: "127.0.0.1:1"}) // nobody there
	t.Cleanup(func() { client.Close() })
	d := NewDispatch(client, nil, time.Now, log, DefaultSettings())
	t.Cleanup(d.Stop)
	i := intake(t, w, d)
	j, err := OpenJournal(filepath.Join(t.TempDir(), "journal"), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	i.journal = j
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("m", "a@b.example", "help")})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.requeue(t.Context(), task{Receipts: ids, Deaths: 1}); err == nil {
		t.Fatal("queued with nobody there")
	}
	if err := i.Process(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if r, err := w.Receipt(t.Context(), ids[0]); err != nil || r.State != desk.Filed {
		t.Errorf("%s, %v", r.State, err)
	}
}
