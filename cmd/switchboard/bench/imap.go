package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"switchboard/workers/broker/program"
)

// IMAPOptions are those of `switchboard bench imap`.
type IMAPOptions struct {
	Common
	Count   int // mails in the mailbox
	Rounds  int
	Workers int  // work processes
	Shuffle bool // answers are delivered before what they answer
	Seed    uint64
	// Peer is a command that imports the same mailbox in the same run, for
	// comparison, run by sh. In its environment it finds BENCH_IMAP_ADDR,
	// BENCH_IMAP_USER, BENCH_IMAP_PASSWORD, BENCH_COUNT and, unless embedded,
	// BENCH_DATABASE, an empty database. A line "rate NUMBER" in what it prints is
	// its mails a second; without one the whole command is timed.
	Peer string
	// Profiles is a folder for CPU profiles of the roles, of the first seconds of
	// each import; empty: none.
	Profiles string
}

// imapRun is a run of IMAP.
type imapRun struct {
	IMAPOptions
	site     *site
	office   *postOffice
	letters  *letters
	report   *Report
	progress *progress
	n        int
}

// IMAP measures the import of a generated mailbox by listen and work.
func IMAP(ctx context.Context, o IMAPOptions) (report *Report, err error) {
	if _, err := readUsage(os.Getpid(), false); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	defer func() { err = limited(ctx, o.Limit, err) }()
	site, err := openSite(ctx, o.Common, true)
	if err != nil {
		return nil, err
	}
	defer site.close()
	r := &imapRun{IMAPOptions: o, site: site, progress: newProgress(o.Common)}
	defer r.progress.end()
	r.progress.begin(0, "writing %d mails", o.Count)
	r.letters = writeLetters(o.Count, o.Seed, o.Shuffle)
	if r.office, err = openPostOffice(ctx, o.Common, filepath.Join(site.dir, "mail"), r.letters.mails); err != nil {
		return nil, err
	}
	defer r.office.stop()
	r.letters.mails = nil
	r.report = newReport("imap", o.Common, map[string]any{"count": o.Count, "rounds": o.Rounds, "workers": o.Workers, "shuffle": o.Shuffle, "seed": o.Seed,
		"embedded": o.Embedded, "server": r.office.about, "meanBytes": r.letters.mean(), "threads": r.letters.threads, "peer": o.Peer})
	r.report.Machine = site.machine()
	for range o.Rounds {
		r.n++
		r.report.round()
		r.report.machine()
		if err = r.round(ctx); err == nil && o.Peer != "" {
			err = r.peer(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	limits := []limit{{"rate", "mails/s until all are stored", 1000, false}}
	if !o.Embedded {
		limits = append(limits, limit{"memory.listen", "peak memory of listen, MB", 64, true})
	}
	r.report.finish([]ratio{{name: "threads made / right", over: "threads.made", under: "threads.right", bar: 1, exact: true},
		{name: "mails/s / the peer's", over: "rate", under: "peer.rate", bar: 0.6}}, limits)
	return r.report, nil
}

func (r *imapRun) round(ctx context.Context) error {
	if err := r.site.postgres.checkpoint(ctx); err != nil {
		return err
	}
	f, err := newFleet(ctx, r.Common, r.site, blueprint{Name: fmt.Sprintf("imap-%d", r.n), Embedded: r.Embedded, Mailbox: &r.office.mailbox, Profile: r.Profiles != ""})
	if err != nil {
		return err
	}
	defer f.stop()
	reader := "serve"
	if !r.Embedded {
		reader = "listen"
		for range r.Workers {
			if err := f.start(ctx, "work"); err != nil {
				return err
			}
		}
	}
	step := r.progress.begin(r.Count, "round %d of %d: import", r.n, r.Rounds)
	office := []part{{name: "mail server", pid: r.office.process.Pid(), family: true}}
	before, err := startMeter(slices.Concat(f.parts(), r.site.parts(), office)...)
	if err != nil {
		return err
	}
	started := time.Now()
	if err := f.start(ctx, reader); err != nil {
		return err
	}
	profiled := f.profile(ctx, r.Profiles, r.n, 2)
	ended, err := r.imported(ctx, f, step)
	if err != nil {
		return err
	}
	profiled()
	m := &meter{parts: slices.Concat(f.parts(), r.site.parts(), office), from: before.from} // the reader began at nothing
	used, err := m.stop()
	if err != nil {
		return err
	}
	began, err := f.opened()
	if err != nil {
		return err
	}
	n := float64(r.Count)
	r.report.add("rate", "mails a second, from opening the mailbox to the last stored", "mails/s", n/ended.Sub(began).Seconds())
	r.report.add("rate.process", "the same, from starting the process", "mails/s", n/ended.Sub(started).Seconds())
	var sum float64
	for _, part := range sortedKeys(used) {
		cpu := float64(used[part].CPU.Microseconds()) / n
		r.report.add("cpu."+part, "CPU a mail, "+part, "us", cpu)
		if part != "mail server" {
			sum += cpu
		}
	}
	r.report.add("cpu", "CPU a mail, all but the mail server", "us", sum)
	for _, part := range sortedKeys(used) {
		if part != "mail server" && part != "postgres" {
			r.report.add("memory."+part, "peak memory, "+part, "MB", float64(used[part].Peak)/(1<<20))
		}
	}
	a, err := f.ledger.audit(ctx)
	if err != nil {
		return err
	}
	r.report.add("threads.made", "threads made", "tickets", float64(a.Tickets))
	r.report.add("threads.right", "threads right", "tickets", float64(r.letters.threads))
	if err := a.check(r.Count, a.Tickets); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(f.complaints(), "\n"))
	}
	r.report.Complaints = append(r.report.Complaints, f.complaints()...)
	return nil
}

// imported waits until every mail is filed and returns when that was seen. It
// looks seldom enough to cost less than a tenth, and on a busy machine ten times
// a second.
func (r *imapRun) imported(ctx context.Context, f *fleet, step func()) (time.Time, error) {
	shown := 0
	for {
		asked := time.Now()
		n, err := f.ledger.count(ctx, "SELECT count(*) FROM ledger WHERE state <> 'accepted'")
		if err != nil {
			return time.Time{}, err
		}
		for ; shown < min(n, r.Count); shown++ {
			step()
		}
		now := time.Now()
		if n >= r.Count {
			return now, nil
		}
		if err := f.alive(); err != nil {
			return time.Time{}, err
		}
		if !sleep(ctx, min(max(5*time.Millisecond, 10*now.Sub(asked)), 100*time.Millisecond)) {
			return time.Time{}, fmt.Errorf("bench: %d mails of %d were stored in time: %w\n%s", n, r.Count, ctx.Err(), strings.Join(f.complaints(), "\n"))
		}
	}
}

var openedLine = regexp.MustCompile(`(?m)^time=(\S+) level=INFO msg=mailboxes `)

// opened is when the fleet's last process said in its log that it opens its
// mailboxes.
func (f *fleet) opened() (time.Time, error) {
	last := len(f.children) - 1
	text := program.Tail(filepath.Join(f.dir, fmt.Sprintf("%s-%d.log", f.children[last].role, last)), 1<<20)
	m := openedLine.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, errors.New("bench: the log does not say when the mailboxes were opened")
	}
	return time.Parse(time.RFC3339, m[1])
}

var peerRate = regexp.MustCompile(`(?m)^rate ([0-9.]+)\s*$`)

// peer runs the other importer.
func (r *imapRun) peer(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", r.Peer)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "BENCH_IMAP_ADDR="+r.office.addr(), "BENCH_IMAP_USER="+r.office.User, "BENCH_IMAP_PASSWORD="+r.office.Password,
		"BENCH_COUNT="+strconv.Itoa(r.Count))
	if !r.Embedded {
		at, drop, err := r.site.postgres.database(ctx)
		if err != nil {
			return err
		}
		defer drop(context.WithoutCancel(ctx))
		cmd.Env = append(cmd.Env, "BENCH_DATABASE="+at)
	}
	r.progress.begin(0, "round %d of %d: peer", r.n, r.Rounds)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return fmt.Errorf("bench: peer: %w: %s", err, out)
	}
	rate := float64(r.Count) / took.Seconds()
	if m := peerRate.FindSubmatch(out); m != nil {
		if rate, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			return fmt.Errorf("bench: peer: %w", err)
		}
	}
	r.report.add("peer.rate", "the peer's mails a second", "mails/s", rate)
	return nil
}
