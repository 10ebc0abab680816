//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"switchboard/channels/chat/fakechat"
	"switchboard/channels/email/fakesmtp"
	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
)

// chaosFault is one kind of damage. do returns when it is mended again, and says
// what it did; it is called from the test's goroutine.
type chaosFault struct {
	name string
	do   func(f *chaosFaults, ctx context.Context) (said string)
	root bool // only root can
}

// chaosDeck is every kind but two: kill -9 has a loop of its own (and lone, when
// nothing else is broken), and the upgrade comes once.
var chaosDeck = []chaosFault{
	{"redis restart", (*chaosFaults).redisRestart, false},
	{"redis flush", (*chaosFaults).redisFlush, false},
	{"redis failover", (*chaosFaults).redisFailover, false},
	{"postgres restart", (*chaosFaults).pgRestart, false},
	{"postgres crash", (*chaosFaults).pgCrash, false},
	{"postgres connections cut", (*chaosFaults).pgCut, false},
	{"network latency", (*chaosFaults).latency, false},
	{"network loss", (*chaosFaults).loss, false},
	{"network reset", (*chaosFaults).reset, false},
	{"network black hole", (*chaosFaults).blackHole, false},
	{"network cut", (*chaosFaults).cut, false},
	{"mailbox restart", (*chaosFaults).mailRestart, false},
	{"mailbox killed", (*chaosFaults).mailKill, false},
	{"vendors failing", (*chaosFaults).vendors, false},
	{"clock step", (*chaosFaults).clock, false},
	{"full disk", (*chaosFaults).fullDisk, true},
	{"pause", (*chaosFaults).pause, false},
	{"drain", (*chaosFaults).drain, false},
	{"machine gone", (*chaosFaults).gone, false},
}

// chaosFaults deals the faults.
type chaosFaults struct {
	c      *chaos
	random *rand.Rand
	short  bool // the run is: faults last a second or two
	beside sync.WaitGroup

	killing sync.Mutex // held by who kills

	mu       sync.Mutex
	active   int       // faults other than kills
	quietAt  time.Time // when the last of them was over
	upgraded bool
}

func (c *chaos) newFaults() *chaosFaults {
	return &chaosFaults{c: c, random: rand.New(rand.NewPCG(c.plan.seed, 3)), short: c.plan.lasts < 5*time.Minute}
}

// run deals every kind in random order, again and again, until the plan's time is
// up and each came at least once, and upgrades the fleet halfway.
func (f *chaosFaults) run(ctx context.Context) {
	half, end := time.Now().Add(f.c.plan.lasts/2), time.Now().Add(f.c.plan.lasts)
	for round := 0; ctx.Err() == nil; round++ {
		if round > 0 && !f.short { // a time with nothing but kills
			f.beside.Wait()
			chaosWait(ctx, 20*time.Second)
			f.lone(ctx)
		}
		for _, n := range f.random.Perm(len(chaosDeck)) {
			over := round > 0 && time.Now().After(end)
			if over && f.upgraded {
				f.beside.Wait()
				for range 2 {
					f.lone(ctx)
				}
				return
			}
			if !f.upgraded && time.Now().After(half) {
				f.upgraded = true
				f.one(ctx, chaosFault{"upgrade", (*chaosFaults).upgrade, false})
			}
			if !chaosDeck[n].root || f.c.small {
				f.one(ctx, chaosDeck[n])
				chaosWait(ctx, f.between(200*time.Millisecond, 500*time.Millisecond, time.Second, 6*time.Second))
			}
		}
	}
}

func (f *chaosFaults) one(ctx context.Context, x chaosFault) {
	f.began()
	begun := time.Now()
	f.c.note("fault", x.name, "begins")
	said := x.do(f, ctx)
	f.c.note("fault", x.name, fmt.Sprintf("%s; over after %s", said, time.Since(begun).Round(time.Millisecond)))
	f.c.mu.Lock()
	f.c.faults[x.name]++
	f.c.mu.Unlock()
	f.ended()
}

func (f *chaosFaults) began() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active++
}

func (f *chaosFaults) ended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active--
	f.quietAt = time.Now()
}

// quiet reports whether nothing but kills goes on, and has not for a while.
func (f *chaosFaults) quiet() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.active == 0 && time.Since(f.quietAt) > 3*time.Second
}

// between draws a duration, from the first pair in a short run.
func (f *chaosFaults) between(shortLow, shortHigh, low, high time.Duration) time.Duration {
	if f.short {
		low, high = shortLow, shortHigh
	}
	return low + time.Duration(f.random.Int64N(int64(high-low)+1))
}

// lasts is how long most faults hold.
func (f *chaosFaults) lasts() time.Duration {
	return f.between(time.Second, 3*time.Second, 3*time.Second, 15*time.Second)
}

func (f *chaosFaults) role() *chaosRole { return f.c.roles[f.random.IntN(len(f.c.roles))] }

// kills kills one process after the other, in the pace that makes the plan's
// number, until ctx is done.
func (f *chaosFaults) kills(ctx context.Context) {
	random := rand.New(rand.NewPCG(f.c.plan.seed, 4))
	pace := f.c.plan.lasts * 9 / 10 / time.Duration(max(f.c.plan.kills, 1))
	next := time.Now()
	for {
		next = next.Add(pace*3/4 + time.Duration(random.Int64N(int64(pace/2)+1)))
		if !chaosWait(ctx, time.Until(next)) {
			return
		}
		r := f.c.roles[random.IntN(len(f.c.roles))]
		for !r.mu.TryLock() { // somebody drains it
			r = f.c.roles[random.IntN(len(f.c.roles))]
			time.Sleep(time.Millisecond)
		}
		r.mu.Unlock()
		f.killing.Lock()
		f.c.watch.killed(ctx, r.name)
		err := r.kill()
		f.killing.Unlock()
		if err != nil {
			f.c.fail("kill %s: %v", r.name, err)
			return
		}
		f.c.note("kill", r.name, "")
	}
}

func (f *chaosFaults) redisRestart(context.Context) string { f.c.redis.Restart(); return "" }

// redisFlush empties Redis while tasks are in it: the workers are frozen for a
// moment, so that some wait.
func (f *chaosFaults) redisFlush(ctx context.Context) string {
	var frozen sync.WaitGroup
	for _, r := range f.c.roles {
		if r.command == "work" {
			frozen.Go(func() { r.pause(ctx, 1200*time.Millisecond) })
		}
	}
	chaosWait(ctx, time.Second)
	f.c.redis.FlushAll()
	frozen.Wait()
	return ""
}

func (f *chaosFaults) redisFailover(ctx context.Context) string {
	f.c.redis.Kill()
	f.c.redis.Ready()
	chaosWait(ctx, f.between(0, time.Second, 0, 10*time.Second))
	f.c.redis.Restart()
	return ""
}

func (f *chaosFaults) pgRestart(ctx context.Context) string {
	f.c.pg.Stop(f.c.t)
	chaosWait(ctx, f.between(0, time.Second, 0, 8*time.Second))
	f.c.pg.Restart(f.c.t)
	return ""
}

func (f *chaosFaults) pgCrash(ctx context.Context) string {
	f.c.pg.Crash(f.c.t)
	chaosWait(ctx, f.between(0, time.Second, 0, 4*time.Second))
	f.c.pg.Restart(f.c.t)
	return ""
}

func (f *chaosFaults) pgCut(ctx context.Context) string {
	n := 0
	for range f.random.IntN(5) + 1 {
		asked, cancel := context.WithTimeout(ctx, 10*time.Second)
		var cut int
		err := f.c.books.QueryRow(asked, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < $1`, f.random.Float64()).Scan(&cut)
		cancel()
		if err == nil {
			n += cut
		}
		chaosWait(ctx, 200*time.Millisecond)
	}
	return fmt.Sprint(n, " connections")
}

// pairs draws which wires are hit: one pair, one server for everybody, or one
// process with all its servers.
func (f *chaosFaults) pairs() (list []*wire, said string) {
	dependency := func(server string) string {
		if strings.HasPrefix(server, toRedis) || server == toSentinel {
			return toRedis
		}
		return server
	}
	servers := []string{toBooks, toBooks, toRedis, toRedis, toMailbox, toPost, toSlack, toTeams, toChat, toDoor}
	server, role := servers[f.random.IntN(len(servers))], f.role()
	how := f.random.IntN(3)
	for _, r := range f.c.roles {
		for _, w := range r.wires {
			if how == 0 && r == role && dependency(w.server) == server || how == 1 && dependency(w.server) == server || how == 2 && r == role {
				list = append(list, w)
			}
		}
	}
	if server == toTeams && how < 2 {
		list = append(list, f.c.teamsGo)
	}
	return list, []string{role.name + " and " + server, "all and " + server, role.name + " and all"}[how]
}

// hurt puts a fault on wires for a while.
func (f *chaosFaults) hurt(ctx context.Context, detail string, do func(w *wire) error) string {
	list, said := f.pairs()
	for _, w := range list {
		if err := do(w); err != nil {
			f.c.fail("the network: %s: %v", w.name(), err)
		}
	}
	d := f.lasts()
	chaosWait(ctx, d)
	f.c.heal(list)
	return said + detail
}

// heal takes the faults off wires.
func (c *chaos) heal(list []*wire) {
	var wg sync.WaitGroup
	for _, w := range list {
		wg.Go(func() {
			if err := w.heal(); err != nil {
				c.fail("the network: %v", err)
			}
		})
	}
	wg.Wait()
}

func (f *chaosFaults) latency(ctx context.Context) string {
	ms := 20 + f.random.Int64N(400)
	return f.hurt(ctx, fmt.Sprintf(", %d ms", ms), func(w *wire) error {
		return w.add("latency", "down", map[string]int64{"latency": ms, "jitter": ms / 2})
	})
}

func (f *chaosFaults) loss(ctx context.Context) string {
	kind, stream := f.random.IntN(4), []string{"up", "down"}[f.random.IntN(2)]
	n := f.random.Int64N(20000)
	return f.hurt(ctx, fmt.Sprintf(", kind %d of %s, %d", kind, stream, n), func(w *wire) error {
		switch kind {
		case 0: // the connection ends in the middle
			return w.add("limit_data", stream, map[string]int64{"bytes": 100 + n})
		case 1: // swallowed for a while, then closed
			return w.add("timeout", stream, map[string]int64{"timeout": 100 + n/10})
		case 2: // a thin line
			return w.add("bandwidth", stream, map[string]int64{"rate": 1 + n/1000})
		}
		return w.add("slow_close", stream, map[string]int64{"delay": 100 + n/10})
	})
}

func (f *chaosFaults) reset(ctx context.Context) string {
	ms := f.random.Int64N(500)
	return f.hurt(ctx, "", func(w *wire) error { return w.add("reset_peer", "down", map[string]int64{"timeout": ms}) })
}

func (f *chaosFaults) blackHole(ctx context.Context) string {
	half := f.random.IntN(2) == 0
	return f.hurt(ctx, map[bool]string{true: ", answers only"}[half], func(w *wire) error {
		err := w.add("timeout", "down", map[string]int64{"timeout": 0})
		if !half {
			err = errors.Join(err, w.add("timeout", "up", map[string]int64{"timeout": 0}))
		}
		return err
	})
}

func (f *chaosFaults) cut(ctx context.Context) string {
	return f.hurt(ctx, "", func(w *wire) error { w.cut(); return nil })
}

func (f *chaosFaults) mailRestart(ctx context.Context) string {
	f.c.mail.Stop()
	chaosWait(ctx, f.between(0, time.Second, 0, 8*time.Second))
	f.c.mail.Start()
	return ""
}

func (f *chaosFaults) mailKill(ctx context.Context) string {
	f.c.mail.Kill()
	chaosWait(ctx, f.between(0, time.Second, 0, 8*time.Second))
	f.c.mail.Start()
	return ""
}

// vendors lets the other sides' own services fail.
func (f *chaosFaults) vendors(ctx context.Context) string {
	f.c.slack.Next("chat.postMessage", fakeslack.Fault{Status: 500}, fakeslack.Fault{Status: 429, RetryAfter: "1"}, fakeslack.Fault{Cut: true},
		fakeslack.Fault{Drop: true}, fakeslack.Fault{Status: 503})
	f.c.slack.Next("users.info", fakeslack.Fault{Status: 500}, fakeslack.Fault{Status: 429, RetryAfter: "1"})
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(f.random.Uint64(), 0))
	f.c.teams.Break(func(*http.Request) *faketeams.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch random.IntN(6) {
		case 0:
			return &faketeams.Fault{Status: 429, RetryAfter: "1", Code: "Throttled"}
		case 1:
			return &faketeams.Fault{Status: 500, Code: "ServiceError"}
		case 2:
			return &faketeams.Fault{Status: 503, Code: "ServiceUnavailable"}
		}
		return nil
	})
	f.c.chat.Fail(fakechat.Fault{Status: 500}, fakechat.Fault{Status: 429, After: time.Second}, fakechat.Fault{}, fakechat.Fault{Status: 503})
	f.c.post.Fail(fakesmtp.Rule{At: fakesmtp.AtRcpt, Code: 451, Text: "try again", Times: 2})
	f.c.post.Fail(fakesmtp.Rule{At: fakesmtp.AtHello, Code: 421, Text: "too busy", Times: 1})
	f.c.post.Fail(fakesmtp.Rule{At: fakesmtp.AtBody, Times: 1})
	chaosWait(ctx, f.lasts())
	f.c.teams.Break(nil)
	f.c.post.Heal()
	return ""
}

// clock makes the clock of one process wrong by up to two minutes.
func (f *chaosFaults) clock(ctx context.Context) string {
	r := f.role()
	off := time.Duration(f.random.Int64N(int64(240*time.Second))) - 120*time.Second
	r.setClock(off)
	d := f.between(2*time.Second, 4*time.Second, 10*time.Second, 40*time.Second)
	f.aside(func() {
		chaosWait(ctx, d)
		r.setClock(0)
	})
	return fmt.Sprintf("%s by %s for %s", r.name, off.Round(time.Second), d.Round(time.Second))
}

// aside runs what goes on beside the next faults.
func (f *chaosFaults) aside(do func()) {
	f.began()
	f.beside.Go(func() {
		defer f.ended()
		do()
	})
}

// fullDisk fills the file system of the blobs.
func (f *chaosFaults) fullDisk(ctx context.Context) string {
	path := filepath.Join(f.c.blobs, "filler")
	file, err := os.Create(path)
	if err != nil {
		f.c.fail("fill the disk: %v", err)
		return ""
	}
	defer func() {
		file.Close()
		if err := os.Remove(path); err != nil {
			f.c.fail("free the disk: %v", err)
		}
	}()
	var size int64
	for step := int64(64 << 20); step >= 4096; {
		err := syscall.Fallocate(int(file.Fd()), 0, size, step)
		switch {
		case err == nil:
			size += step
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case !errors.Is(err, syscall.EINTR):
			f.c.fail("fill the disk: %v", err)
			return ""
		}
	}
	chaosWait(ctx, f.lasts())
	return fmt.Sprintf("%d MB", size>>20)
}

// pause freezes one process, sometimes for longer than its lease on a mailbox.
func (f *chaosFaults) pause(ctx context.Context) string {
	r := f.role()
	d := f.between(2*time.Second, 5*time.Second, 5*time.Second, 20*time.Second)
	f.aside(func() { r.pause(ctx, d) })
	return fmt.Sprintf("%s for %s", r.name, d.Round(time.Millisecond))
}

// drain asks one process to end in good order.
func (f *chaosFaults) drain(context.Context) string {
	r := f.role()
	f.aside(func() {
		took, err := r.drain("")
		if err != nil {
			f.c.fail("drain %s: %v\n%s", r.name, err, lastLines(r.said(), 5))
		}
		f.c.note("drained", r.name, took.Round(time.Millisecond).String())
	})
	return r.name
}

// gone kills one process, and nobody starts it again for a while: others must
// take over what it did, mailboxes included.
func (f *chaosFaults) gone(ctx context.Context) string {
	r := f.role()
	d := f.between(3*time.Second, 5*time.Second, 10*time.Second, 30*time.Second)
	f.c.watch.killed(ctx, r.name)
	f.aside(func() {
		if err := r.away(ctx, d); err != nil {
			f.c.fail("start %s again: %v", r.name, err)
		}
	})
	return fmt.Sprintf("%s for %s", r.name, d.Round(time.Millisecond))
}

// upgrade rolls the fleet over to the next version, one process after the other,
// with both side by side for a while.
func (f *chaosFaults) upgrade(ctx context.Context) string {
	for _, n := range f.random.Perm(len(f.c.roles)) {
		r := f.c.roles[n]
		took, err := r.drain(f.c.binNext)
		if err != nil {
			f.c.fail("upgrade %s: %v\n%s", r.name, err, lastLines(r.said(), 5))
		}
		f.c.note("upgraded", r.name, took.Round(time.Millisecond).String())
		chaosWait(ctx, f.between(0, 300*time.Millisecond, time.Second, 3*time.Second))
	}
	return ""
}
