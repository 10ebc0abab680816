//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// TestChaos sets a whole fleet under fire: real processes on real PostgreSQL,
// Redis under Sentinel and Dovecot, customers at every door who send again until
// they hear yes, agents who answer, and meanwhile every fault of chaosDeck and a
// kill -9 every few seconds. In the end everything acknowledged must be filed
// exactly once.
//
// Without an environment it is small enough for every `go test`, with each kind
// of fault at least once. `make chaos` runs half an hour with 300 kills:
//
//	SWITCHBOARD_CHAOS=30m SWITCHBOARD_CHAOS_KILLS=300 SWITCHBOARD_CHAOS_SEED=7 go test -run '^TestChaos$' -v -timeout 60m ./cmd/switchboard
//
// SWITCHBOARD_CHAOS_RATE is messages a second; SWITCHBOARD_CHAOS_DIR keeps the
// logs, the timeline and the acknowledged file there whatever happens. A seed
// repeats the choices of an earlier run, not its timing.
//
// chaos_house_test.go starts the servers, chaos_net_test.go the wires between
// everybody, chaos_roles_test.go the processes, chaos_traffic_test.go and
// chaos_doors_test.go the customers and agents, chaos_faults_test.go breaks, and
// chaos_books_test.go counts.
func TestChaos(t *testing.T) {
	plan := readChaosPlan(t)
	t.Logf("chaos begins: seed %d, %s, at least %d kills", plan.seed, plan.lasts, plan.kills)
	c := openChaos(t, plan)
	c.startRoles()
	c.run()
}

func readChaosPlan(t *testing.T) chaosPlan {
	t.Helper()
	p := chaosPlan{seed: uint64(time.Now().UnixNano() % 1e6), lasts: 60 * time.Second, rate: 15, quiet: 3 * time.Minute}
	var err error
	read := func(name string, into func(string) error) {
		if text := os.Getenv("SWITCHBOARD_CHAOS" + name); text != "" {
			if err := into(text); err != nil {
				t.Fatalf("SWITCHBOARD_CHAOS%s: %v", name, err)
			}
		}
	}
	read("", func(s string) error { p.lasts, err = time.ParseDuration(s); return err })
	p.kills = int(p.lasts / (6 * time.Second))
	read("_SEED", func(s string) error { p.seed, err = strconv.ParseUint(s, 10, 64); return err })
	read("_KILLS", func(s string) error { p.kills, err = strconv.Atoi(s); return err })
	read("_RATE", func(s string) error { p.rate, err = strconv.ParseFloat(s, 64); return err })
	return p
}

// run is the run itself.
func (c *chaos) run() {
	t := c.t
	idle, _, err := c.goroutines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.began = time.Now()
	c.traffic = c.newTraffic()
	faults := c.newFaults()
	c.watch = &chaosWatch{c: c, faults: faults, open: map[string]bool{}}
	life, end := context.WithCancel(t.Context())
	c.life = life
	ctx, cancel := context.WithCancel(life)
	defer cancel()
	watching, stopWatching := context.WithCancel(life)
	defer stopWatching()
	var others, watcher sync.WaitGroup
	defer func() { // also when a server does not come back, which ends the test
		end()
		others.Wait()
		watcher.Wait()
		faults.beside.Wait()
		c.traffic.wg.Wait()
	}()
	others.Go(func() { c.traffic.run(ctx) })
	others.Go(func() { c.traffic.agents(ctx, 800*time.Millisecond) })
	others.Go(func() { faults.kills(ctx) })
	watcher.Go(func() { c.watch.run(watching) })
	faults.run(ctx)
	cancel()
	others.Wait()

	// Peace.
	calm := time.Now()
	c.note("peace", "", "")
	var all []*wire
	for _, r := range c.roles {
		r.setClock(0)
		for _, w := range r.wires {
			all = append(all, w)
		}
	}
	c.heal(append(all, c.teamsGo))
	c.traffic.flush()
	patience, stop := context.WithTimeout(life, c.plan.quiet)
	defer stop()
	for _, r := range c.roles {
		if err := r.ready(patience); err != nil {
			c.fail("%v", err)
		}
	}
	if err := c.traffic.settle(patience); err != nil {
		c.fail("%v", err)
	}
	if err := c.settled(patience); err != nil {
		c.fail("%v", err)
	}
	settled := time.Since(calm)
	stopWatching()
	watcher.Wait()
	c.watch.step(t.Context())

	most, of, err := c.resting(t.Context(), idle)
	if err != nil {
		c.fail("%v", err)
	}
	for _, r := range c.roles {
		if err := r.end(); err != nil {
			c.fail("%v", err)
		}
	}
	if left := c.left(); len(left) > 0 {
		c.fail("processes are left: %v", left)
	}
	counted, err := c.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	audited := c.audit(t.Context())
	full, waited := c.readLogs()
	if c.watch.kills < c.plan.kills {
		c.fail("%d kills, want %d", c.watch.kills, c.plan.kills)
	}
	c.watch.judge()
	summary := c.summary(counted, settled, full, waited, fmt.Sprintf("%d at rest, %d at most in the end (%s)", idle, most, of), audited)
	_ = os.WriteFile(c.in("summary.txt"), []byte(summary), 0o600)
	t.Log(summary)
}

// resting waits until no process has many more goroutines than at the start.
func (c *chaos) resting(ctx context.Context, idle int) (most int, of string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		most, of, err = c.goroutines(ctx)
		if err == nil && most <= idle*3/2+50 {
			return most, of, nil
		}
		if !chaosWait(ctx, 500*time.Millisecond) {
			return most, of, errors.Join(err, fmt.Errorf("%s still has %d goroutines, %d at the start", of, most, idle))
		}
	}
}

// summary is the table of the run.
func (c *chaos) summary(n *chaosCount, settled time.Duration, full, waited int, goroutines, audited string) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{name}, args...)...)
	}
	list := func(m map[string]int) string {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, fmt.Sprintf("%s %d", k, m[k]))
		}
		return strings.Join(out, ", ")
	}
	verdict := "PASSED"
	if c.t.Failed() {
		verdict = "FAILED"
	}
	kills, others := map[string]int{}, map[string]int{}
	var drains, pauses int
	for _, r := range c.roles {
		kills[r.name] += r.kills
		drains, pauses = drains+r.drains, pauses+r.pauses
	}
	maps.Copy(others, c.faults)
	fmt.Fprintf(w, "\nchaos %s\n", verdict)
	row("seed", "%d", c.plan.seed)
	row("duration", "%s of faults, %s in all", c.plan.lasts, time.Since(c.began).Round(time.Second))
	row("messages", "%d (%s), sent %d times on purpose", n.sent, list(n.byDoor), n.times)
	row("acknowledged", "%d", n.acked)
	row("ledger", "%s", list(n.states))
	row("filed", "%d tickets, %d entries", n.tickets, n.entries)
	row("lost", "%d", n.lost)
	row("doubled", "%d", n.doubled)
	row("threads wrong", "%d", n.wrong)
	row("empty tickets", "%d", n.empty)
	row("answers", "%d, %d delivered, told twice after a cut: %s, notes that left: %d", n.answers, n.delivered, list(n.twice), n.leaked)
	row("doors said again later", "%s", list(c.traffic.statuses))
	row("kills -9", "%d (%s)", c.watch.kills, list(kills))
	row("faults", "%s", list(others))
	row("drains, pauses", "%d, %d; %d starts that waited for PostgreSQL, %d refusals for want of space", drains, pauses, waited, full)
	row("settled after a kill", "%.1f s at most, %.1f s at most in %d kills with nothing else broken", c.watch.longest.Seconds(), c.watch.alone.Seconds(), c.watch.alones)
	row("settled in the end", "%.1f s after the last fault", settled.Seconds())
	row("goroutines", "%s", goroutines)
	row("audit", "%s", strings.TrimPrefix(audited, "audit "))
	_ = w.Flush()
	return text.String()
}
