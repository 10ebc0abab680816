package workers_test

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/workers"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// The keys are asynq's own: what is counted must be what its Inspector says,
// where there is one to ask, and what was queued everywhere.
func TestDepths(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "redis": brokertest.Redis, "cluster": brokertest.Cluster} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Open(t.Context(), options(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if d, err := workers.Depths(t.Context(), b.Client()); err != nil || len(d) != 0 {
				t.Fatalf("an empty Redis: %v, %v", d, err)
			}
			client := asynq.NewClient(b.AsynqOpt())
			defer client.Close()
			before := time.Now()
			for range 3 {
				enqueue(t, client, asynq.Queue("one"))
			}
			enqueue(t, client, asynq.Queue("one"), asynq.ProcessIn(time.Hour))
			enqueue(t, client, asynq.Queue("two"))
			got, err := workers.Depths(t.Context(), b.Client())
			if err != nil || len(got) != 2 {
				t.Fatalf("%v, %v", got, err)
			}
			if one := got[0]; one.Queue != "one" || one.Tasks["pending"] != 3 || one.Tasks["scheduled"] != 1 || one.Tasks["active"] != 0 ||
				one.Oldest.Before(before.Add(-time.Second)) || one.Oldest.After(time.Now()) {
				t.Errorf("%+v", one)
			}
			if two := got[1]; two.Queue != "two" || two.Tasks["pending"] != 1 {
				t.Errorf("%+v", two)
			}
			if name == "embedded" {
				return // the Inspector asks for what the Redis in this process does not have
			}
			inspector := asynq.NewInspector(b.AsynqOpt())
			defer inspector.Close()
			info, err := inspector.GetQueueInfo("one")
			if err != nil {
				t.Fatal(err)
			}
			if one := got[0].Tasks; int64(info.Pending) != one["pending"] || int64(info.Scheduled) != one["scheduled"] || int64(info.Retry) != one["retry"] ||
				int64(info.Archived) != one["archived"] || int64(info.Completed) != one["completed"] || int64(info.Active) != one["active"] {
				t.Errorf("%v, and the Inspector says %+v", one, info)
			}
		})
	}
}

func enqueue(t *testing.T, client *asynq.Client, options ...asynq.Option) {
	t.Helper()
	if _, err := client.EnqueueContext(context.Background(), asynq.NewTask("x", nil), options...); err != nil {
		t.Fatal(err)
	}
}
