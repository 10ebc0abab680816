package workers

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// Answers that wait in a long queue, behind an other side that is slow, get no
// copies there, however long it takes; what the queue forgot is given to it again.
func TestAnswersThatWaitGetNoCopies(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "redis": brokertest.Redis} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t)
			log := slog.New(slog.DiscardHandler)
			b, err := broker.Open(t.Context(), options(t), log)
			p.must(err)
			t.Cleanup(func() { b.Close() })
			client := asynq.NewClient(b.AsynqOpt())
			t.Cleanup(func() { client.Close() })
			d := NewDispatch(client, nil, p.clock, log, DefaultSettings())
			t.Cleanup(d.Stop)
			p.Delivery = NewDelivery(DeliveryParts{Books: p.w, Senders: func(string) Sender { return nil }, Dispatch: d, Now: p.clock, Log: log,
				Settings: DefaultDelivery()})
			p.recalls(b.Client(), DefaultSettings())
			ids := []desk.MessageID{p.answer(), p.answer(), p.answer()}
			p.must(p.queue(t.Context(), ids))
			waiting := func(after time.Duration) int64 {
				t.Helper()
				p.pass(after)
				p.must(p.Once(t.Context(), p.clock()))
				n, err := b.Client().LLen(context.Background(), "asynq:{"+queueDeliver+"}:pending").Result()
				p.must(err)
				return n
			}
			for range 5 {
				if n := waiting(p.set.SweepAgain + time.Second); n != 3 {
					t.Fatalf("%d tasks for 3 answers", n)
				}
			}
			p.must(b.Client().Del(t.Context(), "asynq:{"+queueDeliver+"}:pending").Err())
			if n := waiting(time.Second); n != 3 {
				t.Errorf("%d tasks for 3 answers after the queue forgot them", n)
			}
			if n := waiting(p.set.SweepAgain + time.Second); n != 3 {
				t.Errorf("%d tasks for 3 answers after they were queued again", n)
			}
		})
	}
}
