package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// sends is a sender that is a function.
type sends func(r *desk.Reply) (desk.Proof, error)

func (s sends) Send(_ context.Context, r *desk.Reply) (desk.Proof, error) { return s(r) }

// probes is a sender that can look for what it sent.
type probes struct {
	sends
	probe func(r *desk.Reply) (desk.Proof, bool, error)
}

func (p probes) Probe(_ context.Context, r *desk.Reply) (desk.Proof, bool, error) { return p.probe(r) }

// edits is a sender that can change what it sent.
type edits struct {
	sends
	change func(what, externalID, text string) error
}

func (e edits) Edit(_ context.Context, r *desk.Reply, id string) error {
	return e.change("edit", id, r.Message.Text)
}
func (e edits) Remove(_ context.Context, r *desk.Reply, id string) error {
	return e.change("delete", id, "")
}

// post is a delivery on real books with a clock and a sender of the test's.
type post struct {
	*Delivery
	*testing.T
	w      *watched
	ticket desk.TicketID

	mu     sync.Mutex
	at     time.Time
	sender Sender
}

func newPost(t *testing.T) *post {
	t.Helper()
	w := openBooks(t)
	r, err := intake(t, w, nil).FileNow(t.Context(), mail("question", "ann@acme.example", "help"))
	if err != nil {
		t.Fatal(err)
	}
	p := &post{T: t, w: w, ticket: r.TicketID, at: time.Now().UTC()}
	p.Delivery = NewDelivery(DeliveryParts{Books: w, Senders: func(string) Sender { return p.sender }, Now: p.clock,
		Log: slog.New(slog.DiscardHandler), Settings: DefaultDelivery()})
	return p
}

func (p *post) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *post) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = p.at.Add(d)
}

func (p *post) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// answer puts a public answer into the outbox; set may spoil it.
func (p *post) answer(set ...func(*desk.Message)) desk.MessageID {
	p.Helper()
	p.pass(time.Millisecond)
	m := &desk.Message{ID: desk.NewID[desk.MessageID](p.at), TicketID: p.ticket, Direction: desk.Outbound, Public: true, Send: desk.SendQueued,
		Author: desk.Actor{Kind: desk.ByAgent, ID: "bob"}, Channel: desk.API, Source: "api", Scope: "EMAIL", Text: "try again", CreatedAt: p.at}
	for _, f := range set {
		f(m)
	}
	_, _, err := p.w.AddMessage(p.Context(), m, nil)
	p.must(err)
	return m.ID
}

func (p *post) deliver(ids ...desk.MessageID) {
	p.Helper()
	p.must(p.Deliver(p.Context(), ids...))
}

func (p *post) message(id desk.MessageID) *desk.Message {
	p.Helper()
	m, err := p.w.Message(p.Context(), id)
	p.must(err)
	return m
}

// state fails unless the message is in a state.
func (p *post) state(id desk.MessageID, want desk.SendState) {
	p.Helper()
	if m := p.message(id); m.Send != want {
		p.Fatalf("message is %q (%s), want %q", m.Send, m.SendError, want)
	}
}

// failures are the reasons the ticket gives for what did not go out.
func (p *post) failures() []string {
	p.Helper()
	events, err := p.w.Events(p.Context(), p.ticket, 0, 200)
	p.must(err)
	var out []string
	for _, e := range events {
		if e.Kind == desk.EventCommentFailed {
			out = append(out, fmt.Sprint(e.Data["what"], ": ", e.Data["reason"]))
		}
	}
	return out
}

func TestAnAnswerIsSentOnceAndThreads(t *testing.T) {
	p := newPost(t)
	var sent atomic.Int32
	p.sender = sends(func(r *desk.Reply) (desk.Proof, error) {
		sent.Add(1)
		if r.To[0].Handle != "ann@acme.example" || r.Message.Text != "try again" {
			t.Errorf("%+v", r)
		}
		return desk.Proof{ExternalID: "our-answer", At: p.clock()}, nil
	})
	id := p.answer()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := p.Deliver(context.Background(), id); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	p.pass(time.Hour)
	p.must(p.Once(t.Context(), p.clock()))
	p.must(p.All(t.Context(), p.clock()))
	if n := sent.Load(); n != 1 {
		t.Fatalf("sent %d times", n)
	}
	p.state(id, desk.SendSent)
	r, err := intake(t, p.w, nil).FileNow(t.Context(), mail("thanks", "ann@acme.example", "Re: help", "our-answer"))
	if err != nil || r.TicketID != p.ticket {
		t.Errorf("her answer is on %s, %v", r.TicketID, err)
	}
}

func TestTheSweepSendsWhatTheQueueForgot(t *testing.T) {
	p := newPost(t)
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) { return desk.Proof{ExternalID: "x"}, nil })
	id := p.answer()
	p.must(p.Once(t.Context(), p.clock()))
	p.state(id, desk.SendQueued) // its own task may still come
	p.pass(10 * time.Second)
	p.must(p.Once(t.Context(), p.clock()))
	p.state(id, desk.SendSent)
}

func TestCutOffIsProbedBeforeItIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		found bool
		err   error
		sends int32
		state desk.SendState
	}{
		"it arrived":            {found: true, sends: 1, state: desk.SendSent},
		"it did not":            {found: false, sends: 2, state: desk.SendSent},
		"nobody can say yet":    {err: errors.New("connection refused"), sends: 1, state: desk.SendUnknown},
		"nobody can say, ever":  {err: desk.Permanent(errors.New("gone")), sends: 1, state: desk.SendFailed},
		"the channel can't say": {sends: 2, state: desk.SendSent},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			var sent atomic.Int32
			send := sends(func(*desk.Reply) (desk.Proof, error) {
				if sent.Add(1) == 1 {
					return desk.Proof{}, fmt.Errorf("read: %w", desk.ErrCutOff)
				}
				return desk.Proof{ExternalID: "second"}, nil
			})
			p.sender = probes{send, func(*desk.Reply) (desk.Proof, bool, error) { return desk.Proof{ExternalID: "first"}, c.found, c.err }}
			if name == "the channel can't say" {
				p.sender = send
			}
			id := p.answer()
			p.deliver(id)
			p.state(id, desk.SendUnknown)
			p.deliver(id)
			if sent.Load() != 1 {
				t.Fatal("tried again at once")
			}
			p.pass(10 * time.Second)
			p.deliver(id)
			p.state(id, c.state)
			if sent.Load() != c.sends {
				t.Errorf("sent %d times, want %d", sent.Load(), c.sends)
			}
			if want := map[int32]string{1: "first", 2: "second"}[c.sends]; c.state == desk.SendSent && p.message(id).ExternalID != want {
				t.Errorf("proof %q", p.message(id).ExternalID)
			}
		})
	}
}

// A process takes an answer and is killed before, or after, it sent it.
func TestKilledBetweenTakingAndSending(t *testing.T) {
	for name, arrived := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			var sent atomic.Int32
			p.sender = probes{func(*desk.Reply) (desk.Proof, error) {
				sent.Add(1)
				return desk.Proof{ExternalID: "x"}, nil
			}, func(*desk.Reply) (desk.Proof, bool, error) { return desk.Proof{ExternalID: "x"}, arrived, nil }}
			id := p.answer()
			_, err := p.w.TakeToSend(t.Context(), id, p.clock(), p.set.Patience, "")
			p.must(err)
			p.pass(time.Minute)
			p.must(p.Once(t.Context(), p.clock()))
			if sent.Load() != 0 {
				t.Fatal("taken from who may still be sending it")
			}
			p.pass(2 * time.Minute)
			p.must(p.Once(t.Context(), p.clock()))
			p.state(id, desk.SendSent)
			if want := map[bool]int32{true: 0, false: 1}[arrived]; sent.Load() != want {
				t.Errorf("sent %d times, want %d", sent.Load(), want)
			}
		})
	}
}

func TestTooManyRequestsIsObeyed(t *testing.T) {
	p := newPost(t)
	tries := 0
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) {
		if tries++; tries == 1 {
			return desk.Proof{}, fmt.Errorf("post: %w", &desk.Later{After: 90 * time.Second, Err: errors.New("429")})
		}
		return desk.Proof{ExternalID: "x"}, nil
	})
	id := p.answer()
	p.deliver(id)
	p.pass(89 * time.Second)
	p.deliver(id)
	p.must(p.All(t.Context(), p.clock()))
	if tries != 1 {
		t.Fatalf("%d tries", tries)
	}
	if m := p.message(id); m.Send != desk.SendQueued || !strings.Contains(m.SendError, "429") {
		t.Errorf("%q %q", m.Send, m.SendError)
	}
	p.pass(time.Second)
	p.must(p.All(t.Context(), p.clock()))
	p.state(id, desk.SendSent)
	if m := p.message(id); m.SendError != "" {
		t.Errorf("still says %q", m.SendError)
	}
}

func TestPermanentFailsAtOnceAndLoudly(t *testing.T) {
	p := newPost(t)
	p.sender = sends(func(r *desk.Reply) (desk.Proof, error) {
		if r.Message.Text == "bad" {
			return desk.Proof{}, desk.Permanent(errors.New("550 no such user"))
		}
		return desk.Proof{ExternalID: "x"}, nil
	})
	bad := p.answer(func(m *desk.Message) { m.Text = "bad" })
	good := p.answer()
	p.deliver(bad)
	p.state(bad, desk.SendFailed)
	p.state(good, desk.SendSent) // who failed is in nobody's way
	if got := p.failures(); !slices.Equal(got, []string{"send: 550 no such user"}) {
		t.Errorf("%q", got)
	}
	p.pass(time.Hour)
	p.must(p.All(t.Context(), p.clock()))
	if len(p.failures()) != 1 {
		t.Error("failed twice")
	}
}

func TestGivesUpAfterADay(t *testing.T) {
	p := newPost(t)
	start := p.clock()
	var at []time.Time
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) {
		at = append(at, p.clock())
		return desk.Proof{}, errors.New("connection refused")
	})
	id := p.answer()
	for len(p.failures()) == 0 {
		p.pass(time.Second)
		p.deliver(id)
		if p.clock().Sub(start) > 30*time.Hour {
			t.Fatal("never gives up")
		}
		if n := len(at); n > 12 { // by now an hour apart: no need to ask every second
			p.pass(time.Minute)
		}
	}
	p.state(id, desk.SendFailed)
	if took := p.clock().Sub(start); took < 22*time.Hour || took > 25*time.Hour || len(at) < 25 || len(at) > 40 {
		t.Errorf("%d tries in %s", len(at), took)
	}
	if first, second := at[1].Sub(at[0]), at[2].Sub(at[1]); first < 5*time.Second || first > 8*time.Second || second < 10*time.Second || second > 13*time.Second {
		t.Errorf("waits %s, %s", first, second)
	}
	if got := p.failures()[0]; !strings.Contains(got, "given up after") || !strings.Contains(got, "connection refused") {
		t.Errorf("%q", got)
	}

	// An outage of ours is no reason to give up.
	late := p.answer()
	p.pass(48 * time.Hour)
	p.deliver(late)
	p.state(late, desk.SendQueued)
}

func TestWithoutASenderItWaits(t *testing.T) {
	p := newPost(t)
	id := p.answer()
	p.deliver(id)
	p.state(id, desk.SendQueued)
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) { return desk.Proof{}, nil })
	p.pass(10 * time.Second)
	p.deliver(id)
	p.state(id, desk.SendSent)
	if m := p.message(id); m.SentAt.IsZero() {
		t.Error("no time")
	}
}

func TestASenderThatPanicsMayHaveSent(t *testing.T) {
	p := newPost(t)
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) { panic("oops") })
	id := p.answer()
	p.deliver(id)
	p.state(id, desk.SendUnknown)
}

// leaky are books that hand out whatever they have.
type leaky struct {
	DeliveryBooks
	out   *desk.Outgoing
	ended desk.SendState
}

func (l *leaky) TakeToSend(context.Context, desk.MessageID, time.Time, time.Duration, string) (*desk.Outgoing, error) {
	return l.out, nil
}
func (l *leaky) SendsBy(context.Context, desk.MessageID) (string, error) { return "", nil }
func (l *leaky) Begun(context.Context, desk.MessageID) (int, error)      { return 0, nil }
func (l *leaky) NextToSend(context.Context, desk.TicketID, time.Time) (desk.MessageID, bool, error) {
	return "", false, nil
}
func (l *leaky) Undelivered(_ context.Context, _ desk.MessageID, _ int, state desk.SendState, _ string, _ func(*desk.Ticket) ([]desk.Event, error)) error {
	l.ended = state
	return nil
}

func TestInternalNotesNeverLeave(t *testing.T) {
	for name, spoil := range map[string]func(*desk.Message){
		"a note":             func(m *desk.Message) { m.Public, m.Direction = false, desk.Internal },
		"outbound, private":  func(m *desk.Message) { m.Public = false },
		"public, internal":   func(m *desk.Message) { m.Direction = desk.Internal },
		"their own question": func(m *desk.Message) { m.Direction = desk.Inbound },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			sent := 0
			p.sender = sends(func(*desk.Reply) (desk.Proof, error) { sent++; return desk.Proof{}, nil })
			id := p.answer(spoil)
			p.deliver(id)
			p.pass(time.Hour)
			p.must(p.All(t.Context(), p.clock()))

			m := *p.message(id) // and if the books let it through
			for _, was := range []desk.SendState{desk.SendQueued, desk.SendUnknown, desk.SendSent} {
				books := &leaky{out: &desk.Outgoing{Reply: desk.Reply{Message: m}, Source: "support", Was: was}, ended: "?"}
				d := *p.Delivery
				d.books = books
				p.must(d.Deliver(t.Context(), id))
				if books.ended != desk.SendNone {
					t.Errorf("%s: ended as %q", was, books.ended)
				}
			}
			if sent != 0 {
				t.Errorf("sent %d times", sent)
			}
		})
	}
}

func TestAnswersKeepTheirOrder(t *testing.T) {
	p := newPost(t)
	var order []string
	broken := true
	p.sender = sends(func(r *desk.Reply) (desk.Proof, error) {
		if broken {
			return desk.Proof{}, errors.New("try later")
		}
		order = append(order, r.Message.Text)
		return desk.Proof{ExternalID: r.Message.Text}, nil
	})
	var ids []desk.MessageID
	for _, text := range []string{"one", "two", "three"} {
		ids = append(ids, p.answer(func(m *desk.Message) { m.Text = text }))
	}
	p.deliver(ids[0])
	p.deliver(ids[2], ids[1])
	broken = false
	p.deliver(ids[2], ids[1])
	if len(order) != 0 {
		t.Fatalf("%v overtook the first", order)
	}
	p.pass(10 * time.Second)
	p.deliver(ids[0])
	if !slices.Equal(order, []string{"one", "two", "three"}) {
		t.Errorf("%v", order)
	}
}

func TestAutomaticAnswersAreRestrained(t *testing.T) {
	p := newPost(t)
	sent := 0
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) {
		sent++
		return desk.Proof{ExternalID: fmt.Sprint("x", sent)}, nil
	})
	auto := func(m *desk.Message) { m.Auto = desk.Auto{Kind: desk.AutoReply, Reason: "rule ack"} }
	for range p.set.AutoPerDay + 2 {
		p.deliver(p.answer(auto))
	}
	if sent != p.set.AutoPerDay {
		t.Errorf("%d automatic answers a day", sent)
	}
	if got := p.failures(); len(got) != 2 || !strings.Contains(got[0], "within a day") {
		t.Errorf("%q", got)
	}
	p.deliver(p.answer())
	if sent != p.set.AutoPerDay+1 {
		t.Error("a person was held back")
	}

	monitor := mail("alarm", "monitor@acme.example", "disk full")
	monitor.Auto = desk.Auto{Kind: desk.AutoGenerated}
	r, err := intake(t, p.w, nil).FileNow(t.Context(), monitor)
	p.must(err)
	p.ticket = r.TicketID
	before := sent
	p.deliver(p.answer(auto))
	if sent != before || !strings.Contains(p.failures()[0], "no automatic answer") {
		t.Errorf("answered a machine: %q", p.failures())
	}
}

func TestWhatWasSentIsChangedOnTheOtherSide(t *testing.T) {
	p := newPost(t)
	var heard []string
	var refuse error
	send := sends(func(r *desk.Reply) (desk.Proof, error) { return desk.Proof{ExternalID: "x1", At: p.clock()}, nil })
	editor := edits{send, func(what, id, text string) error {
		heard = append(heard, what+" "+id+" "+text)
		return refuse
	}}
	p.sender = editor
	id := p.answer()
	revise := func(act desk.Act, text string) {
		t.Helper()
		p.pass(time.Minute)
		_, err := p.w.Revise(t.Context(), p.ticket, desk.Revision{Message: id, Act: act, Text: text, At: p.clock()}, desk.Actor{Kind: desk.ByAgent, ID: "bob"}, nil)
		p.must(err)
	}
	p.deliver(id)
	p.deliver(id)
	revise(desk.ActEdit, "better")
	p.deliver(id, id)
	if !slices.Equal(heard, []string{"edit x1 better"}) {
		t.Fatalf("%q", heard)
	}
	refuse = errors.New("try later")
	revise(desk.ActEdit, "best")
	p.deliver(id, id)
	refuse = nil
	revise(desk.ActDelete, "") // before the edit could be told
	p.deliver(id)
	if want := []string{"edit x1 better", "edit x1 best", "delete x1 "}; !slices.Equal(heard, want) {
		t.Fatalf("%q", heard)
	}
	p.state(id, desk.SendSent)

	id = p.answer()
	p.deliver(id)
	refuse = desk.Permanent(errors.New("too old to edit"))
	revise(desk.ActEdit, "late")
	p.deliver(id)
	p.pass(time.Hour)
	p.must(p.All(t.Context(), p.clock()))
	if got := p.failures(); !slices.Equal(got, []string{"edit: too old to edit"}) || len(heard) != 4 {
		t.Errorf("%q %q", got, heard)
	}

	p.sender = send // a channel that cannot
	revise(desk.ActDelete, "")
	p.deliver(id)
	p.sender = editor
	p.pass(time.Hour)
	p.must(p.All(t.Context(), p.clock()))
	if m := p.message(id); len(heard) != 4 || !strings.Contains(m.SendError, "cannot change") || m.DeletedAt.IsZero() {
		t.Errorf("%q %q", heard, m.SendError)
	}
}
