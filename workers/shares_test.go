package workers

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// asked opens a ticket of a source and puts an answer to it into the outbox.
func (p *post) asked(source, name string) desk.MessageID {
	p.Helper()
	m := mail(source+name, name+"@"+source+".example", "help")
	m.Source = source
	r, err := intake(p.T, p.w, nil).FileNow(p.Context(), m)
	p.must(err)
	p.ticket = r.TicketID
	return p.answer()
}

// worked is a post whose answers go through a queue and a server, and how it ends.
func worked(t *testing.T, set func(*Settings, *DeliverySettings), senders func(source string) Sender) (p *post, d *Dispatch, end func()) {
	t.Helper()
	p = newPost(t)
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), brokertest.Embedded(t), log)
	p.must(err)
	client := asynq.NewClient(b.AsynqOpt())
	s, ds := DefaultSettings(), DefaultDelivery()
	set(&s, &ds)
	d = NewDispatch(client, nil, time.Now, log, s)
	p.Delivery = NewDelivery(DeliveryParts{Books: p.w, Senders: senders, Dispatch: d, Now: time.Now, Log: log, Settings: ds})
	srv := NewServer(intake(t, p.w, d), b.AsynqOpt(), p.w, time.Now, log, s)
	srv.Carry(p.Delivery)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		end()
		d.Stop()
		client.Close()
		b.Close()
	})
	return p, d, end
}

// A mail server that hangs keeps the answers of no other source waiting, nor do two;
// when it is well again all its own go out, each once.
func TestAnOtherSideThatHangsKeepsNobodyElseWaiting(t *testing.T) {
	well := make(chan bool)
	var mu sync.Mutex
	sent, most, now := map[desk.MessageID]int{}, 0, 0
	quick, all := make(chan desk.MessageID, 1), make(chan bool)
	const hung = 24
	p, d, _ := worked(t, func(_ *Settings, ds *DeliverySettings) { ds.Concurrency = 8 }, func(source string) Sender {
		return sends(func(r *desk.Reply) (desk.Proof, error) {
			if source == "shop" {
				quick <- r.Message.ID
				return desk.Proof{ExternalID: string(r.Message.ID)}, nil
			}
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-well
			mu.Lock()
			defer mu.Unlock()
			now--
			if sent[r.Message.ID]++; len(sent) == hung {
				close(all)
			}
			return desk.Proof{ExternalID: string(r.Message.ID)}, nil
		})
	})
	release := sync.OnceFunc(func() { close(well) })
	defer release()
	for n := range hung {
		d.Deliver(p.asked([]string{"support", "billing"}[n%2], fmt.Sprint("c", n)))
	}
	for n := range 3 {
		id := p.asked("shop", fmt.Sprint("c", n))
		d.Deliver(id)
		select {
		case got := <-quick:
			if got != id {
				t.Errorf("sent %s, want %s", got, id)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("an answer waits behind others' mail servers")
		}
	}
	release()
	select {
	case <-all:
	case <-time.After(time.Minute):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%d of %d went out", len(sent), hung)
	}
	mu.Lock()
	defer mu.Unlock()
	if most >= 8 {
		t.Errorf("%d of 8 tries hung", most)
	}
	for id, n := range sent {
		if n != 1 {
			t.Errorf("%s went out %d times", id, n)
		}
	}
}

func TestShares(t *testing.T) {
	s := newShares(8, 10)
	enter := func(source, id string) []try {
		t.Helper()
		out, err := s.enter(source, desk.MessageID(id))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	begun := func(source string, n int) (got int) {
		for i := range n {
			got += len(enter(source, fmt.Sprint(source, i)))
		}
		return got
	}
	for _, c := range []struct {
		source string
		asks   int
		begins int
	}{{"a", 7, 4}, {"b", 4, 2}, {"c", 2, 1}, {"d", 1, 1}} {
		if got := begun(c.source, c.asks); got != c.begins {
			t.Fatalf("%s has %d tries, want %d", c.source, got, c.begins)
		}
	}
	if !s.waits("a4") || s.waits("a3") || len(enter("a", "a4")) != 0 {
		t.Error("who waits is not known")
	}
	enter("e", "e0")
	for n := range 10 { // more than there is room for
		enter("e", fmt.Sprint("e", n))
	}
	if n := len(s.waiting); n != 10 {
		t.Errorf("%d wait, room for 10", n)
	}
	if got := s.leave("a"); !slices.Equal(got, []try{{"e", "e0"}}) { // who has nothing goes first
		t.Errorf("%v", got)
	}
	for _, source := range []string{"e", "b", "b", "c", "d"} {
		s.leave(source)
	}
	left, idle := s.stop()
	if len(left) != len(slices.Compact(left)) || s.waits(left[0]) {
		t.Errorf("%v", left)
	}
	if _, err := s.enter("a", "late"); err == nil {
		t.Error("takes more after its end")
	}
	for s.busy > 0 {
		select {
		case <-idle:
			t.Fatal("ended before those under way")
		default:
		}
		for source, h := range s.sources {
			if h.busy > 0 {
				if got := s.leave(source); len(got) != 0 {
					t.Errorf("%v begin after its end", got)
				}
				break
			}
		}
	}
	<-idle
}

// However much waits of a source that hangs, the others have their tries.
func TestSharesWithoutRoom(t *testing.T) {
	s := newShares(8, 3)
	for n := range 20 {
		if _, err := s.enter("hangs", desk.MessageID(fmt.Sprint("h", n))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.waiting); n != 3 {
		t.Fatalf("%d wait, room for 3", n)
	}
	for n, want := range [][]try{{{"well", "w0"}}, {{"well", "w1"}}, nil} {
		if got, err := s.enter("well", desk.MessageID(fmt.Sprint("w", n))); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	if n := len(s.waiting); n != 3 {
		t.Errorf("%d wait, room for 3", n)
	}
}

// One try at a time is shared in turns.
func TestSharesOfOne(t *testing.T) {
	s := newShares(1, 10)
	var order []desk.MessageID
	begin, _ := s.enter("a", "1")
	for i, source := range []string{"a", "b", "a"} {
		more, _ := s.enter(source, desk.MessageID(fmt.Sprint(i+2)))
		begin = append(begin, more...)
	}
	for len(begin) > 0 {
		if len(begin) > 1 {
			t.Fatalf("%v at the same time", begin)
		}
		order = append(order, begin[0].id)
		begin = s.leave(begin[0].source)
	}
	if !slices.Equal(order, []desk.MessageID{"1", "2", "3", "4"}) || len(s.sources) != 0 {
		t.Errorf("%v, %d left", order, len(s.sources))
	}
}

// Who is told to end sees what has begun to its end, however soon all else is over, and
// begins no other: cut off, an answer might arrive and be sent once more.
func TestAnAnswerOnItsWayIsNotCutOffByTheEnd(t *testing.T) {
	entered, arrive := make(chan bool, 10), make(chan bool)
	p, d, end := worked(t, func(s *Settings, ds *DeliverySettings) { s.DrainFor, ds.Concurrency = time.Millisecond, 2 }, func(string) Sender {
		return sends(func(r *desk.Reply) (desk.Proof, error) {
			entered <- true
			<-arrive
			return desk.Proof{ExternalID: string(r.Message.ID)}, nil
		})
	})
	slow, next := p.asked("support", "ann"), p.answer()
	waits := p.asked("support", "bob") // for its source's one try
	d.Deliver(slow)
	<-entered
	d.Deliver(next, waits)
	for deadline := time.Now().Add(hang); !p.shares.waits(waits); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not wait")
		}
	}
	ended := make(chan bool)
	go func() { end(); close(ended) }()
	select {
	case <-ended:
		t.Error("ended while an answer was on its way")
	case <-time.After(time.Second): // a thousand times what all else has
	}
	close(arrive)
	<-ended
	p.state(slow, desk.SendSent)
	p.state(next, desk.SendQueued)
	p.state(waits, desk.SendQueued)
	if p.shares.waits(waits) {
		t.Error("it waits in a process that ended")
	}
}
