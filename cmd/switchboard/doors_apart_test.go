package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"switchboard/workers/broker/brokertest"
)

// TestDoorsApart: one process answers HTTP and another does the work, over a
// real Redis. The answer goes out at once, not when the sweep finds it.
func TestDoorsApart(t *testing.T) {
	redis := brokertest.StartRedis(t)
	shared := fmt.Sprintf("redis: { mode: single, addrs: [%q], password: \"${DEMO_REDIS}\" }", redis.Options.Addrs[0])
	config := strings.Replace(string(demoConfig), "redis: { mode: embedded }", shared, 1)
	if config == string(demoConfig) {
		t.Fatal("the demo's config has another queue")
	}
	web := openStreetOn(t, config, "DEMO_REDIS", redis.Options.Password)
	web.lived.answer()
	work, err := open(t.Context(), web.place, streams{strings.NewReader(""), io.Discard, t.Output(), web.demoDoors.env})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- work.runWorkers(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		work.close()
	})

	if err := web.slack.Connect(t.Context(), web.url+"/hooks/slack/acme-slack"); err != nil {
		t.Fatal(err)
	}
	customer := newSlackSide(web)
	customer.begin("The lamp is broken", []byte("a file"))
	web.filed(1)
	start := time.Now()
	web.sent(web.comment(web.only(), doorAnswer, true))
	if took, sweep := time.Since(start), work.delivery.SweepAfter; took >= sweep {
		t.Errorf("the answer took %s: the sweep (after %s) found it", took, sweep)
	}
	if stands := customer.has(); len(stands) != 1 || !stands[0].threaded {
		t.Errorf("the customer sees %+v", stands)
	}
}
