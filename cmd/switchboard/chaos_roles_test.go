//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"switchboard/workers/broker/program"
)

// chaosRole is one process of the fleet, and what starts it again whenever it
// ends, as a supervisor does. Its methods may be called by many goroutines.
type chaosRole struct {
	c       *chaos
	name    string
	command string
	addr    string // of HTTP, or of health
	wires   map[string]*wire
	oracle  *oracle
	env     []string

	mu      sync.Mutex
	bin     string
	process *program.Process
	mark    int64 // length of the log when the process began
	begun   time.Time
	expects bool // that it ends
	paused  bool
	over    bool // nothing is started any more

	kills, drains, pauses int
}

// newRole lays the wires of a process and starts it.
func (c *chaos) newRole(name, command string) (*chaosRole, error) {
	r := &chaosRole{c: c, name: name, command: command, bin: c.binNow, wires: map[string]*wire{}}
	r.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(chaosPort()))
	servers := map[string]string{toBooks: c.pgAddr, toMailbox: c.mail.Addr(), toPost: c.post.Addr(), toSlack: c.slack.Host(), toTeams: c.teams.Host(),
		toChat: strings.TrimPrefix(strings.TrimSuffix(c.chat.CallbackURL(), "/callback"), "http://")}
	for i, addr := range c.redis.Nodes() {
		servers[fmt.Sprintf("%s-%d", toRedis, i)] = addr
	}
	if command == "web" {
		servers[toDoor] = r.addr
	}
	for server, addr := range servers {
		w, err := newWire(name, server, addr)
		if err != nil {
			return nil, err
		}
		r.wires[server] = w
	}
	ports := map[string]string{}
	for i, addr := range c.redis.Nodes() {
		_, port, _ := net.SplitHostPort(addr)
		ports[port] = r.wires[fmt.Sprintf("%s-%d", toRedis, i)].port()
	}
	var err error
	if r.oracle, err = newOracle(c.redis.Options.Addrs[0], ports); err != nil {
		return nil, err
	}
	// The sentinel itself stands behind a wire too.
	w, err := newWire(name, toSentinel, r.oracle.addr())
	if err != nil {
		return nil, err
	}
	r.wires[toSentinel] = w
	if err := os.MkdirAll(c.in(name), 0o700); err != nil {
		return nil, err
	}
	r.env = append(slices.Clone(c.env),
		"CHAOS_ADDR="+r.addr,
		"CHAOS_DATABASE="+strings.Replace(c.database, c.pgAddr, r.wires[toBooks].listen, 1),
		"CHAOS_REDIS=redis-sentinel://:"+c.redis.Options.Password+"@"+w.listen+"/"+c.redis.Options.MasterName+"?sentinel_password="+c.redis.Options.SentinelPassword,
		"CHAOS_IMAP_PORT="+r.wires[toMailbox].port(), "CHAOS_SMTP_PORT="+r.wires[toPost].port(),
		"CHAOS_SLACK=http://"+r.wires[toSlack].listen+"/api/", "CHAOS_TEAMS="+r.wires[toTeams].listen,
		"CHAOS_CHAT=http://"+r.wires[toChat].listen+"/callback",
		"SWITCHBOARD_CHAOS_CLOCK="+r.clockFile())
	r.setClock(0)
	return r, nil
}

func (r *chaosRole) clockFile() string { return r.c.in(r.name + ".clock") }
func (r *chaosRole) log() string       { return r.c.in(r.name + ".log") }

// setClock makes the clock of the process wrong by a duration.
func (r *chaosRole) setClock(off time.Duration) {
	temporary := r.clockFile() + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.FormatInt(off.Milliseconds(), 10)), 0o600); err == nil {
		_ = os.Rename(temporary, r.clockFile())
	}
}

// start starts the process; the lock is not held.
func (r *chaosRole) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.run()
}

// run starts the process and watches it. The lock is held.
func (r *chaosRole) run() error {
	if r.over {
		return nil
	}
	args := []string{r.command, "--config", r.c.in("chaos.yaml"), "--data", r.c.in(r.name)}
	if r.command != "web" {
		args = append(args, "--ops", r.addr)
	}
	if info, err := os.Stat(r.log()); err == nil {
		r.mark = info.Size()
	}
	p, err := program.Start(context.Background(), program.Options{Path: r.bin, Args: args, Env: r.env, Log: r.log(), Death: syscall.SIGKILL, Grace: chaosGrace})
	if err != nil {
		return err
	}
	r.process, r.begun, r.expects, r.paused = p, time.Now(), false, false
	go r.watch(p)
	return nil
}

// chaosGrace is how long a process may take to drain: intake.drainTimeout and
// server.shutdownTimeout, and some.
const chaosGrace = 45 * time.Second

// watch starts the process again when it ends by itself, which it must not,
// whatever is away, not even while it starts.
func (r *chaosRole) watch(p *program.Process) {
	<-p.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != p || r.expects || r.over {
		return
	}
	said := r.said()
	r.c.fail("%s ended by itself %s after its start: %v\n%s", r.name, time.Since(r.begun).Round(time.Millisecond), p.Err(), lastLines(said, 15))
	r.c.note("ended", r.name, lastLines(said, 1))
	time.Sleep(500 * time.Millisecond) // as supervisors do
	if err := r.run(); err != nil {
		r.c.fail("start %s again: %v", r.name, err)
	}
}

// said is what the running process has logged so far.
func (r *chaosRole) said() string {
	f, err := os.Open(r.log())
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.NewSectionReader(f, r.mark, 1<<20))
	return string(text)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// kill ends the process as a power cut would and starts it again at once.
func (r *chaosRole) kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expects = true
	r.process.Kill()
	r.kills++
	return r.run()
}

// away kills the process and starts it again only after a while.
func (r *chaosRole) away(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expects = true
	r.process.Kill()
	r.kills++
	chaosWait(ctx, d)
	return r.run()
}

// drain asks the process to end, which it must within its time and with exit
// code 0, and starts it again. bin, unless empty, is what runs from now on.
func (r *chaosRole) drain(bin string) (took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.paused { // it could not hear
		r.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		r.mu.Lock()
	}
	begun := time.Now()
	hears := strings.Contains(r.said(), "msg=") // before its first word it may not know yet what a signal is
	r.expects = true
	err = r.process.Stop()
	if err == nil && hears {
		err = r.process.Err()
	}
	took = time.Since(begun)
	r.drains++
	if bin != "" {
		r.bin = bin
	}
	return took, errors.Join(err, r.run())
}

// pause stops the process where it is for a while.
func (r *chaosRole) pause(ctx context.Context, d time.Duration) {
	r.mu.Lock()
	p := r.process
	if r.paused || p.Signal(syscall.SIGSTOP) != nil {
		r.mu.Unlock()
		return
	}
	r.paused = true
	r.pauses++
	r.mu.Unlock()
	chaosWait(ctx, d)
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = p.Signal(syscall.SIGCONT) // gone, when it was killed meanwhile
	if r.process == p {
		r.paused = false
	}
}

// end drains the process for good.
func (r *chaosRole) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return nil
	}
	r.over, r.expects = true, true
	if err := r.process.Stop(); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	if err := r.process.Err(); err != nil {
		return fmt.Errorf("%s ended with %w: %s", r.name, err, program.Tail(r.log(), 500))
	}
	return nil
}

// abandon kills the process for good.
func (r *chaosRole) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over, r.expects = true, true
	if r.process != nil {
		r.process.Kill()
	}
	if r.oracle != nil {
		r.oracle.close()
	}
	for _, w := range r.wires {
		w.proxy.Stop()
	}
}

// get asks the process over HTTP, past the wires.
func (r *chaosRole) get(ctx context.Context, path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := chaosClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return resp.StatusCode, string(text), err
}

// ready waits until the process says it is.
func (r *chaosRole) ready(ctx context.Context) error {
	for {
		status, text, err := r.get(ctx, "/readyz")
		if err == nil && status == http.StatusOK {
			return nil
		}
		if !chaosWait(ctx, 50*time.Millisecond) {
			return fmt.Errorf("%s is not ready: %d %s %v", r.name, status, strings.TrimSpace(text), err)
		}
	}
}

// chaosClient asks the processes; it keeps no connections, for they die.
var chaosClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func chaosWait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *chaos) in(name string) string { return filepath.Join(c.dir, name) }
