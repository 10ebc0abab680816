package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// IngestOptions are those of `switchboard bench ingest`.
type IngestOptions struct {
	Common
	Count  int           // messages of a saturated reading
	Rounds int           // how often everything is measured
	Conns  int           // connections of the generator
	Half   time.Duration // length of the reading at half load
	API    int           // tickets created over the API; 0: none
	// APIHalf is the length of the API's reading at half load; 0: none.
	APIHalf time.Duration
	Roles   []string          // web and work, any number of them, or serve
	Intake  map[string]string // keys of the config's section intake, tried instead of the defaults
	Only    []string          // readings to take; empty: all. See [Readings]
	// Rehearse says that the saturated load is sent once before it is measured, to a
	// fleet and a database of its own; see [ingest.rehearse].
	Rehearse bool
	// Profiles is a folder for CPU profiles of the roles under full load; empty:
	// none are taken.
	Profiles string
}

// Readings are the parts of a round of ingest, in their order.
var Readings = []string{"noop", "full", "half", "api", "single", "doors"}

// hook is the chat source the load goes to.
const hook = "shop"

// noopConcurrency and noopCheck are what the product gives asynq by default.
const (
	noopConcurrency = 32
	noopCheck       = 10 * time.Millisecond
)

// warmUp is how many messages go before a saturated reading of n, so that
// connections, caches and plans are there, and the memory a process works with:
// it grows until garbage was collected two or three times.
func warmUp(n int) int { return min(max(n/3, 1), 10_000) }

// single are the settings of a product that does everything message by message.
// It gets more lanes, because one lane with groups of one would wait more than
// it works.
var single = map[string]string{"ledgerGroup": "1", "ledgerWait": "0s", "taskGroup": "1", "taskWait": "0s", "fileGroup": "1", "fileWait": "0s", "fileLanes": "8", "readLanes": "8"}

// ingest is a run of Ingest.
type ingest struct {
	IngestOptions
	site     *site
	report   *Report
	progress *progress
	n        int // round
}

// Ingest measures the way in: signed webhooks and API calls from a generator
// outside, through the roles as processes, to the commit of the ticket; beside
// asynq moving empty tasks on the same Redis, the product with all group sizes
// 1, and doors that answer without a ledger.
func Ingest(ctx context.Context, o IngestOptions) (report *Report, err error) {
	if _, err := readUsage(os.Getpid(), false); err != nil {
		return nil, err
	}
	for _, name := range o.Only {
		if !slices.Contains(Readings, name) {
			return nil, fmt.Errorf("bench: there is no reading %q; there are %s", name, strings.Join(Readings, ", "))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	defer func() { err = limited(ctx, o.Limit, err) }()
	if o.Embedded {
		o.Roles = []string{"serve"}
	}
	site, err := openSite(ctx, o.Common, !o.Embedded)
	if err != nil {
		return nil, err
	}
	defer site.close()
	r := &ingest{IngestOptions: o, site: site, progress: newProgress(o.Common)}
	defer r.progress.end()
	r.report = newReport("ingest", o.Common, map[string]any{"count": o.Count, "rounds": o.Rounds, "connections": o.Conns, "halfLoad": o.Half.String(),
		"api": o.API, "apiHalf": o.APIHalf.String(), "roles": o.Roles, "embedded": o.Embedded, "rehearse": o.Rehearse, "intake": o.Intake, "ownServers": o.Database == "" && o.Redis == "", "textBytes": textBytes, "customers": customers})
	r.report.Machine = site.machine()
	for range o.Rounds {
		r.n++
		r.report.round()
		r.report.machine()
		if err := r.round(ctx); err != nil {
			return nil, err
		}
	}
	r.report.finish(r.ratios(), r.limits())
	return r.report, nil
}

func (r *ingest) ratios() []ratio {
	noop, aim := 1.0, 1.3
	if r.Embedded {
		noop, aim = 1.5, 2.5
	}
	all := []ratio{{name: "stored / asynq no-op", over: "full.stored", under: "noop.rate", bar: noop, aim: aim}}
	if r.Embedded {
		return append(all, ratio{name: "stored / own group size 1", over: "full.stored", under: "single.stored"})
	}
	return append(all,
		ratio{name: "stored / own group size 1", over: "full.stored", under: "single.stored", bar: 6},
		ratio{name: "CPU per message / own group size 1", over: "full.cpu", under: "single.cpu", bar: 0.18, most: true},
		ratio{name: "acks with the ledger / without", over: "doors.with.acks", under: "doors.without.acks", bar: 0.6})
}

func (r *ingest) limits() []limit {
	if r.Embedded {
		return nil
	}
	return []limit{{"half.ack.p99", "ack p99 at half load, ms", 15, true}, {"half.stored.p99", "stored p99 at half load, ms", 60, true}}
}

func (r *ingest) wants(name string) bool { return len(r.Only) == 0 || slices.Contains(r.Only, name) }

func (r *ingest) round(ctx context.Context) error {
	for _, step := range []struct {
		names []string
		run   func(context.Context) error
	}{
		{[]string{"noop"}, r.noop}, {[]string{"full", "half", "api"}, r.full}, {[]string{"single"}, r.single}, {[]string{"doors"}, r.doors},
	} {
		if !slices.ContainsFunc(step.names, r.wants) || r.Embedded && step.names[0] == "doors" {
			continue
		}
		if err := r.calm(ctx); err != nil {
			return err
		}
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// calm ends what the reading before left to do: the disk writes what waits and is
// given back what was dropped, or would do so some seconds into the next one.
func (r *ingest) calm(ctx context.Context) error {
	if err := r.site.postgres.checkpoint(ctx); err != nil {
		return err
	}
	flushDisks()
	return nil
}

func (r *ingest) begin(n int, what string) func() {
	return r.progress.begin(n, "round %d of %d: %s", r.n, r.Rounds, what)
}

// noop measures the yardstick: saturated, then at half its own rate.
func (r *ingest) noop(ctx context.Context) error {
	if err := r.site.redis.flush(ctx); err != nil {
		return err
	}
	b := newNoop(r.site.redis.broker.AsynqOpt(), noopConcurrency, noopCheck)
	warm := warmUp(r.Count)
	if _, _, err := b.run(ctx, warm, 0, r.begin(warm, "asynq no-op, warm-up")); err != nil {
		return err
	}
	took, _, err := b.run(ctx, r.Count, 0, r.begin(r.Count, "asynq no-op"))
	if err != nil {
		return err
	}
	rate := float64(r.Count) / took.Seconds()
	r.report.add("noop.rate", "asynq no-op, enqueue and process", "tasks/s", rate)
	n := max(int(rate/2*min(r.Half, 3*time.Second).Seconds()), 1)
	_, latency, err := b.run(ctx, n, rate/2, r.begin(n, "asynq no-op, half load"))
	if err != nil {
		return err
	}
	r.report.add("noop.p50", "asynq no-op at half its rate, to the handler, p50", "ms", ms(quantile(latency, .5)))
	r.report.add("noop.p99", "asynq no-op at half its rate, to the handler, p99", "ms", ms(quantile(latency, .99)))
	return nil
}

// open starts a fleet with the roles that are wanted. Whoever has it stops it.
func (r *ingest) open(ctx context.Context, b blueprint) (*fleet, error) {
	f, err := newFleet(ctx, r.Common, r.site, b)
	if err != nil {
		return nil, err
	}
	for _, role := range r.Roles {
		if err := f.start(ctx, role); err != nil {
			f.stop()
			return nil, err
		}
	}
	return f, nil
}

// rehearse sends the saturated load once and forgets it. A virtual machine whose
// host takes back what memory is idle pays for every page when it is touched
// again, more than PostgreSQL does to fill it; a machine in use has its memory.
// It leaves free memory, and a disk that is busy for some seconds with what was
// dropped.
func (r *ingest) rehearse(ctx context.Context) error {
	f, err := r.open(ctx, blueprint{Name: fmt.Sprintf("rehearsal-%d", r.n), Embedded: r.Embedded, Intake: r.Intake, Hooks: []string{hook}})
	if err != nil {
		return err
	}
	defer f.stop()
	load, err := hookTraffic(hook, f.secret, "rehearsal", 5, min(r.Count, loadBlock))
	if err != nil {
		return err
	}
	if _, err := r.send(ctx, f, &sent{}, load, 0, r.begin(len(load.requests), "rehearsal")); err != nil {
		return err
	}
	_, err = f.settled(ctx)
	return err
}

// full measures the product as it is: saturated, at half load, and the API in the
// same two ways.
func (r *ingest) full(ctx context.Context) error {
	if r.Rehearse {
		if err := r.rehearse(ctx); err != nil {
			return err
		}
		if err := r.calm(ctx); err != nil {
			return err
		}
	}
	f, err := r.open(ctx, blueprint{Name: fmt.Sprintf("full-%d", r.n), Embedded: r.Embedded, Intake: r.Intake, Hooks: []string{hook}, Profile: r.Profiles != ""})
	if err != nil {
		return err
	}
	defer f.stop()
	s, err := r.saturate(ctx, f, "full", "", r.Count, r.profile(f))
	if err != nil {
		return err
	}
	if r.wants("half") {
		if err := r.half(ctx, f, s); err != nil {
			return err
		}
	}
	if r.wants("api") && r.API > 0 {
		if err := r.api(ctx, f, s); err != nil {
			return err
		}
	}
	r.report.Complaints = append(r.report.Complaints, f.complaints()...)
	return r.audit(ctx, f, s)
}

// single measures the product with all group sizes 1, with fewer messages.
func (r *ingest) single(ctx context.Context) error {
	f, err := r.open(ctx, blueprint{Name: fmt.Sprintf("single-%d", r.n), Embedded: r.Embedded, Intake: merge(r.Intake, single), Hooks: []string{hook}})
	if err != nil {
		return err
	}
	defer f.stop()
	s, err := r.saturate(ctx, f, "single", "group size 1, ", max(r.Count/5, 1), unprofiled)
	if err != nil {
		return err
	}
	return r.audit(ctx, f, s)
}

// rest is how long the fleet has nothing to do before the reading at half load:
// until the source does not count as flooded any more.
const rest = 2 * time.Second

// half sends at half the rate just measured, on a timetable. Both latencies
// count from the timetable; the second ends with the commit.
func (r *ingest) half(ctx context.Context, f *fleet, s *sent) error {
	rate := s.stored / 2
	n := max(int(rate*r.Half.Seconds()), 1)
	load, err := hookTraffic(hook, f.secret, "half", uint64(100+r.n), n)
	if err != nil {
		return err
	}
	if !sleep(ctx, rest) {
		return ctx.Err()
	}
	before, err := f.lag(ctx)
	if err != nil {
		return err
	}
	groups, err := f.groups(ctx)
	if err != nil {
		return err
	}
	m, err := startMeter(slices.Concat(f.parts(), r.site.parts())...)
	if err != nil {
		return err
	}
	d, err := r.send(ctx, f, s, load, rate, r.begin(n, "half load"))
	if err != nil {
		return err
	}
	if _, err := f.settled(ctx); err != nil {
		return err
	}
	used, err := m.stop()
	if err != nil {
		return err
	}
	r.usage("half", "half load: ", n, used)
	if err := r.sizes(ctx, f, "half", "half load: ", groups); err != nil {
		return err
	}
	r.report.add("half.rate", "half load", "messages/s", rate)
	r.report.add("half.ack.p50", "half load: ack p50", "ms", ms(quantile(d.latency, .5)))
	r.report.add("half.ack.p99", "half load: ack p99", "ms", ms(quantile(d.latency, .99)))
	if r.Embedded {
		after, err := f.lag(ctx)
		if err != nil {
			return err
		}
		spent := after.minus(before)
		r.report.add("half.stored.p50", "half load: stored p50, from acceptance, within its bucket", "ms", 1000*spent.quantile(.5))
		r.report.add("half.stored.p99", "half load: stored p99, from acceptance, within its bucket", "ms", 1000*spent.quantile(.99))
		return nil
	}
	stored := make([]time.Duration, 0, n)
	err = f.ledger.commits(ctx, "half", func(i int, at time.Time) { stored = append(stored, at.Sub(d.due(i, rate))) })
	if err != nil {
		return err
	}
	if len(stored) != n {
		return fmt.Errorf("bench: PostgreSQL noted the commits of %d messages of %d: is track_commit_timestamp on?", len(stored), n)
	}
	r.report.add("half.stored.p50", "half load: stored p50", "ms", ms(quantile(stored, .5)))
	r.report.add("half.stored.p99", "half load: stored p99", "ms", ms(quantile(stored, .99)))
	return nil
}

// audit compares the books with what was acknowledged.
func (r *ingest) audit(ctx context.Context, f *fleet, s *sent) error {
	if _, err := f.settled(ctx); err != nil {
		return err
	}
	a, err := f.ledger.audit(ctx)
	if err != nil {
		return err
	}
	if err := a.check(s.messages, s.threads); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(f.complaints(), "\n"))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
