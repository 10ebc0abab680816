package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/channels"
	"switchboard/channels/api"
	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// sight is what the watchman counted. A nil field could not be counted: then
// its metrics are absent, for an old number would be a lie.
type sight struct {
	at     time.Time
	pulse  *desk.Pulse
	depths []workers.Depth
	blobs  *[2]float64 // bytes free, and in all
}

// watch makes the watchman of an open house.
func (h *house) watch() *watchman {
	c := h.config.First().Health
	now := h.now
	l := newLookout(h.store.Pulse, func(ctx context.Context) ([]workers.Depth, error) { return workers.Depths(ctx, h.broker.Client()) },
		func(context.Context) (free, total uint64, err error) { return h.blobs.Free() })
	w := newWatchman(c.Every, c.Timeout, now, h.log, func(ctx context.Context) sight { return l.around(ctx, now()) })
	w.ask("database", h.store.Ping)
	w.ask("queue", func(ctx context.Context) error {
		if err := h.broker.Ping(ctx); err != nil {
			return err
		}
		return workers.Takes(ctx, h.broker.Client())
	})
	w.ask("blobs", func(context.Context) error { return h.blobs.Check() })
	return w
}

// lookout counts what there is to be counted.
type lookout struct {
	pulse  func(context.Context) (desk.Pulse, error)
	depths func(context.Context) ([]workers.Depth, error)
	free   func(context.Context) (free, total uint64, err error)

	pulsing, sounding, freeing chan struct{} // each holds a token while its part hangs
}

func newLookout(pulse func(context.Context) (desk.Pulse, error), depths func(context.Context) ([]workers.Depth, error),
	free func(context.Context) (free, total uint64, err error)) *lookout {
	return &lookout{pulse, depths, free, make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
}

// around counts what waits as of now, and returns when ctx ends at the latest. The
// parts are asked at once: one that is dead, or hangs, costs the others nothing.
func (l *lookout) around(ctx context.Context, now time.Time) sight {
	s := sight{at: now}
	var all sync.WaitGroup
	all.Go(func() {
		if p, err := answerOf(ctx, l.pulsing, l.pulse); err == nil {
			s.pulse = &p
		}
	})
	all.Go(func() {
		if d, err := answerOf(ctx, l.sounding, l.depths); err == nil {
			s.depths = d
		}
	})
	all.Go(func() {
		b, err := answerOf(ctx, l.freeing, func(ctx context.Context) ([2]float64, error) {
			free, total, err := l.free(ctx)
			return [2]float64{float64(free), float64(total)}, err
		})
		if err == nil {
			s.blobs = &b
		}
	})
	all.Wait()
	return s
}

// What a role cannot do without. A door needs no queue: the ledger takes
// messages and the sweep queues them later, so a dead Redis must not take the
// door out of a balancer. A worker has its work from the queue; without it the
// sweep files, slower, which an operator should know before he stops the old
// workers.
var (
	needsOfWeb    = []string{"database", "blobs"}
	needsOfListen = []string{"database", "blobs"}
	needsOfWork   = []string{"database", "queue"}
)

// readyFor says how it stands for a role that needs some of the dependencies.
func (h *house) readyFor(needs []string, mailboxes bool) func(context.Context) api.Health {
	return func(ctx context.Context) api.Health {
		checks, _ := h.watchman.fresh(ctx, readyAge)
		for _, name := range needs {
			c := checks[name]
			c.Needed = true
			checks[name] = c
		}
		h.checkMailboxes(checks, mailboxes)
		health := api.Sum(checks)
		if health.Shedding = h.intake.Shedding(); len(health.Shedding) > 0 && health.Status == api.HealthOK {
			health.Status = api.HealthDegraded
		}
		return health
	}
}

// readyAge is how old an answer of /readyz may be.
const readyAge = 250 * time.Millisecond

// checkMailboxes adds each mailbox that this process reads. To a process that
// does nothing else they are needed when none of them works: one wrong password
// must not take the others down.
func (h *house) checkMailboxes(checks map[string]api.Check, nothingElse bool) {
	works := false
	var names []string
	for source, folders := range h.readings() {
		c := api.Check{State: api.CheckUp}
		for _, f := range folders {
			switch {
			case !f.Held:
				c.State = api.CheckStandby
			case !f.Connected:
				c.State, c.Error = api.CheckDown, "not connected yet"
				if f.Error != nil {
					c.Error = inWords(f.Error)
				}
			}
			if f.Since.After(c.Since) {
				c.Since = f.Since.UTC()
			}
			if c.State == api.CheckDown {
				break
			}
		}
		works = works || c.State != api.CheckDown
		names = append(names, "mailbox:"+source)
		checks["mailbox:"+source] = c
	}
	for _, name := range names {
		c := checks[name]
		c.Needed = nothingElse && !works
		checks[name] = c
	}
}

// readings are the mailboxes this process reads, by source; empty in a process
// that reads none.
func (h *house) readings() map[string][]channels.Reading {
	h.opening.Lock()
	opened := h.opened
	reads := h.reads
	h.opening.Unlock()
	out := map[string][]channels.Reading{}
	if opened == nil || !reads {
		return out
	}
	for name, adapter := range opened.opened {
		if r, ok := adapter.(channels.Reader); ok {
			out[name] = r.Reading()
		}
	}
	return out
}

// gauge is a metric whose value is looked up when it is asked for.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newGauge(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc("switchboard_"+name, help, labels, nil), prometheus.GaugeValue}
}

func newTotal(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc("switchboard_"+name, help, labels, nil), prometheus.CounterValue}
}

func (g gauge) send(out chan<- prometheus.Metric, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(g.desc, g.kind, v, labels...)
}
