package workers

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// fakeHouse is a fleet's leases and the rows it retains, and a clock that goes
// when it is told to.
type fakeHouse struct {
	mu      sync.Mutex
	at      time.Time
	leases  map[string]fakeLease
	walked  time.Time
	calls   []string
	take    map[string]func() (int64, bool, error)
	answers error // of the leases
	tick    chan time.Time
	asked   int // for a lease
	more    *sync.Cond
}

type fakeLease struct {
	holder string
	token  int64
	until  time.Time
}

func newFakeHouse() *fakeHouse {
	f := &fakeHouse{at: time.Unix(1e9, 0), leases: map[string]fakeLease{}, take: map[string]func() (int64, bool, error){}, tick: make(chan time.Time)}
	f.more = sync.NewCond(&f.mu)
	return f
}

func (f *fakeHouse) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *fakeHouse) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = f.at.Add(d)
}

func (f *fakeHouse) broken(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = err
}

func (f *fakeHouse) ticks(time.Duration) (<-chan time.Time, func()) { return f.tick, func() {} }

// renews makes the lease be renewed, and waits until it is: the second renewal
// begins when the first is done, and has looked at the clock when it asks.
func (f *fakeHouse) renews() {
	f.mu.Lock()
	asked := f.asked
	f.mu.Unlock()
	f.tick <- time.Time{}
	f.tick <- time.Time{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.asked < asked+2 {
		f.more.Wait()
	}
}

func (f *fakeHouse) Acquire(_ context.Context, name, holder string, now time.Time, ttl time.Duration) (int64, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	f.more.Broadcast()
	l := f.leases[name]
	if f.answers != nil || l.holder != holder && l.until.After(now) {
		return 0, false, f.answers
	}
	if l.holder != holder {
		l.token++
	}
	l.holder, l.until = holder, now.Add(ttl)
	f.leases[name] = l
	return l.token, true, nil
}

func (f *fakeHouse) Release(_ context.Context, name, holder string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.leases[name]; l.holder == holder {
		f.leases[name] = fakeLease{token: l.token + 1}
	}
	return nil
}

func (f *fakeHouse) takes(kind string) (int64, bool, error) {
	f.calls = append(f.calls, kind)
	if take := f.take[kind]; take != nil {
		return take()
	}
	return 0, false, nil
}

func (f *fakeHouse) RetireDrafts(context.Context, time.Time, int) (int64, bool, error) {
	return f.takes("drafts")
}
func (f *fakeHouse) RetireLedger(context.Context, time.Time, int) (int64, bool, error) {
	return f.takes("ledger")
}
func (f *fakeHouse) RetireRaw(context.Context, time.Time, int) (int64, bool, error) {
	return f.takes("raw")
}
func (f *fakeHouse) RetireEvents(context.Context, time.Time, int) (int64, bool, error) {
	return f.takes("events")
}
func (f *fakeHouse) RetireRevisions(context.Context, time.Time, int) (int64, bool, error) {
	return f.takes("revisions")
}
func (f *fakeHouse) RetiredAt(context.Context, string) (time.Time, error) { return f.walked, nil }
func (f *fakeHouse) MarkRetired(_ context.Context, _ string, at time.Time) error {
	f.walked = at
	return nil
}

func (f *fakeHouse) retain(holder string) *Retain {
	hour := time.Hour
	return &Retain{Books: f, Holder: holder, Now: f.now, Log: slog.New(slog.DiscardHandler), ticks: f.ticks,
		Set: RetainSettings{Drafts: hour, Ledger: hour, Raw: hour, Events: hour, Revisions: hour, Every: 10 * time.Minute, Batch: 2}}
}

func (f *fakeHouse) orphans(holder string, walk func(context.Context, time.Time, func() error) (int64, int64, error)) *Orphans {
	return &Orphans{Books: f, Walk: walk, Holder: holder, Now: f.now, Log: slog.New(slog.DiscardHandler), ticks: f.ticks,
		Set: RetainSettings{Orphans: time.Hour, OrphansEvery: 24 * time.Hour, Every: 10 * time.Minute}}
}

// A lease is kept for as long as the work takes, and then for a while; who is told
// to stop gives it back at once.
func TestLeaseIsRenewed(t *testing.T) {
	f := newFakeHouse()
	other := func() bool {
		_, ok, err := f.Acquire(t.Context(), "x", "other", f.now(), time.Minute)
		return ok && err == nil
	}
	l := &lease{books: f, name: "x", holder: "one", now: f.now, ticks: f.ticks}
	keep := func() time.Duration { return 10 * time.Minute }
	mine, err := l.do(t.Context(), func(_ context.Context, held held) error {
		for range 100 {
			f.pass(30 * time.Second)
			f.broken(errors.New("down"))
			f.renews()
			f.broken(nil)
			f.pass(15 * time.Second)
			f.renews()
			if held() != nil || other() {
				t.Fatal("the lease was lost while it was renewed")
			}
		}
		return nil
	}, keep)
	if !mine || err != nil {
		t.Errorf("%t, %v", mine, err)
	}
	if f.pass(9 * time.Minute); other() {
		t.Error("another could do the same at once")
	}
	if f.pass(2 * time.Minute); !other() {
		t.Error("nobody can go on")
	}
	f.pass(2 * time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	if _, err := l.do(ctx, func(ctx context.Context, _ held) error { stop(); return ctx.Err() }, keep); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if !other() {
		t.Error("who stopped kept the lease")
	}
}

// Who lost the lease takes nothing more away, however it comes to know of it.
func TestWhoLostTheLeaseTakesNothing(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, f *fakeHouse){
		"it slept": func(t *testing.T, f *fakeHouse) { f.pass(leaseFor) },
		"another has it": func(t *testing.T, f *fakeHouse) {
			f.Release(t.Context(), retainLease, "one")
			f.Acquire(t.Context(), retainLease, "two", f.now(), time.Hour)
			f.tick <- time.Time{}
		},
		"another had it": func(t *testing.T, f *fakeHouse) {
			f.Release(t.Context(), retainLease, "one")
			f.tick <- time.Time{}
		},
		"the books do not answer": func(t *testing.T, f *fakeHouse) {
			f.broken(errors.New("down"))
			f.pass(leaseFor)
			f.tick <- time.Time{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeHouse()
			r := f.retain("one")
			f.take["drafts"] = func() (int64, bool, error) {
				lose(t, f)
				return 1, true, nil
			}
			// A rest is when a loss that a renewal found stops the work.
			r.rest = func(ctx context.Context, _ time.Duration) error {
				if name != "it slept" {
					<-ctx.Done()
				}
				return nil
			}
			if err := r.Once(t.Context(), f.now()); !errors.Is(err, desk.ErrLeaseLost) || len(f.calls) != 1 {
				t.Errorf("%v after %v", err, f.calls)
			}
		})
	}
}

// A kind with much to do lets the others take turns, and one that fails stops
// nobody. Who takes nothing need not rest.
func TestKindsTakeTurns(t *testing.T) {
	f := newFakeHouse()
	r := f.retain("one")
	left := 3
	f.take["drafts"] = func() (int64, bool, error) { left--; f.pass(time.Second); return 2, left > 0, nil }
	f.take["raw"] = func() (int64, bool, error) { return 0, false, errors.New("a broken row") }
	f.take["ledger"] = func() (int64, bool, error) { f.pass(2 * time.Second); return 2, left > 1, nil }
	var rests []time.Duration
	r.rest = func(_ context.Context, took time.Duration) error { rests = append(rests, took); return nil }
	err := r.Once(t.Context(), f.now())
	if err == nil || err.Error() != "raw: a broken row" {
		t.Error(err)
	}
	want := []string{"drafts", "raw", "events", "revisions", "ledger", "drafts", "ledger", "drafts"}
	if len(f.calls) != len(want) {
		t.Fatalf("calls %v, want %v", f.calls, want)
	}
	for i := range want {
		if f.calls[i] != want[i] {
			t.Fatalf("calls %v, want %v", f.calls, want)
		}
	}
	if len(rests) != 5 || rests[0] != time.Second || rests[1] != 2*time.Second {
		t.Errorf("rests after %v", rests)
	}
}

// While one walks for hours all other retention goes on, nobody else walks, and
// what the walk does after it lost its lease is refused.
func TestOrphansHinderNobody(t *testing.T) {
	f := newFakeHouse()
	two := f.orphans("two", func(context.Context, time.Time, func() error) (int64, int64, error) {
		t.Error("two walk at once")
		return 0, 0, nil
	})
	one := f.orphans("one", func(_ context.Context, _ time.Time, held func() error) (int64, int64, error) {
		for range 5 {
			f.pass(50 * time.Second)
			f.renews()
			if err := errors.Join(two.Once(t.Context(), f.now()), held()); err != nil {
				t.Error(err)
			}
		}
		rows := f.retain("two")
		rows.ticks = nil
		if err := rows.Once(t.Context(), f.now()); err != nil || len(f.calls) != 5 {
			t.Errorf("beside the walk: %v, %v", f.calls, err)
		}
		f.pass(leaseFor)
		return 0, 0, held()
	})
	if err := one.Once(t.Context(), f.now()); !errors.Is(err, desk.ErrLeaseLost) || !f.walked.IsZero() {
		t.Errorf("a lost walk: %v, done %s", err, f.walked)
	}
}

// A walk that fails, as on a full disk, is not begun again before as much time as
// it took, by nobody; one that ended is not before its time.
func TestAFailedWalkRests(t *testing.T) {
	f := newFakeHouse()
	full, walks := errors.New("no space left on device"), 0
	walk := func(context.Context, time.Time, func() error) (int64, int64, error) {
		if walks++; walks > 1 {
			return 0, 0, nil
		}
		for range 60 {
			f.pass(time.Minute - time.Second)
			f.renews()
		}
		return 0, 0, full
	}
	one, two := f.orphans("one", walk), f.orphans("two", walk)
	if err := one.Once(t.Context(), f.now()); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	both := func() {
		t.Helper()
		if err := errors.Join(one.Once(t.Context(), f.now()), two.Once(t.Context(), f.now())); err != nil {
			t.Error(err)
		}
	}
	if f.pass(50 * time.Minute); walks != 1 {
		t.Fatalf("%d walks", walks)
	}
	if both(); walks != 1 {
		t.Error("a walk was begun again too early")
	}
	f.pass(time.Hour)
	if both(); walks != 2 || !f.walked.Equal(f.now()) {
		t.Errorf("%d walks, noted %s", walks, f.walked)
	}
	f.pass(23 * time.Hour)
	if both(); walks != 2 {
		t.Error("it is not due")
	}
}

// The rest after a batch makes it the share that is allowed.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		pace       Pace
		took, rest time.Duration
	}{
		{Pace{Share: 0.25}, 10 * time.Millisecond, 30 * time.Millisecond},
		{Pace{Share: 0.5, Least: 5 * time.Millisecond}, time.Second, time.Second},
		{Pace{Share: 0.5, Least: 5 * time.Millisecond}, time.Millisecond, 5 * time.Millisecond},
		{Pace{Share: 1}, time.Second, 0},
		{Pace{Share: 0.25, Least: time.Millisecond}, -time.Hour, time.Millisecond}, // a clock was set back
	} {
		if got := c.pace.after(c.took); got != c.rest {
			t.Errorf("%+v after %s: %s, want %s", c.pace, c.took, got, c.rest)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := (Pace{Share: 0.01}).Rest(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
