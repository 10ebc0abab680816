package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/workers"
	"switchboard/workers/broker"
)

// frame is the fleet at one moment: what `switchboard top` draws and prints. A
// part that could not be had is empty, and its dependency says why.
type frame struct {
	At           time.Time              `json:"at"`
	Dependencies []dependency           `json:"dependencies"`
	Processes    []workers.Process      `json:"processes"`
	Sources      []sourceLine           `json:"sources"`
	Queues       []queueLine            `json:"queues"`
	Ledger       map[desk.State]int     `json:"ledger"`
	LedgerOldest time.Time              `json:"ledgerOldest,omitzero"`
	Answers      map[desk.SendState]int `json:"answers"`
	Mailboxes    []mailboxLine          `json:"mailboxes"`
}

type dependency struct {
	Name  string        `json:"name"`
	Up    bool          `json:"up"`
	Took  time.Duration `json:"took"`
	Error string        `json:"error,omitempty"`
}

type sourceLine struct {
	Name     string       `json:"name"`
	Channel  desk.Channel `json:"channel"`
	Accepted float64      `json:"accepted"` // a second, all processes
	Settled  float64      `json:"settled"`
	Lag      float64      `json:"lag"` // mean seconds, weighted by what was settled
	Waiting  int          `json:"waiting"`
	Oldest   time.Time    `json:"oldest,omitzero"`
	Failed   int64        `json:"failed"`
	LastAt   time.Time    `json:"lastAt,omitzero"`
	Canary   time.Time    `json:"canary,omitzero"` // since when its canaries age; zero: none are sent
}

type queueLine struct {
	Name   string           `json:"name"`
	Tasks  map[string]int64 `json:"tasks"`
	Oldest time.Time        `json:"oldest,omitzero"`
}

type mailboxLine struct {
	Source string    `json:"source"`
	Holder string    `json:"holder,omitempty"` // empty: nobody reads it
	Until  time.Time `json:"until,omitzero"`
	LastAt time.Time `json:"lastAt,omitzero"` // the last message, of the processes that live
}

// observer looks at a fleet from beside it. It starts nothing: neither a queue
// nor a role.
type observer struct {
	h    *house
	wait time.Duration // for the answers of one look
	own  bool          // the queue is run by a process of the data folder
}

// newObserver looks through open books, by their own clock: who holds a mailbox and
// until when was written by it. The books are closed with the observer.
func newObserver(ctx context.Context, h *house, wait time.Duration) *observer {
	h.keepTime(ctx)
	return &observer{h: h, wait: wait}
}

func (o *observer) close() {
	if o.h.broker != nil {
		o.h.broker.Close()
	}
	if o.h.untime != nil {
		o.h.untime()
	}
	o.h.store.Close()
}

// connect makes sure that there is a client of the queue; it is asked anew for as
// long as there is none.
func (o *observer) connect(ctx context.Context) error {
	if o.h.broker != nil {
		return nil
	}
	options, err := brokerOptions(o.h.config.Config().Redis, o.h.place.Data)
	if err != nil {
		return err
	}
	if o.own = len(options.Addrs) == 0 && options.MasterName == ""; o.own {
		if options, err = broker.Attach(ctx, o.h.place.Data); err != nil {
			return err
		}
	}
	o.h.broker, err = broker.Open(ctx, options, o.h.log)
	return err
}

// forget lets go of a queue that its process took with it; the next has another
// address.
func (o *observer) forget() {
	if o.own {
		_ = o.h.broker.Close()
		o.h.broker = nil
	}
}

// look asks everything at once and waits for no answer longer than o.wait.
func (o *observer) look(ctx context.Context) *frame {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	f := &frame{At: o.h.now().UTC(), Processes: []workers.Process{}, Queues: []queueLine{}, Mailboxes: []mailboxLine{},
		Ledger: map[desk.State]int{}, Answers: map[desk.SendState]int{}}
	var all sync.WaitGroup
	var leases []desk.Lease
	var waiting []desk.Backlog
	var canaries []desk.Canary
	f.Dependencies = make([]dependency, 2)
	all.Go(func() {
		f.Dependencies[0] = probe(ctx, "database", func() error {
			pulse, err := o.h.store.Pulse(ctx)
			if err == nil {
				f.Ledger, f.Answers, f.LedgerOldest = pulse.Receipts, pulse.Answers, pulse.Oldest
				waiting, err = o.h.store.Waiting(ctx, desk.PulseLimit)
			}
			if err == nil {
				leases, err = o.h.store.Leases(ctx, "mailbox:")
			}
			if err == nil && o.h.config.Config().Canary.Every > 0 {
				canaries, err = o.h.store.Canaries(ctx)
			}
			return err
		})
	})
	all.Go(func() {
		f.Dependencies[1] = probe(ctx, "queue", func() error {
			if err := o.connect(ctx); err != nil {
				return err
			}
			depths, err := workers.Depths(ctx, o.h.broker.Client())
			if err != nil {
				o.forget()
				return err
			}
			for _, d := range depths {
				f.Queues = append(f.Queues, queueLine{d.Queue, d.Tasks, d.Oldest})
			}
			processes, err := workers.Fleet{Client: o.h.broker.Client()}.List(ctx)
			f.Processes = append(f.Processes, processes...)
			return err
		})
	})
	all.Wait()
	f.fold(o.h, waiting, canaries, leases)
	return f
}

func probe(ctx context.Context, name string, how func() error) dependency {
	start := time.Now()
	err := how()
	d := dependency{Name: name, Up: err == nil, Took: time.Since(start).Round(10 * time.Microsecond)}
	if err != nil {
		d.Error = inWords(err)
		if errors.Is(err, broker.ErrNotRunning) {
			d.Error = "no process runs a queue in the data folder"
		}
	}
	return d
}

// fold puts together what was said of each source and mailbox.
func (f *frame) fold(h *house, waiting []desk.Backlog, canaries []desk.Canary, leases []desk.Lease) {
	c := h.config.Config()
	lines := map[string]*sourceLine{}
	line := func(name string) *sourceLine {
		if lines[name] == nil {
			lines[name] = &sourceLine{Name: name}
		}
		return lines[name]
	}
	line("api").Channel = desk.API
	for _, s := range c.Sources {
		line(s.Name).Channel = s.Channel
	}
	lags := map[string]float64{}
	for _, p := range f.Processes {
		for name, flow := range p.Flows {
			l := line(name)
			l.Accepted += flow.Accepted
			l.Settled += flow.Settled
			l.Failed += flow.Failed
			lags[name] += flow.Lag * flow.Settled
			if flow.LastAt.After(l.LastAt) {
				l.LastAt = flow.LastAt
			}
		}
	}
	for _, w := range waiting {
		line(w.Source).Waiting, line(w.Source).Oldest = w.Count, w.Oldest
	}
	for _, x := range canaries {
		line(x.Source).Canary = x.From()
	}
	f.Sources = []sourceLine{}
	for name, l := range lines {
		if l.Settled > 0 {
			l.Lag = lags[name] / l.Settled
		}
		f.Sources = append(f.Sources, *l)
	}
	f.sort("name")
	for _, s := range c.Sources {
		if s.Channel != desk.Email {
			continue
		}
		m := mailboxLine{Source: s.Name, LastAt: lines[s.Name].LastAt}
		for _, l := range leases {
			if strings.TrimPrefix(l.Name, "mailbox:") == s.Name && l.ExpiresAt.After(f.At) {
				m.Holder, m.Until = l.Holder, l.ExpiresAt
			}
		}
		f.Mailboxes = append(f.Mailboxes, m)
	}
}

// topOrders are the orders of the sources, the first at the start.
var topOrders = []string{"name", "accepted", "waiting", "oldest"}

// sort orders the sources: by name, or the busiest first.
func (f *frame) sort(by string) {
	slices.SortFunc(f.Sources, func(a, b sourceLine) int {
		var n int
		switch by {
		case "accepted":
			n = cmp.Compare(b.Accepted, a.Accepted)
		case "waiting":
			n = cmp.Compare(b.Waiting, a.Waiting)
		case "oldest":
			if n = cmp.Compare(boolInt(a.Oldest.IsZero()), boolInt(b.Oldest.IsZero())); n == 0 {
				n = a.Oldest.Compare(b.Oldest)
			}
		}
		return cmp.Or(n, cmp.Compare(a.Name, b.Name))
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
