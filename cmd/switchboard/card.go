package main

import (
	"context"
	"crypto/rand"
	"os"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// card is what this process shows the fleet of itself, second by second. It is
// made of the process's own metrics, so that `switchboard top` and a dashboard
// tell the same.
type card struct {
	h     *house
	mu    sync.Mutex
	self  workers.Process
	looks []look // the last ones, oldest first
}

// look is what the metrics said at one moment.
type look struct {
	at     time.Time
	cpu    float64 // seconds
	memory int64
	flows  map[string]tally
}

// tally is what was counted of one source.
type tally struct {
	accepted, settled, failed float64
	lag, lags                 float64 // seconds, and how many
	last                      time.Time
}

// cardLooks is over how many looks rates are taken: five seconds.
const cardLooks = 6

func newCard(h *house) *card {
	host, _ := os.Hostname()
	return &card{h: h, self: workers.Process{ID: rand.Text(), Host: host, PID: os.Getpid(), Version: version, Since: time.Now().UTC()}}
}

// plays shows this process to the fleet in its roles, until stop is called: while
// it drains it is still there.
func (h *house) plays(ctx context.Context, roles ...string) (stop func()) {
	c := newCard(h)
	c.self.Roles = roles
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		workers.Fleet{Client: h.broker.Client(), Log: h.log}.Run(ctx, c.draw)
	}()
	return func() {
		cancel()
		<-done
	}
}

// draw looks and makes the card.
func (c *card) draw() workers.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	families, err := c.h.registry.Gather()
	if err != nil && len(families) == 0 {
		return c.self
	}
	now := see(families, time.Now())
	if n := len(c.looks); n > 0 {
		for name, t := range now.flows {
			before := c.looks[n-1].flows[name]
			if t.last = before.last; t.accepted > before.accepted {
				t.last = now.at.UTC()
			}
			now.flows[name] = t
		}
	}
	c.looks = append(c.looks, now)
	if len(c.looks) > cardLooks {
		c.looks = c.looks[1:]
	}
	p := c.self
	p.Memory, p.InHand, p.Flows = now.memory, c.h.intake.InHand(), map[string]workers.Flow{}
	c.h.opening.Lock()
	p.Holder = c.h.holder
	c.h.opening.Unlock()
	first := c.looks[0]
	seconds := now.at.Sub(first.at).Seconds()
	rate := func(d float64) float64 {
		if seconds <= 0 {
			return 0
		}
		return d / seconds
	}
	p.CPU = rate(now.cpu - first.cpu)
	for name, t := range now.flows {
		was := first.flows[name]
		if t.accepted == 0 && t.settled == 0 {
			continue
		}
		f := workers.Flow{Accepted: rate(t.accepted - was.accepted), Settled: rate(t.settled - was.settled), LastAt: t.last,
			Failed: int64(t.failed), Total: int64(t.accepted)}
		if n := t.lags - was.lags; n > 0 {
			f.Lag = (t.lag - was.lag) / n
		}
		p.Flows[name] = f
	}
	return p
}

// see reads the metrics that the card is made of.
func see(families []*dto.MetricFamily, at time.Time) look {
	l := look{at: at, flows: map[string]tally{}}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, p := range m.GetLabel() {
				labels[p.GetName()] = p.GetValue()
			}
			t := l.flows[labels["source"]]
			switch f.GetName() {
			case "process_cpu_seconds_total":
				l.cpu = m.GetCounter().GetValue()
				continue
			case "process_resident_memory_bytes":
				l.memory = int64(m.GetGauge().GetValue())
				continue
			case "switchboard_accepted_total":
				t.accepted = m.GetCounter().GetValue()
			case "switchboard_settled_total":
				t.settled += m.GetCounter().GetValue()
				if labels["state"] == string(desk.Failed) {
					t.failed = m.GetCounter().GetValue()
				}
			case "switchboard_lag_seconds":
				t.lag, t.lags = m.GetHistogram().GetSampleSum(), float64(m.GetHistogram().GetSampleCount())
			default:
				continue
			}
			l.flows[labels["source"]] = t
		}
	}
	return l
}
