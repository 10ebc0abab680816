package workers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/workers/broker/brokertest"
)

// hanging is an intake with a stage that hangs on messages with the subject
// "hang". The time of a task is up when the test says so.
type hanging struct {
	*Intake
	w     *watched
	heeds bool          // the stage comes back when its context ends
	free  chan struct{} // and else when this is closed
	on    func()        // called when it hangs

	mu    sync.Mutex
	at    time.Time
	tries int
	tasks map[int]context.CancelFunc
}

func newHanging(t *testing.T, d *Dispatch) *hanging {
	w := openBooks(t)
	h := &hanging{w: w, free: make(chan struct{}), at: time.Now(), tasks: map[int]context.CancelFunc{}}
	h.Intake = intake(t, w, d)
	t.Cleanup(sync.OnceFunc(func() { close(h.free) }))
	h.on = h.expire
	trap := pipeline.Stage{Name: "trap", Doc: "Hangs.", Run: func(ctx context.Context, p *pipeline.Pass) error {
		if p.Draft.Subject != "hang" {
			return nil
		}
		h.mu.Lock()
		h.tries++
		h.mu.Unlock()
		h.on()
		if !h.heeds {
			ctx = context.Background()
		}
		select {
		case <-h.free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	h.line = &pipeline.Line{Stages: append([]pipeline.Stage{trap}, pipeline.Standard()...)}
	h.clocked = clocked(h.line, nil)
	h.now = func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.at
	}
	n := 0
	h.limit = func(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		h.mu.Lock()
		defer h.mu.Unlock()
		n++
		task := n
		h.tasks[task] = cancel
		return ctx, func() {
			cancel()
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.tasks, task)
		}
	}
	return h
}

// expire ends the time of all tasks.
func (h *hanging) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, cancel := range h.tasks {
		cancel()
	}
}

// submit accepts good messages with one that hangs among them.
func (h *hanging) submit(t *testing.T) (ids []desk.ReceiptID, bad desk.ReceiptID) {
	t.Helper()
	var drafts []*desk.Draft
	for n := range 10 {
		subject := "help"
		if n == 4 {
			subject = "hang"
		}
		drafts = append(drafts, mail(fmt.Sprint("m", n), fmt.Sprintf("c%d@acme.example", n), subject))
	}
	ids, err := h.Submit(t.Context(), nil, drafts...)
	if err != nil {
		t.Fatal(err)
	}
	return ids, ids[4]
}

// isolated fails unless all are filed but the bad one, which says why not.
func (h *hanging) isolated(t *testing.T, bad desk.ReceiptID, want string) {
	t.Helper()
	if c := counts(t, h.w); c[desk.Filed] != 9 || c[desk.Failed] != 1 {
		t.Errorf("ledger %v", c)
	}
	r, err := h.w.Receipt(t.Context(), bad)
	if err != nil || r.State != desk.Failed || r.Attempts != h.set.Attempts || !strings.Contains(r.Reason, want) {
		t.Errorf("the bad one: %s %q after %d attempts, %v", r.State, r.Reason, r.Attempts, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tries != h.set.Attempts {
		t.Errorf("tried %d times", h.tries)
	}
}

// A message on which a stage hangs is failed after the named attempts, whether the
// stage heeds its context or not; its neighbours are filed after the first.
func TestAMessageThatHangsIsIsolated(t *testing.T) {
	for name, heeds := range map[string]bool{"heeding": true, "deaf": false} {
		t.Run(name, func(t *testing.T) {
			h := newHanging(t, nil)
			h.heeds = heeds
			ids, bad := h.submit(t)
			for n := range h.set.Attempts {
				if err := h.Process(t.Context(), ids); err != nil {
					t.Fatal(err)
				}
				if c := counts(t, h.w); c[desk.Filed] != 9 {
					t.Fatalf("ledger %v after %d attempts", c, n+1)
				}
			}
			h.isolated(t, bad, "it did not finish within 2m0s")
		})
	}
}

// Who is told to stop counts nothing.
func TestAStopIsNoAttempt(t *testing.T) {
	h := newHanging(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	h.heeds, h.on = true, stop
	ids, bad := h.submit(t)
	if err := h.Process(ctx, ids); err == nil {
		t.Error("said that it is done")
	}
	if r, err := h.w.Receipt(t.Context(), bad); err != nil || r.State != desk.Accepted || r.Attempts != 0 {
		t.Errorf("%s after %d attempts, %v", r.State, r.Attempts, err)
	}
}

// What the sweep brings while one hangs in the line is filed without it.
func TestNobodyHangsOnTheSameMessageBesides(t *testing.T) {
	h := newHanging(t, nil)
	hangs := make(chan struct{}, 2)
	h.on = func() { hangs <- struct{}{} }
	ids, bad := h.submit(t)
	first := make(chan error, 1)
	go func() { first <- h.Process(context.WithoutCancel(t.Context()), ids) }()
	<-hangs
	h.mu.Lock()
	h.at = h.at.Add(h.set.SweepAfter)
	h.mu.Unlock()
	second := make(chan error, 1)
	go func() { second <- h.Process(t.Context(), ids) }()
	select {
	case err := <-second:
		if err != nil {
			t.Fatal(err)
		}
	case <-hangs:
		t.Fatal("it hangs on it too")
	}
	if c := counts(t, h.w); c[desk.Filed] != 9 || c[desk.Accepted] != 1 {
		t.Errorf("ledger %v", c)
	}
	h.expire()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if r, err := h.w.Receipt(t.Context(), bad); err != nil || r.State != desk.Accepted || r.Attempts != 1 {
		t.Errorf("%s after %d attempts, %v", r.State, r.Attempts, err)
	}
}

// The same through the queue: the one that hangs goes alone.
func TestAMessageThatHangsIsIsolatedThroughTheQueue(t *testing.T) {
	b, d := queued(t, brokertest.Embedded(t))
	h := newHanging(t, d)
	h.set.Attempts = 3
	srv := NewServer(h.Intake, b.AsynqOpt(), h.w, time.Now, h.log, h.set)
	srv.jobs = nil // no sweep: the clock of the intake stands still
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	ids, bad := h.submit(t)
	for deadline := time.Now().Add(hang); ; time.Sleep(10 * time.Millisecond) {
		if c := counts(t, h.w); c[desk.Accepted] == 0 && len(ids) > 0 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("ledger %v", c)
		}
	}
	h.isolated(t, bad, "isolated: none of 3 attempts to file it finished within 2m0s")
}

// Between its attempts, and while it hangs, no sweep brings a message to other processes,
// which would hang on it too; when the attempt must be over, one does.
func TestWhatHangsStaysWithOneProcess(t *testing.T) {
	_, d := queued(t, brokertest.Embedded(t))
	h := newHanging(t, d)
	h.heeds = true
	ids, bad := h.submit(t)
	if err := h.Process(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	r, err := h.w.Receipt(t.Context(), bad)
	if err != nil || r.State != desk.Accepted || r.Attempts != 1 {
		t.Fatalf("%s after %d attempts, %v", r.State, r.Attempts, err)
	}
	swept := func(after time.Duration) bool {
		t.Helper()
		now := h.at.Add(after)
		got, err := h.w.Stale(t.Context(), r.Source, now.Add(-h.set.SweepAfter), now.Add(-min(h.set.SweepAgain, 2*h.set.SweepAfter)), now, 100)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(got, bad)
	}
	if swept(h.set.TaskTimeout) {
		t.Error("a sweep takes it while its attempt lasts")
	}
	if !swept(h.set.TaskTimeout + 3*h.set.SweepAfter) {
		t.Error("no sweep takes it when its attempt is over")
	}
}

// A line that moves hangs on nothing, whatever is in it when a task's time is up.
func TestALineThatMovesBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := desk.ReceiptID("one"), desk.ReceiptID("two")
		var l inLine
		if l.hangs() != nil {
			t.Error("an empty line hangs")
		}
		l.enter(&one, time.Now())
		go func() {
			time.Sleep(hangFor / 2)
			l.enter(&two, time.Now())
		}()
		if id := l.hangs(); id != nil {
			t.Errorf("blamed %s", *id)
		}
		if id := l.hangs(); id != &two {
			t.Error("stands still, and nobody is blamed")
		}
	})
}

// A reading hangs on one message, goes on, and hangs on the next: the attempt of each is
// counted, once.
func TestEachMessageAReadingHangsOnIsCounted(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("1", "a@b.example", "x"), mail("2", "b@b.example", "x")})
	if err != nil {
		t.Fatal(err)
	}
	line := &inLine{}
	for n := range ids {
		line.enter(&ids[n], i.now())
		for range 2 { // tasks that are in the reading
			p := &part{ctx: t.Context()}
			p.line.Store(line)
			if err := i.overdue(t.Context(), task{}, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	rs, err := w.Receipts(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range rs {
		if r.Attempts != 1 {
			t.Errorf("message %d: %d attempts, want 1", n, r.Attempts)
		}
	}
}
