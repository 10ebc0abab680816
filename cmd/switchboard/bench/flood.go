package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// FloodOptions are those of `switchboard bench flood`.
type FloodOptions struct {
	Common
	Count  int           // messages that flood one source
	Every  time.Duration // how often a single message comes in another source
	Calm   int           // single messages measured before the flood
	Conns  int           // connections of the flood
	Roles  []string
	Intake map[string]string
	// Behind floods the ledger while no worker runs, and only then starts the
	// workers: the whole flood is a backlog when the single messages come. There is
	// no calm before such a flood.
	Behind bool
}

// quiet is the source beside the flooded one.
const quiet = "quiet"

// flood is a run of Flood.
type flood struct {
	FloodOptions
	fleet    *fleet
	report   *Report
	progress *progress
	sent     int // single messages
}

// Flood floods one source and meanwhile sends single messages to another. It
// reports how long those take until they are tickets.
func Flood(ctx context.Context, o FloodOptions) (report *Report, err error) {
	if _, err := readUsage(os.Getpid(), false); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	defer func() { err = limited(ctx, o.Limit, err) }()
	if o.Embedded {
		if o.Behind {
			return nil, errors.New("bench: embedded, the workers are in the same process: --behind needs processes of their own")
		}
		o.Roles = []string{"serve"}
	}
	site, err := openSite(ctx, o.Common, !o.Embedded)
	if err != nil {
		return nil, err
	}
	defer site.close()
	r := &flood{FloodOptions: o, progress: newProgress(o.Common)}
	defer r.progress.end()
	r.report = newReport("flood", o.Common, map[string]any{"count": o.Count, "every": o.Every.String(), "connections": o.Conns, "roles": o.Roles,
		"embedded": o.Embedded, "intake": o.Intake, "behind": o.Behind})
	r.report.Machine = site.machine()
	r.report.round()
	r.report.machine()
	r.fleet, err = newFleet(ctx, o.Common, site, blueprint{Name: "flood", Embedded: o.Embedded, Intake: o.Intake, Hooks: []string{hook, quiet}})
	if err != nil {
		return nil, err
	}
	defer r.fleet.stop()
	for _, role := range o.Roles {
		if o.Behind && role == "work" {
			continue
		}
		if err := r.fleet.start(ctx, role); err != nil {
			return nil, err
		}
	}
	run := r.during
	if o.Behind {
		run = r.behind
	}
	if err := run(ctx); err != nil {
		return nil, err
	}
	r.report.Complaints = r.fleet.complaints()
	r.report.finish(nil, []limit{{"single.worst", "slowest single message during the flood, s", 2, true}})
	return r.report, nil
}

// during sends the single messages while the flood comes and until it is stored.
func (r *flood) during(ctx context.Context) error {
	calm, err := r.singles(ctx, r.Calm, nil)
	if err != nil {
		return err
	}
	if len(calm) > 0 {
		r.report.add("calm.median", "single message before the flood until it is a ticket, median", "s", quantile(calm, .5).Seconds())
	}
	load, err := hookTraffic(hook, r.fleet.secret, "flood", 1, r.Count)
	if err != nil {
		return err
	}
	began := time.Now()
	over := make(chan struct{}) // the flood is stored, or failed
	var wait sync.WaitGroup
	var flooded *driven
	var failed error
	var stored time.Time
	wait.Go(func() {
		defer close(over)
		d := drive{addr: r.fleet.addr, requests: load.requests, conns: r.Conns, done: r.progress.begin(r.Count, "flood")}
		if flooded, failed = d.run(ctx); failed == nil {
			stored, failed = r.fleet.settled(ctx)
		}
	})
	took, err := r.singles(ctx, 0, over)
	wait.Wait()
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return r.sum(ctx, began, stored, flooded, took)
}

// behind lets the flood pile up first: the workers start when all of it is in
// the ledger, and then the single messages come.
func (r *flood) behind(ctx context.Context) error {
	load, err := hookTraffic(hook, r.fleet.secret, "flood", 1, r.Count)
	if err != nil {
		return err
	}
	flooded, err := drive{addr: r.fleet.addr, requests: load.requests, conns: r.Conns, done: r.progress.begin(r.Count, "flood, while no worker runs")}.run(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, role := range r.Roles {
		if role == "work" {
			if err := r.fleet.start(ctx, role); err != nil {
				return err
			}
		}
	}
	over := make(chan struct{})
	var stored time.Time
	var failed error
	go func() {
		defer close(over)
		stored, failed = r.fleet.settled(ctx)
	}()
	r.progress.begin(0, "the workers catch up")
	took, err := r.singles(ctx, 0, over)
	<-over
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return r.sum(ctx, began, stored, flooded, took)
}

func (r *flood) sum(ctx context.Context, began, stored time.Time, flooded *driven, took []time.Duration) error {
	var refused int
	for _, n := range flooded.refused {
		refused += n
	}
	taken := r.Count - refused
	r.report.add("flood.acks", "flood acknowledged", "messages/s", float64(taken)/flooded.took.Seconds())
	r.report.add("flood.stored", "flood stored", "messages/s", float64(taken)/stored.Sub(began).Seconds())
	r.report.add("flood.refused", "flood told to come later", "messages", float64(refused))
	r.report.add("single.count", "single messages during the flood", "messages", float64(len(took)))
	r.report.add("single.median", "single message during the flood until it is a ticket, median", "s", quantile(took, .5).Seconds())
	r.report.add("single.worst", "single message during the flood until it is a ticket, slowest", "s", quantile(took, 1).Seconds())
	a, err := r.fleet.ledger.audit(ctx)
	if err != nil {
		return err
	}
	return a.check(taken+r.sent, a.Tickets)
}

// singles sends a message to the quiet source every so often and measures how
// long each takes, from sending to its ticket in the books: n of them, or until
// the flood is over. One that is told to come later does, every 100 ms; its time
// goes on.
func (r *flood) singles(ctx context.Context, n int, over <-chan struct{}) (took []time.Duration, err error) {
	for n == 0 || len(took) < n {
		began := time.Now()
		if err := r.single(ctx); err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
		rest := time.NewTimer(r.Every - min(time.Since(began), r.Every))
		select {
		case <-rest.C:
		case <-over:
			rest.Stop()
			return took, nil
		case <-ctx.Done():
			rest.Stop()
			return took, ctx.Err()
		}
	}
	return took, nil
}

func (r *flood) single(ctx context.Context) error {
	one, err := hookTraffic(quiet, r.fleet.secret, fmt.Sprintf("single%d", r.sent), uint64(r.sent), 1)
	if err != nil {
		return err
	}
	for {
		d, err := drive{addr: r.fleet.addr, requests: one.requests, conns: 1}.run(ctx)
		if err != nil {
			return err
		}
		if len(d.refused) == 0 {
			break
		}
		if d.refused[http.StatusServiceUnavailable]+d.refused[http.StatusTooManyRequests] == 0 {
			return fmt.Errorf("bench: single message: %w", d.check())
		}
		sleep(ctx, 100*time.Millisecond)
	}
	r.sent++
	for {
		n, err := r.fleet.ledger.count(ctx, "SELECT count(*) FROM ledger WHERE source = '"+quiet+"' AND state = 'filed'")
		if err != nil {
			return err
		}
		if n >= r.sent {
			return nil
		}
		if err := r.fleet.alive(); err != nil {
			return err
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return fmt.Errorf("bench: a single message was not filed in time: %w\n%s", ctx.Err(), strings.Join(r.fleet.complaints(), "\n"))
		}
	}
}
