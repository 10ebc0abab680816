package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// counted is a store that says for how many receipts it was asked at a time.
type counted struct {
	*watched
	mu    sync.Mutex
	asked []int
	hook  func(ids []desk.ReceiptID) error
}

func (c *counted) Unsettled(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error) {
	c.mu.Lock()
	c.asked = append(c.asked, len(ids))
	c.mu.Unlock()
	if err := c.hook(ids); err != nil {
		return nil, err
	}
	return c.Store.Unsettled(ctx, ids)
}

// readTogether runs one task, which is held while four others come, lets it go,
// and returns what became of the five. Each has five messages, of conversations
// that go through all of them.
func readTogether(t *testing.T, i *Intake, c *counted) []error {
	t.Helper()
	const tasks, each = 5, 5
	entered, leave := make(chan bool, 1), make(chan bool)
	first, after := true, c.hook
	c.hook = func(ids []desk.ReceiptID) error {
		if c.mu.Lock(); first {
			first = false
			c.mu.Unlock()
			entered <- true
			<-leave
			return nil
		}
		c.mu.Unlock()
		return after(ids)
	}
	i.books = c
	i.reading.stop()
	i.reading = newGroup(1, 100, 1000, 0, i.readGroup)
	errs := make([]error, tasks)
	var all sync.WaitGroup
	for of := range tasks {
		var ids []desk.ReceiptID
		for m := range each {
			var refs []string
			if of > 0 {
				refs = []string{fmt.Sprint("0-", m)}
			}
			got, err := i.accept(t.Context(), nil, []*desk.Draft{mail(fmt.Sprint(of, "-", m), fmt.Sprint("c", m, "@b.example"), "x", refs...)})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, got...)
		}
		if of == 1 {
			<-entered
		}
		all.Go(func() { errs[of] = i.gather(context.Background(), Normal, task{Receipts: ids}) })
		if of == 0 {
			continue
		}
		for deadline := time.Now().Add(hang); len(i.reading.in) < of; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d tasks wait, want %d", len(i.reading.in), of)
			}
		}
	}
	close(leave)
	all.Wait()
	return errs
}

func TestWaitingTasksAreReadTogether(t *testing.T) {
	w := openBooks(t)
	i, c := intake(t, w, nil), &counted{watched: w, hook: func([]desk.ReceiptID) error { return nil }}
	if err := errors.Join(readTogether(t, i, c)...); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.asked, []int{5, 20}) {
		t.Errorf("the books were asked for %v receipts, want 5 and the other 20 at once", c.asked)
	}
	if tickets, messages := everything(t, w); tickets != 5 || messages != 25 {
		t.Errorf("%d tickets with %d messages, want 5 with 25", tickets, messages)
	}
}

func TestAReadingThatFailsIsTakenApart(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("one of you is bad") },
		"panic": func() error { panic("one of you is bad") },
	} {
		t.Run(name, func(t *testing.T) {
			w := openBooks(t)
			i, c := intake(t, w, nil), &counted{watched: w, hook: func(ids []desk.ReceiptID) error {
				if len(ids) > 5 {
					return fail()
				}
				return nil
			}}
			if err := errors.Join(readTogether(t, i, c)...); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.asked, []int{5, 20, 5, 5, 5, 5}) {
				t.Errorf("the books were asked for %v receipts, want each task's alone in the end", c.asked)
			}
			if n := counts(t, w)[desk.Filed]; n != 25 {
				t.Errorf("%d filed, want 25", n)
			}
		})
	}
}

func TestAReadingTheBooksDoNotAnswerIsNotTakenApart(t *testing.T) {
	w := openBooks(t)
	i, c := intake(t, w, nil), &counted{watched: w, hook: func(ids []desk.ReceiptID) error { return desk.ErrUnavailable }}
	for n, err := range readTogether(t, i, c) {
		if n > 0 && !errors.Is(err, desk.ErrUnavailable) {
			t.Errorf("task %d: %v", n, err)
		}
	}
	if !slices.Equal(c.asked, []int{5, 20}) {
		t.Errorf("the books were asked for %v receipts", c.asked)
	}
}

// What hangs in a lane keeps nobody else waiting for longer than its patience.
func TestALaneHasPatience(t *testing.T) {
	leave := make(chan bool)
	g := newPatient(1, 1, 10, 0, time.Millisecond, func(_ context.Context, in []int) ([]int, error) {
		if in[0] == 0 {
			<-leave
		}
		return in, nil
	})
	hangs := make(chan error, 1)
	go func() { _, err := g.do(context.Background(), 0, 1); hangs <- err }()
	for n := range 5 {
		if got, err := g.do(t.Context(), n+1, 1); err != nil || got != n+1 {
			t.Errorf("%d: %d, %v", n+1, got, err)
		}
	}
	select {
	case err := <-hangs:
		t.Errorf("what hangs ended with %v", err)
	default:
	}
	close(leave)
	if err := <-hangs; err != nil {
		t.Error(err)
	}
	g.stop()
}
