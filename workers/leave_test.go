package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"switchboard/pipeline/desk"
)

// slow is a ledger that does as a test says before it writes.
type slow struct {
	*watched
	accept func([]desk.Receipt)
	read   func()
}

func (s *slow) Accept(ctx context.Context, c *desk.Cursor, rs []desk.Receipt) ([]desk.ReceiptID, error) {
	if s.accept != nil {
		s.accept(rs)
	}
	return s.Store.Accept(ctx, c, rs)
}

func (s *slow) Unsettled(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error) {
	if s.read != nil {
		s.read()
	}
	return s.Store.Unsettled(ctx, ids)
}

// When the ledger does not answer, clients go away and come again: what they
// brought is in memory all the same, and counts.
func TestWhoLeavesTakesNothingAlong(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	entered, leave := make(chan bool), make(chan bool)
	i.books = &slow{watched: w, accept: func([]desk.Receipt) { entered <- true; <-leave }}
	i.hold.set.Pending = 3
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	submit := func(n int) {
		_, err := i.Submit(ctx, nil, mail(fmt.Sprint("m", n), "a@b.example", "hello"))
		gone <- err
	}
	go submit(0)
	<-entered // in a group that is written; the other two wait
	go submit(1)
	go submit(2)
	for deadline := time.Now().Add(hang); len(i.accepting.in) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("they do not wait")
		}
	}
	cancel()
	for range 3 {
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves hears %v", err)
		}
	}
	if now := i.hold.now(); now.messages != 3 || now.writing < 3*2048 {
		t.Errorf("%+v in hand, want the three that wait", now)
	}
	if _, err := i.enter([]*desk.Draft{mail("m3", "a@b.example", "again")}); !errors.Is(err, desk.ErrBusy) {
		t.Errorf("the next one hears %v", err)
	}
	leave <- true
	<-entered
	if n := i.InHand(); n != 2 {
		t.Errorf("%d in hand, want the two of the next group", n)
	}
	close(leave)
	i.accepting.stop()
	if now := i.hold.now(); now != (load{}) || len(i.hold.by) != 0 {
		t.Errorf("%+v is left in hand", now)
	}
	if c := counts(t, w); c[desk.Accepted] != 3 {
		t.Errorf("ledger %v", c)
	}
}

// What is filed at once is in hand until it is filed, whoever waits for it.
func TestFileNowHoldsWhatItFiles(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	entered, leave := make(chan bool), make(chan bool)
	var before atomic.Bool
	i.books = &slow{watched: w, read: func() {
		if !before.Swap(true) {
			entered <- true
			<-leave
		}
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan desk.Receipt)
	go func() {
		r, err := i.FileNow(ctx, mail("m1", "a@b.example", "hello"))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	<-entered
	cancel()
	if r := <-done; r.State != desk.Accepted {
		t.Errorf("state %s", r.State)
	}
	if n := i.InHand(); n != 1 {
		t.Errorf("%d in hand, want the one that is being filed", n)
	}
	close(leave)
	w.await(t, 1)
	for deadline := time.Now().Add(hang); i.InHand() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d are left in hand", i.InHand())
		}
	}
}

// A panic over one draft costs its own sender a yes and nobody else anything.
func TestAPanicInTheLedgerIsOneDraftsTrouble(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	i.accepting.wait = 10 * time.Second // groups are full, or the test is slow
	i.metrics = NewMetrics(prometheus.NewRegistry())
	i.books = &slow{watched: w, accept: func(rs []desk.Receipt) {
		for _, r := range rs {
			if r.Draft.Subject == "poison" {
				panic("no such column")
			}
		}
	}}
	const group, bad = 128, 77
	errs := make([]error, group)
	var all sync.WaitGroup
	for n := range group {
		all.Go(func() {
			subject := "fine"
			if n == bad {
				subject = "poison"
			}
			_, errs[n] = i.Submit(context.Background(), nil, mail(fmt.Sprint("m", n), "a@b.example", subject))
		})
	}
	all.Wait()
	for n, err := range errs {
		if (err != nil) != (n == bad) || desk.IsPermanent(err) != (n == bad) {
			t.Errorf("message %d: %v", n, err)
		}
	}
	if err := errs[bad]; err == nil || !strings.Contains(err.Error(), "no such column") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("the sender hears %v", err)
	}
	if c := counts(t, w); c[desk.Accepted] != group-1 || len(c) != 1 {
		t.Errorf("ledger %v", c)
	}
	if n := i.InHand(); n != 0 {
		t.Errorf("%d are left in hand", n)
	}
	var troubles dto.Metric
	if err := i.metrics.Troubles.WithLabelValues("support").Write(&troubles); err != nil || troubles.Counter.GetValue() != 1 {
		t.Errorf("%v troubles, want 1: %v", troubles.Counter.GetValue(), err)
	}
	// A mailbox's batch is written with its cursor, and told to be taken apart.
	cursor := &desk.Cursor{Source: "support", Folder: "INBOX", UIDValidity: 1, LastUID: 2}
	if _, err := i.Submit(t.Context(), cursor, mail("b1", "a@b.example", "fine"), mail("b2", "a@b.example", "poison")); !desk.IsPermanent(err) {
		t.Errorf("a batch: %v", err)
	}
}

// A full house reads nothing beside its lanes: the task comes again.
func TestAFullReadingIsPassedOn(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("m1", "a@b.example", "hello")})
	if err != nil {
		t.Fatal(err)
	}
	i.reading.stop()
	entered, leave := make(chan bool, 2), make(chan bool)
	i.reading = newGroup(1, 1, 1, 0, func(_ context.Context, in []*part) ([]turn, error) {
		entered <- true
		<-leave
		return make([]turn, len(in)), nil
	})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(leave)
	other := func() { all.Go(func() { i.reading.do(context.Background(), &part{ctx: context.Background()}, 1) }) }
	other()
	<-entered
	other()
	for deadline := time.Now().Add(hang); len(i.reading.in) < 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not wait")
		}
	}
	if err := i.gather(t.Context(), Normal, task{Receipts: ids}); !errors.Is(err, desk.ErrBusy) {
		t.Errorf("a full reading: %v", err)
	}
	if c := counts(t, w); c[desk.Accepted] != 1 {
		t.Errorf("it was read beside the lanes: ledger %v", c)
	}
}
