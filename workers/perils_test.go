package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"switchboard/pipeline/desk"
)

// killed delivers at the same time, in a process that may die of it.
func (p *post) killed(ids ...desk.MessageID) {
	p.Helper()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() { _ = p.Deliver(context.Background(), id) })
	}
	all.Wait()
}

// dying are books that hear nothing more of a process that died.
type dying struct {
	DeliveryBooks
	dead atomic.Bool
}

var errDead = errors.New("this process is dead")

func (d *dying) TakeToSend(ctx context.Context, id desk.MessageID, now time.Time, patience time.Duration, holder string) (*desk.Outgoing, error) {
	if d.dead.Load() {
		return nil, errDead
	}
	return d.DeliveryBooks.TakeToSend(ctx, id, now, patience, holder)
}

func (d *dying) Delivered(ctx context.Context, id desk.MessageID, proof desk.Proof) error {
	if d.dead.Load() {
		return errDead
	}
	return d.DeliveryBooks.Delivered(ctx, id, proof)
}

func (d *dying) Postpone(ctx context.Context, id desk.MessageID, try int, state desk.SendState, reason string, until time.Time) error {
	if d.dead.Load() {
		return errDead
	}
	return d.DeliveryBooks.Postpone(ctx, id, try, state, reason, until)
}

// An answer that ends its worker each time fails after the named tries, alone and
// loudly; those that were in hand beside it are sent.
func TestAnAnswerThatKillsItsWorkerIsIsolated(t *testing.T) {
	p := newPost(t)
	books := &dying{DeliveryBooks: p.w}
	p.Delivery.books = books
	var mu sync.Mutex
	var tries, sent int
	poisoned := func(r *desk.Reply) bool { return r.Message.Text == "poison" }
	together := sync.NewCond(&mu)
	inHand := 0
	p.sender = sends(func(r *desk.Reply) (desk.Proof, error) {
		mu.Lock()
		defer mu.Unlock()
		if tries < apart { // all of them are in hand when it kills the worker
			inHand++
			together.Broadcast()
			for inHand%4 != 0 && !books.dead.Load() {
				together.Wait()
			}
			books.dead.Store(true)
			if poisoned(r) {
				tries++
			}
			return desk.Proof{}, errors.New("died")
		}
		if poisoned(r) {
			tries++
			books.dead.Store(true)
			return desk.Proof{}, errors.New("died")
		}
		sent++
		return desk.Proof{ExternalID: string(r.Message.ID)}, nil
	})
	var ids []desk.MessageID
	for n := range 4 {
		r, err := intake(t, p.w, nil).FileNow(t.Context(), mail(fmt.Sprint("q", n), fmt.Sprintf("c%d@acme.example", n), "help"))
		p.must(err)
		p.ticket = r.TicketID
		ids = append(ids, p.answer(func(m *desk.Message) {
			if n == 3 {
				m.Text = "poison"
			}
		}))
	}
	poison := ids[3]
	for life := 0; p.message(poison).Send != desk.SendFailed; life++ {
		if life > 20 {
			t.Fatalf("never isolated: %d tries", tries)
		}
		mu.Lock()
		books.dead.Store(false)
		inHand = 0
		mu.Unlock()
		p.killed(ids...)
		p.pass(p.set.Patience)
	}
	if tries != p.set.Attempts || sent != 3 {
		t.Errorf("%d workers died, %d were sent", tries, sent)
	}
	for _, id := range ids[:3] {
		p.state(id, desk.SendSent)
	}
	if m := p.message(poison); !strings.Contains(m.SendError, "isolated: each of 5 tries") || !strings.Contains(m.SendError, "may have gone out") {
		t.Errorf("it says %q", m.SendError)
	}
	if got := p.failures(); len(got) != 1 || !strings.HasPrefix(got[0], "send: isolated") {
		t.Errorf("the ticket says %q", got)
	}
	p.pass(time.Hour)
	p.must(p.All(t.Context(), p.clock()))
	if tries != p.set.Attempts {
		t.Error("tried again")
	}
}

// Returned errors have their own rules and count for nothing here.
func TestAnErrorIsNoDeath(t *testing.T) {
	p := newPost(t)
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) { return desk.Proof{}, errors.New("connection refused") })
	id := p.answer()
	for range 2 * p.set.Attempts {
		p.deliver(id)
		p.pass(2 * p.set.MostRetry)
		p.state(id, desk.SendQueued)
		if p.clock().Sub(p.message(id).CreatedAt) > 18*time.Hour {
			break
		}
	}
	if n, err := p.w.Begun(t.Context(), id); err != nil || n != 0 {
		t.Error(n, err)
	}
}

// What a dead worker was sending is probed at once, and never sent blindly.
func TestADeadWorkersAnswersAreProbedAtOnce(t *testing.T) {
	p := newPost(t)
	sent, probed := 0, 0
	p.sender = probes{func(*desk.Reply) (desk.Proof, error) {
		sent++
		return desk.Proof{}, nil
	}, func(*desk.Reply) (desk.Proof, bool, error) {
		probed++
		return desk.Proof{ExternalID: "it arrived"}, true, nil
	}}
	id := p.answer()
	_, err := p.w.TakeToSend(t.Context(), id, p.clock(), p.set.Patience, "dead")
	p.must(err)
	p.deliver(id)
	p.state(id, desk.SendSending)
	p.must(p.abandoned(t.Context(), "dead"))
	p.deliver(id)
	p.state(id, desk.SendSent)
	if sent != 0 || probed != 1 {
		t.Errorf("sent %d times, probed %d times", sent, probed)
	}
}

// A process that is paused between taking an answer and sending it, and is taken
// for dead, leaves it to who has it now.
func TestWhoWasTakenForDeadDoesNotSend(t *testing.T) {
	p := newPost(t)
	p.Delivery.holder = func() string { return "paused" }
	other := *p.Delivery
	other.holder = nil
	sent, probed := 0, 0
	send := func(*desk.Reply) (desk.Proof, error) {
		sent++
		return desk.Proof{ExternalID: fmt.Sprint("x", sent)}, nil
	}
	id := p.answer()
	p.must(p.w.Postpone(t.Context(), id, 0, desk.SendUnknown, "cut off", p.clock()))
	p.sender = probes{send, func(*desk.Reply) (desk.Proof, bool, error) {
		if probed++; probed == 1 { // the paused one; meanwhile:
			p.pass(10 * time.Second)
			p.must(p.abandoned(t.Context(), "paused"))
			p.must(other.Deliver(t.Context(), id))
		}
		return desk.Proof{}, false, nil
	}}
	p.deliver(id)
	p.state(id, desk.SendSent)
	if sent != 1 || probed != 2 || p.message(id).ExternalID != "x1" {
		t.Errorf("sent %d times, probed %d times, proof %q", sent, probed, p.message(id).ExternalID)
	}
}

// A sender that heeds nobody does not keep its worker: the answer is unknown, and
// the proof that it brings late is kept.
func TestASenderThatHangsMayHaveSent(t *testing.T) {
	p := newPost(t)
	p.set.SendTimeout = 20 * time.Millisecond
	free := make(chan struct{})
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) {
		<-free
		return desk.Proof{ExternalID: "late"}, nil
	})
	id := p.answer()
	p.deliver(id)
	p.state(id, desk.SendUnknown)
	if m := p.message(id); !strings.Contains(m.SendError, "did not come back within 20ms") {
		t.Errorf("it says %q", m.SendError)
	}
	close(free)
	for p.message(id).Send != desk.SendSent {
		runtime.Gosched()
	}
	if m := p.message(id); m.ExternalID != "late" {
		t.Errorf("proof %q", m.ExternalID)
	}
}

// What a process had in hand that only slept may still go out: where nobody can
// ask whether it did, its time is waited for; where the channel can be asked, not.
func TestWhatCannotBeAskedForWaitsForTheDead(t *testing.T) {
	p := newPost(t)
	var sent atomic.Int32
	mails := sends(func(*desk.Reply) (desk.Proof, error) {
		sent.Add(1)
		return desk.Proof{ExternalID: "<1>"}, nil
	})
	left := func() desk.MessageID {
		t.Helper()
		id := p.answer()
		_, err := p.w.TakeToSend(t.Context(), id, p.clock(), p.set.Patience, "asleep")
		p.must(err)
		p.must(p.abandoned(t.Context(), "asleep"))
		return id
	}
	p.sender = mails
	id := left()
	for range 20 { // however often it is looked at, and none of that is a death
		p.deliver(id)
		p.pass(time.Second)
	}
	p.state(id, desk.SendUnknown)
	if sent.Load() != 0 {
		t.Fatalf("sent %d times while the other may still send", sent.Load())
	}
	p.pass(p.set.Patience)
	p.deliver(id)
	p.state(id, desk.SendSent)

	p.sender = probes{mails, func(*desk.Reply) (desk.Proof, bool, error) { return desk.Proof{}, false, nil }}
	id = left()
	p.deliver(id)
	p.state(id, desk.SendSent)
	if sent.Load() != 2 {
		t.Errorf("sent %d times, want each once", sent.Load())
	}
}

// So does one that is paused while its sender waits: what the sender asks last is
// whether the answer is still its own.
func TestWhoWasTakenForDeadWhileSendingLetsNothingGo(t *testing.T) {
	p := newPost(t)
	p.sentByAnother(func() { p.pass(10 * time.Second) })
}

// A machine that slept while a sender waited does not know it by the time of the books,
// which is carried on by a clock that a sleep stops.
func TestWhoSleptWhileSendingLetsNothingGo(t *testing.T) {
	for name, slept := range map[string]time.Duration{"slept": 10 * time.Minute, "slept, and its clock was set back": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			wall := p.clock()
			p.Delivery.wall = func() time.Time { return wall }
			p.sentByAnother(func() { wall = wall.Add(slept) })
		})
	}
}

// sentByAnother has a try taken for dead while its sender works, and its answer sent by
// another process meanwhile; it lets nothing go. pause is what it does not notice.
func (p *post) sentByAnother(pause func()) {
	p.Helper()
	p.Delivery.holder = func() string { return "paused" }
	other := *p.Delivery
	other.holder = nil
	began, sent := 0, 0
	id := p.answer()
	p.sender = probes{sends(func(r *desk.Reply) (desk.Proof, error) {
		if began++; began == 1 { // the paused one; meanwhile:
			pause()
			p.must(p.abandoned(p.Context(), "paused"))
			p.must(other.Deliver(p.Context(), id))
		}
		if err := r.Leaves(p.Context()); err != nil {
			return desk.Proof{}, err
		}
		sent++
		return desk.Proof{ExternalID: fmt.Sprint("x", began)}, nil
	}), func(*desk.Reply) (desk.Proof, bool, error) { return desk.Proof{}, false, nil }}
	p.deliver(id)
	p.state(id, desk.SendSent)
	if began != 2 || sent != 1 || p.message(id).SendError != "" {
		p.Errorf("begun %d times, sent %d times, %q", began, sent, p.message(id).SendError)
	}
}

// The proof of what was sent waits for books that are away, as long as the message is
// the try's own, and no longer.
func TestAProofWaitsForTheBooks(t *testing.T) {
	for name, c := range map[string]struct {
		away time.Duration
		kept bool
	}{"a restart": {30 * time.Second, true}, "too long": {time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				books := &forgetful{until: start.Add(c.away)}
				d := NewDelivery(DeliveryParts{Books: books, Now: time.Now, Log: slog.New(slog.DiscardHandler), Settings: DefaultDelivery()})
				a := &attempt{d: d, out: &desk.Outgoing{}, taken: time.Now()}
				a.m = &a.out.Reply.Message
				if err := a.delivered(desk.Proof{ExternalID: "x"}); (err == nil) != c.kept || books.kept != c.kept {
					t.Errorf("kept %t, %v", books.kept, err)
				}
				if took := time.Since(start); took > d.set.Patience || took > c.away+keepMost {
					t.Errorf("after %s", took)
				}
			})
		})
	}
}

// forgetful are books that are away for a while.
type forgetful struct {
	DeliveryBooks
	until time.Time
	kept  bool
}

func (f *forgetful) Delivered(context.Context, desk.MessageID, desk.Proof) error {
	if time.Now().Before(f.until) {
		return desk.ErrUnavailable
	}
	f.kept = true
	return nil
}

// Of two that tell of two edits the one with the older may come last. What the other
// side shows in the end is the newer.
func TestTheNewestWordsAreToldLast(t *testing.T) {
	p := newPost(t)
	id := p.answer()
	shown := ""
	send := sends(func(*desk.Reply) (desk.Proof, error) { return desk.Proof{ExternalID: "x1", At: p.clock()}, nil })
	revise := func(text string) {
		t.Helper()
		p.pass(time.Minute)
		_, err := p.w.Revise(t.Context(), p.ticket, desk.Revision{Message: id, Act: desk.ActEdit, Text: text, At: p.clock()}, desk.Actor{Kind: desk.ByAgent, ID: "bob"}, nil)
		p.must(err)
	}
	other := *p.Delivery
	p.sender = edits{send, func(_, _, text string) error {
		if text == "older" && shown == "" { // and before it is told:
			shown = "nothing yet"
			revise("newer")
			p.must(other.Deliver(t.Context(), id))
		}
		shown = text
		return nil
	}}
	p.deliver(id)
	revise("older")
	p.deliver(id)
	for range 3 {
		p.pass(time.Hour)
		p.must(p.All(t.Context(), p.clock()))
	}
	if m := p.message(id); shown != "newer" || m.Text != "newer" {
		t.Errorf("shown is %q, the ticket says %q", shown, m.Text)
	}
}
