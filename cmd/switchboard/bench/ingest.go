package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// IngestOptions are those of `switchboard bench ingest`.
type IngestOptions struct {
	Common
	Count  int               // messages of a saturated reading
	Rounds int               // how often everything is measured
	Conns  int               // connections of the generator
	Half   time.Duration     // length of the reading at half load
	API    int               // tickets created over the API; 0: none
	Roles  []string          // web and work, any number of them, or serve
	Intake map[string]string // keys of the config's section intake, tried instead of the defaults
	Only   []string          // readings to take; empty: all. See [Readings]
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

// warmUp is how many messages go before each saturated reading, so that
// connections, caches and plans are there.
const warmUp = 1500

// single are the settings of a product that does everything message by message.
// It gets more lanes, because one lane with groups of one would wait more than
// it works.
var single = map[string]string{"ledgerGroup": "1", "ledgerWait": "0s", "taskGroup": "1", "taskWait": "0s", "fileGroup": "1", "fileWait": "0s", "fileLanes": "8"}

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
func Ingest(ctx context.Context, o IngestOptions) (*Report, error) {
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
		"api": o.API, "roles": o.Roles, "embedded": o.Embedded, "intake": o.Intake, "ownServers": o.Database == "" && o.Redis == "", "textBytes": textBytes, "customers": customers})
	r.report.Machine = site.machine()
	for range o.Rounds {
		r.n++
		r.report.round()
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
		if err := r.site.postgres.checkpoint(ctx); err != nil {
			return err
		}
		if err := step.run(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("%w (the whole run is limited to %s by --limit)", err, r.Limit)
			}
			return err
		}
	}
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
	if _, _, err := b.run(ctx, min(warmUp, r.Count), 0, r.begin(warmUp, "asynq no-op, warm-up")); err != nil {
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

// full measures the product as it is: saturated, at half load, and the API.
func (r *ingest) full(ctx context.Context) error {
	f, err := newFleet(ctx, r.Common, r.site, blueprint{Name: fmt.Sprintf("full-%d", r.n), Embedded: r.Embedded, Intake: r.Intake, Hooks: []string{hook}, Profile: r.Profiles != ""})
	if err != nil {
		return err
	}
	defer f.stop()
	for _, role := range r.Roles {
		if err := f.start(ctx, role); err != nil {
			return err
		}
	}
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
	f, err := newFleet(ctx, r.Common, r.site, blueprint{Name: fmt.Sprintf("single-%d", r.n), Embedded: r.Embedded, Intake: merge(r.Intake, single), Hooks: []string{hook}})
	if err != nil {
		return err
	}
	defer f.stop()
	for _, role := range r.Roles {
		if err := f.start(ctx, role); err != nil {
			return err
		}
	}
	s, err := r.saturate(ctx, f, "single", "group size 1, ", max(r.Count/5, 1), unprofiled)
	if err != nil {
		return err
	}
	return r.audit(ctx, f, s)
}

// sent sums up what was sent to a fleet and acknowledged.
type sent struct {
	messages, threads int
	stored            float64 // a second, saturated
}

// saturate sends n messages as fast as they are acknowledged and waits until
// the last is settled.
func (r *ingest) saturate(ctx context.Context, f *fleet, name, label string, n int, profile func(context.Context) (done func())) (*sent, error) {
	s := &sent{}
	warm, err := hookTraffic(hook, f.secret, "warm", 7, min(warmUp, n))
	if err != nil {
		return nil, err
	}
	if _, err := r.send(ctx, f, s, warm, 0, r.begin(len(warm.requests), label+"warm-up")); err != nil {
		return nil, err
	}
	if _, err := f.settled(ctx); err != nil {
		return nil, err
	}
	loads := r.loads(ctx, f, name, n)
	load := <-loads
	step := r.begin(n, label+"saturated")
	m, err := startMeter(slices.Concat(f.parts(), r.site.parts(), []part{{name: "generator", pid: os.Getpid()}})...)
	if err != nil {
		return nil, err
	}
	memory := watchMemory(ctx, f.parts())
	defer memory.end()
	profiled := profile(ctx)
	defer profiled()
	var took time.Duration
	began := time.Now()
	for ; load.traffic != nil || load.err != nil; load = <-loads {
		d, err := r.sendLoad(ctx, f, s, load, step)
		if err != nil {
			return nil, err
		}
		took += d.took
	}
	end, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	used, err := m.stop()
	if err != nil {
		return nil, err
	}
	s.stored = float64(n) / end.Sub(began).Seconds()
	r.report.add(name+".acks", label+"acknowledged, saturated", "messages/s", float64(n)/took.Seconds())
	r.report.add(name+".stored", label+"stored, saturated", "messages/s", s.stored)
	r.usage(name, label, n, used)
	if n >= manyMessages {
		for _, part := range sortedKeys(memory.end()) {
			early, late := memory.ends(part)
			r.report.add(name+".early."+part, label+"memory in the second tenth of the time, "+part, "MB", early)
			r.report.add(name+".late."+part, label+"memory in the last tenth, "+part, "MB", late)
		}
	}
	return s, nil
}

// manyMessages is from where on it is told how memory went over time.
const manyMessages = 100_000

// loadBlock is how many requests are made ahead.
const loadBlock = 50_000

// block is a part of a load, or why there is none.
type block struct {
	traffic *traffic
	err     error
}

// loads makes the requests of a reading block by block, one ahead of what is
// sent. The channel is closed after the last.
func (r *ingest) loads(ctx context.Context, f *fleet, name string, n int) <-chan block {
	out := make(chan block, 1)
	go func() {
		defer close(out)
		for i := 0; i*loadBlock < n; i++ {
			t, err := hookTraffic(hook, f.secret, fmt.Sprintf("%s%d", name, i), uint64(r.n+1000*i), min(loadBlock, n-i*loadBlock))
			select {
			case out <- block{t, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (r *ingest) sendLoad(ctx context.Context, f *fleet, s *sent, b block, step func()) (*driven, error) {
	if b.err != nil {
		return nil, b.err
	}
	return r.send(ctx, f, s, b.traffic, 0, step)
}

// usage reports CPU and memory of each part; the sum is without the generator.
func (r *ingest) usage(name, label string, n int, used map[string]usage) {
	var sum float64
	for _, part := range sortedKeys(used) {
		cpu := float64(used[part].CPU.Microseconds()) / float64(n)
		r.report.add(name+".cpu."+part, label+"CPU a message, "+part, "us", cpu)
		if part != "generator" {
			sum += cpu
		}
	}
	r.report.add(name+".cpu", label+"CPU a message, all but the generator", "us", sum)
	for _, part := range sortedKeys(used) {
		if part != "generator" && part != "postgres" { // whose processes share most of their memory
			r.report.add(name+".memory."+part, label+"peak memory, "+part, "MB", float64(used[part].Peak)/(1<<20))
		}
	}
}

// send sends a reading's requests; all must be taken.
func (r *ingest) send(ctx context.Context, f *fleet, s *sent, t *traffic, rate float64, step func()) (*driven, error) {
	d, err := drive{addr: f.addr, requests: t.requests, conns: r.Conns, rate: rate, done: step}.run(ctx)
	if err == nil {
		err = d.check()
	}
	if err != nil {
		if dead := f.alive(); dead != nil {
			err = dead
		}
		return nil, err
	}
	s.messages += len(t.requests)
	s.threads += t.threads
	return d, nil
}

// half sends at half the rate just measured, on a timetable. Both latencies
// count from the timetable; the second ends with the commit.
func (r *ingest) half(ctx context.Context, f *fleet, s *sent) error {
	rate := s.stored / 2
	n := max(int(rate*r.Half.Seconds()), 1)
	load, err := hookTraffic(hook, f.secret, "half", uint64(100+r.n), n)
	if err != nil {
		return err
	}
	before, err := f.lag(ctx)
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

// api creates tickets over the API, each filed before it is answered.
func (r *ingest) api(ctx context.Context, f *fleet, s *sent) error {
	key, err := f.key(ctx)
	if err != nil {
		return err
	}
	load, err := apiTraffic(key, fmt.Sprintf("api%d", r.n), uint64(200+r.n), r.API)
	if err != nil {
		return err
	}
	d, err := r.send(ctx, f, s, load, 0, r.begin(r.API, "POST /v1/tickets"))
	if err != nil {
		return err
	}
	r.report.add("api.rate", "POST /v1/tickets, filed before the answer", "tickets/s", float64(r.API)/d.took.Seconds())
	r.report.add("api.p50", "POST /v1/tickets, saturated, p50", "ms", ms(quantile(d.latency, .5)))
	r.report.add("api.p99", "POST /v1/tickets, saturated, p99", "ms", ms(quantile(d.latency, .99)))
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

// doors compares the ack with the ledger in its way and without: the same
// channel code in one process, first before the ledger, then before a task of
// asynq that carries the whole message. Nobody works behind either, so that
// only the doors are measured.
func (r *ingest) doors(ctx context.Context) error {
	n := max(r.Count/2, 1)
	for _, door := range []struct{ name, role, label string }{
		{"doors.with", "web", "door alone, ledger and task: acknowledged"},
		{"doors.without", "bench doorman", "door alone, a task and no ledger: acknowledged"},
	} {
		f, err := newFleet(ctx, r.Common, r.site, blueprint{Name: fmt.Sprintf("%s-%d", door.name, r.n), Intake: r.Intake, Hooks: []string{hook}})
		if err != nil {
			return err
		}
		err = r.door(ctx, f, door.name, door.role, door.label, n)
		f.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *ingest) door(ctx context.Context, f *fleet, name, role, label string, n int) error {
	if err := f.start(ctx, role); err != nil {
		return err
	}
	s := &sent{}
	warm, err := hookTraffic(hook, f.secret, "warm", 7, min(warmUp, n))
	if err != nil {
		return err
	}
	if _, err := r.send(ctx, f, s, warm, 0, r.begin(len(warm.requests), label+", warm-up")); err != nil {
		return err
	}
	load, err := hookTraffic(hook, f.secret, "doors", uint64(r.n), n)
	if err != nil {
		return err
	}
	d, err := r.send(ctx, f, s, load, 0, r.begin(n, label))
	if err != nil {
		return err
	}
	r.report.add(name+".acks", label, "messages/s", float64(n)/d.took.Seconds())
	r.report.add(name+".p50", label+", p50", "ms", ms(quantile(d.latency, .5)))
	r.report.add(name+".p99", label+", p99", "ms", ms(quantile(d.latency, .99)))
	return nil
}

// profile begins to take CPU profiles of all roles, when they are wanted. done
// waits until they are written.
func (r *ingest) profile(f *fleet) func(context.Context) (done func()) {
	return func(ctx context.Context) func() {
		var wait sync.WaitGroup
		if r.Profiles == "" {
			return wait.Wait
		}
		for i, at := range f.ops {
			wait.Go(func() {
				b, err := fetch(ctx, "http://"+at+"/debug/pprof/profile?seconds=3")
				if err == nil {
					err = os.WriteFile(filepath.Join(r.Profiles, fmt.Sprintf("round%d-%s-%d.pprof", r.n, f.children[i].role, i)), b, 0o644)
				}
				if err != nil && r.Screen != nil {
					fmt.Fprintln(r.Screen, "profile:", err)
				}
			})
		}
		return wait.Wait
	}
}

// unprofiled is the profile of a reading that takes none.
func unprofiled(context.Context) func() { return func() {} }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
