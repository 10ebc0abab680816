package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
)

// The line is cut again and again at random places, most of them inside a
// literal. Nothing truncated may ever be submitted, and all must arrive.
func TestCutAnywhere(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		var mails [][]byte
		for n := range 40 {
			mails = append(mails, rawMail(n, 200+n*n*60))
		}
		mails = append(mails, rawMail(40, 3<<20), rawMail(41, 300))
		box.DeliverMany("support", "INBOX", mails...)

		proxy := emailtest.CutProxy(t, box.Addr())
		random := rand.New(rand.NewPCG(7, 11))
		l := newLedger()
		cuts := 0
		a := newAdapter(t, l, account(proxy.Addr()), func(a *adapter) {
			// Each failure is followed by a pause; the next place to cut is set there.
			a.pace.sleep = func(ctx context.Context, _ time.Duration) {
				if cuts++; cuts < 60 {
					proxy.CutAfter(1 + random.Int64N(400<<10))
				} else {
					proxy.Heal()
				}
			}
		})
		proxy.CutAfter(5000)
		start(t, a)
		l.awaitRows(t, len(mails))
		l.exactly(t, mails)
		l.inOrder(t)
		if cuts < 5 {
			t.Errorf("only %d cuts", cuts)
		}
	})
}

// A large mail over a line that never lasts long: what came of it is kept from
// one connection to the next.
func TestLargeMailOverABadLine(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := [][]byte{rawMail(0, 8<<20), rawMail(1, 300)}
	box.DeliverMany("support", "INBOX", mails...)
	proxy := emailtest.CutProxy(t, box.Addr())
	proxy.CutAfter(3 << 20)
	l := newLedger()
	start(t, newAdapter(t, l, account(proxy.Addr())))
	l.awaitRows(t, 2)
	for i, d := range l.drafts() {
		if !bytes.Equal(l.blobs.get(t, d.Raw), mails[i]) {
			t.Errorf("mail %d is not whole", i)
		}
	}
}

func TestStalledPeerIsDropped(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		mails := rawMails(0, 30, 20000)
		box.DeliverMany("support", "INBOX", mails[:10]...)
		proxy := emailtest.CutProxy(t, box.Addr())
		l := newLedger()
		stalls := make(chan error, 100)
		a := newAdapter(t, l, account(proxy.Addr()), poll(50*time.Millisecond), func(a *adapter) {
			a.settings.Timeouts = timeouts{Connect: time.Second, Command: time.Second, Body: time.Second}
		})
		reached := make(chan struct{}, 100)
		a.pace.sleep = func(ctx context.Context, d time.Duration) {
			select {
			case reached <- struct{}{}:
			default:
			}
			_ = channels.Sleep(ctx, d)
		}
		start(t, a)
		l.awaitRows(t, 10)

		// In IDLE, then at every stage of a new connection: nothing comes any more,
		// and nothing fails by itself.
		proxy.BlackHole()
		box.DeliverMany("support", "INBOX", mails[10:20]...)
		for range 3 {
			select {
			case <-reached:
			case err := <-stalls:
				t.Fatal(err)
			case <-time.After(hang):
				t.Fatal("a stalled connection was not given up")
			}
		}
		proxy.Heal()
		l.awaitRows(t, 20)

		// In the middle of a body.
		proxy.CutAfter(1 << 30)
		proxy.BlackHoleDown()
		box.DeliverMany("support", "INBOX", mails[20:]...)
		<-reached
		proxy.Heal()
		l.awaitRows(t, 30)
		l.exactly(t, mails)
	})
}

func TestOneBadAccountDoesNotStallAnother(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	proxy := emailtest.CutProxy(t, box.Addr())
	proxy.BlackHole()
	bad := newLedger()
	start(t, newAdapter(t, bad, account(proxy.Addr())))
	bad.awaitHolder(t, "one")
	l := newLedger()
	start(t, newAdapter(t, l, account(box.Addr())))
	box.Deliver("support", "INBOX", rawMail(0, 100))
	l.awaitRows(t, 1)
}

func TestAnotherProcessTakesOver(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		mails := rawMails(0, 60, 500)
		l := newLedger()
		named := func(name string) func(*adapter) { return func(a *adapter) { a.Holder = name } }
		stopOne := start(t, newAdapter(t, l, account(box.Addr(), "batch: 3"), named("one")))
		l.awaitHolder(t, "one")
		stopTwo := start(t, newAdapter(t, l, account(box.Addr(), "batch: 3"), named("two")))
		box.DeliverMany("support", "INBOX", mails[:20]...)
		l.awaitRows(t, 5)
		stopOne() // in the middle, and orderly: the lease is given back
		l.awaitHolder(t, "two")
		box.DeliverMany("support", "INBOX", mails[20:40]...)
		l.awaitRows(t, 40)

		// Somebody takes the lease by force, as after a long pause of process two:
		// it must notice, and take up the work again when the lease is free.
		l.mu.Lock()
		l.holder["mailbox:support"], l.until["mailbox:support"] = "three", time.Now().Add(time.Hour)
		l.token["mailbox:support"]++
		waits := l.waits
		l.mu.Unlock()
		box.DeliverMany("support", "INBOX", mails[40:]...)
		l.await(t, "standing in line", func() bool { return l.waits > waits+2 })
		if got := len(l.drafts()); got != 40 {
			t.Errorf("%d rows while somebody else holds the lease", got)
		}
		if err := l.Release(t.Context(), "mailbox:support", "three"); err != nil {
			t.Fatal(err)
		}
		l.awaitRows(t, 60)
		stopTwo()
		l.exactly(t, mails)
		l.inOrder(t)
		if got := l.cursor("INBOX"); got.Token < 4 {
			t.Errorf("the cursor was last moved under token %d, want 4 or later", got.Token)
		}
	})
}

// While somebody else holds the lease nothing is submitted, even by a process
// that has not noticed yet.
func TestLostLeaseTakesNothing(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	l := newLedger()
	a := newAdapter(t, l, account(box.Addr()), func(a *adapter) { a.pace.leaseRenew = time.Hour })
	box.Deliver("support", "INBOX", rawMail(0, 100))
	start(t, a)
	l.awaitRows(t, 1)
	l.mu.Lock()
	l.holder["mailbox:support"], l.until["mailbox:support"] = "thief", time.Now().Add(time.Hour)
	l.token["mailbox:support"]++
	submits := l.submits
	l.mu.Unlock()
	box.Deliver("support", "INBOX", rawMail(1, 100))
	l.await(t, "a fenced submission", func() bool { return l.submits > submits })
	if got := len(l.drafts()); got != 1 {
		t.Errorf("%d rows while the lease is lost", got)
	}
	if err := l.Release(t.Context(), "mailbox:support", "thief"); err != nil {
		t.Fatal(err)
	}
	l.awaitRows(t, 2)
}

func TestWrongPasswordBacksOff(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "other")
		l := newLedger()
		times := 14
		if _, slow := box.(*emailtest.DovecotServer); slow { // it delays each refusal
			times = 5
		}
		waits := make(chan time.Duration, times)
		real := defaultPace()
		a := newAdapter(t, l, account(box.Addr()), func(a *adapter) {
			a.pace.retryMin, a.pace.retryMax, a.pace.retryAuth = real.retryMin, real.retryMax, real.retryAuth
			a.pace.sleep = func(ctx context.Context, d time.Duration) {
				select {
				case waits <- d:
				case <-ctx.Done():
				}
			}
		})
		stop := start(t, a)
		var got []time.Duration
		for range times {
			select {
			case d := <-waits:
				got = append(got, d)
			case <-time.After(hang):
				t.Fatalf("waits so far %v", got)
			}
		}
		go func() { // the ones after
			for range waits {
			}
		}()
		stop()
		close(waits)
		for i, d := range got {
			want := min(max(real.retryMin<<i, real.retryAuth), real.retryMax)
			if d > want || d < want*3/4 {
				t.Errorf("wait %d is %v, want up to a quarter less than %v", i, d, want)
			}
		}
		if len(l.drafts()) > 0 {
			t.Error("there are drafts")
		}
	})
}

func TestBackoffStaysWithinBounds(t *testing.T) {
	b := backoff{pace: defaultPace()}
	for range 100 {
		if d := b.next(0, 5*time.Minute); d < 0 || d > 5*time.Minute {
			t.Fatalf("wait %v", d)
		}
	}
	if d := b.next(0, 5*time.Minute); d < 3*time.Minute {
		t.Errorf("after 100 failures the wait is %v", d)
	}
	b.reset()
	if d := b.next(0, 5*time.Minute); d > time.Second {
		t.Errorf("after a success the first wait is %v", d)
	}
}

func TestReportsOfTheStoreDoNotCountAgainstTheServer(t *testing.T) {
	err := fmt.Errorf("email: %w", ours{errDown})
	if !isOurs(err) || !errors.Is(err, errDown) || isOurs(errDown) {
		t.Error("the mark is not seen")
	}
}

func TestMoveAfterFiling(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		mails := rawMails(0, 12, 300)
		box.DeliverMany("support", "INBOX", mails[:6]...)
		l := newLedger()
		verdict := func(d *desk.Draft) desk.State {
			switch d.ExternalID {
			case "1@customer.example":
				return desk.Dropped
			case "2@customer.example":
				return desk.Failed
			case "3@customer.example":
				return desk.Duplicate
			}
			return desk.Filed
		}
		stop := start(t, newAdapter(t, l, account(box.Addr(), "moveTo: Done"), poll(20*time.Millisecond)))
		l.awaitRows(t, 6)
		if got := subjects(t, box, "INBOX"); len(got) != 6 {
			t.Errorf("before filing INBOX holds %v", got)
		}
		l.settle(verdict)
		awaitFolder(t, box, "INBOX", 2)
		stop()

		// What comes and is filed while nobody listens is moved by the next one,
		// and so is what was submitted by the one before.
		box.DeliverMany("support", "INBOX", mails[6:]...)
		l.mu.Lock()
		l.states[l.rows[2].ID] = desk.Filed // replayed
		l.mu.Unlock()
		start(t, newAdapter(t, l, account(box.Addr(), "moveTo: Done"), poll(20*time.Millisecond)))
		l.awaitRows(t, 12)
		l.settle(func(d *desk.Draft) desk.State {
			if d.ExternalID == "1@customer.example" {
				return desk.Dropped
			}
			return desk.Filed
		})
		awaitFolder(t, box, "INBOX", 1)
		if got := subjects(t, box, "INBOX"); got[0] != "Mail 1" {
			t.Errorf("INBOX holds %v", got)
		}
		awaitFolder(t, box, "Done", 11)
		l.exactly(t, mails)
		if got := l.cursor("INBOX").LastUID; got != 12 {
			t.Errorf("cursor at %d", got)
		}
	})
}

// The line breaks while mails are being moved: none may be lost or doubled.
func TestMoveOverABadLine(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		mails := rawMails(0, 30, 300)
		box.DeliverMany("support", "INBOX", mails...)
		proxy := emailtest.CutProxy(t, box.Addr())
		l := newLedger()
		var once sync.Once
		a := newAdapter(t, l, account(proxy.Addr(), "moveTo: Done"), poll(20*time.Millisecond), func(a *adapter) {
			a.settings.Timeouts.Command = 3 * time.Second
			a.pace.sleep = func(ctx context.Context, d time.Duration) {
				once.Do(proxy.Heal)
				_ = channels.Sleep(ctx, d)
			}
		})
		start(t, a)
		l.awaitRows(t, 30)
		proxy.CutAfter(40) // within the answer to the next few commands
		l.settle(func(*desk.Draft) desk.State { return desk.Filed })
		awaitFolder(t, box, "INBOX", 0)
		awaitFolder(t, box, "Done", 30)
		l.exactly(t, mails)
	})
}
