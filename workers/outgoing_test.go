package workers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// carried runs a worker that brings answers out, with a sender that fails once
// for each message and then tells of what it sent.
func carried(t *testing.T, o broker.Options) (p *post, d *Dispatch, sent chan desk.MessageID) {
	t.Helper()
	p = newPost(t)
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), o, log)
	if err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClient(b.AsynqOpt())
	set := DefaultSettings()
	d = NewDispatch(client, nil, time.Now, log, set)
	sent = make(chan desk.MessageID, 100)
	var first atomic.Bool
	p.sender = sends(func(r *desk.Reply) (desk.Proof, error) {
		if !first.Swap(true) {
			return desk.Proof{}, &desk.Later{After: time.Second, Err: errors.New("429")}
		}
		sent <- r.Message.ID
		return desk.Proof{ExternalID: string(r.Message.ID)}, nil
	})
	p.Delivery = NewDelivery(DeliveryParts{Books: p.w, Senders: func(string) Sender { return p.sender }, Dispatch: d, Now: time.Now, Log: log,
		Settings: DefaultDelivery()})
	srv := NewServer(intake(t, p.w, d), b.AsynqOpt(), p.w, time.Now, log, set)
	srv.Carry(p.Delivery)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		d.Stop()
		client.Close()
		b.Close()
	})
	return p, d, sent
}

func await(t *testing.T, sent chan desk.MessageID, want ...desk.MessageID) {
	t.Helper()
	for _, id := range want {
		select {
		case got := <-sent:
			if got != id {
				t.Errorf("sent %s, want %s", got, id)
			}
		case <-time.After(hang):
			t.Fatal("not sent")
		}
	}
}

func TestQueueToCustomer(t *testing.T) {
	p, d, sent := carried(t, brokertest.Embedded(t))
	one, two := p.answer(), p.answer()
	d.Deliver(one, two)
	await(t, sent, one, two) // in order, though the first had to wait
}

func TestFlushedRedisLosesNoAnswer(t *testing.T) {
	redis := brokertest.StartRedis(t)
	p, d, sent := carried(t, redis.Options)
	id := p.answer(func(m *desk.Message) { m.CreatedAt = m.CreatedAt.Add(-time.Minute) })
	redis.FlushAll()
	_ = d // nobody queues it: the sweep finds it
	await(t, sent, id)
}

// Where Redis is silent a process ends all the same: what is left in its hands is found
// by the sweeps.
func TestASilentRedisKeepsNoProcess(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes calls, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	called := &calls{}
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: silent.Addr().String(), ReadTimeout: time.Second})
	t.Cleanup(func() { client.Close() })
	set := DefaultSettings()
	set.TaskGroup = 1
	d := NewDispatch(client, nil, time.Now, slog.New(called), set)
	for range 300 {
		d.Deliver(desk.NewID[desk.MessageID](time.Now()))
		d.Queue(Normal, desk.NewID[desk.ReceiptID](time.Now()))
	}
	d.Stop()
	if n := called.failed.Load(); n > 20 {
		t.Errorf("Redis was called %d times in vain", n)
	}
}

// calls counts warnings.
type calls struct {
	slog.Handler
	failed atomic.Int64
}

func (c *calls) Enabled(context.Context, slog.Level) bool { return true }
func (c *calls) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		c.failed.Add(1)
	}
	return nil
}
