//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"switchboard/workers/broker/program"
)

// trialRole is one process of the fleet.
type trialRole struct {
	name    string
	command string
	data    string
	process *program.Process
	kills   int
}

// start starts a process on a data folder and, where it has a door, waits until
// that is open. It ends when the test does, also when the test dies.
func (tr *trial) start(name, command, data string) {
	tr.t.Helper()
	r := &trialRole{name: name, command: command, data: data}
	tr.run(r)
	tr.roles = append(tr.roles, r)
	tr.t.Cleanup(func() {
		r.process.Kill()
		if tr.t.Failed() {
			tr.t.Logf("the log of %s ends:\n%s", r.name, program.Tail(tr.in(r.name+".log"), 3000))
		}
	})
	if command == "web" || command == "serve" {
		tr.await("HTTP", func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, tr.url+"/healthz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			return err
		})
	}
}

func (tr *trial) run(r *trialRole) {
	tr.t.Helper()
	var err error
	r.process, err = program.Start(tr.ctx, program.Options{
		Path: tr.bin, Args: []string{r.command, "--config", tr.in("trial.yaml"), "--data", r.data},
		Env: tr.env, Log: tr.in(r.name + ".log"), Death: syscall.SIGKILL,
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// kill ends a process as a power cut would, when there is work on its way, and
// starts it again at once. One that ended by itself is a failure.
func (tr *trial) kill(r *trialRole) {
	tr.t.Helper()
	tr.midway()
	select {
	case <-r.process.Done():
		tr.t.Errorf("%s ended by itself: %v", r.name, r.process.Err())
	default:
	}
	r.process.Kill()
	tr.lastKill = time.Now()
	tr.kills++
	r.kills++
	tr.run(r)
}

// takeOver lets the machine that reads the mailboxes die for good, with mail
// coming in: another one must take over when the leases run out. It knows
// nothing of the first but the books and the blobs.
func (tr *trial) takeOver() {
	tr.t.Helper()
	if tr.late == 0 {
		return
	}
	tr.start("listen-3", "listen", tr.in("other"))
	for _, r := range tr.roles {
		if r.data == tr.dir && r.command == "listen" {
			r.process.Kill()
		}
	}
	calm := tr.settled
	gone := time.Now()
	tr.deliver(tr.post[tr.delivered:])
	tr.settle()
	tr.tookOver, tr.settled = time.Since(gone), calm
}

// freeze stops the workers where they are.
func (tr *trial) freeze() { tr.signalWorkers(syscall.SIGSTOP) }

// flush empties Redis when all mail of the round is accepted and tasks wait
// for the frozen workers, and thaws these.
func (tr *trial) flush() {
	tr.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: tr.redis.Options.Addrs[0], Password: tr.redis.Options.Password, DisableIdentity: true})
	defer client.Close()
	var tasks, open int64
	tr.await("tasks in the queue", func(ctx context.Context) error {
		all, accepted, err := tr.ledger(ctx)
		if err != nil {
			return err
		}
		if open = accepted; all < int64(tr.delivered+len(trialPlaces)) {
			return fmt.Errorf("%d of %d mails are accepted", all, tr.delivered)
		}
		if tasks, err = client.LLen(ctx, "asynq:{intake}:pending").Result(); err == nil && tasks == 0 {
			err = errors.New("no task waits")
		}
		return err
	})
	tr.redis.FlushAll()
	tr.signalWorkers(syscall.SIGCONT)
	tr.flushes++
	tr.flushed += tasks
	tr.stranded += open
}

func (tr *trial) signalWorkers(s syscall.Signal) {
	tr.t.Helper()
	for _, r := range tr.roles {
		if r.command == "work" {
			if err := r.process.Signal(s); err != nil {
				tr.t.Fatal(err)
			}
		}
	}
}

// await is until, bounded, and ends the test.
func (tr *trial) await(what string, ask func(context.Context) error) {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.ctx, time.Minute)
	defer cancel()
	if err := tr.until(ctx, ask); err != nil {
		tr.t.Fatalf("%s: %v", what, err)
	}
}

// swept sums up, from the logs, how many messages the sweeps queued again. It
// fails the test for what no log may hold.
func (tr *trial) swept() (n int) {
	tr.t.Helper()
	for _, r := range tr.roles {
		log, err := os.ReadFile(tr.in(r.name + ".log"))
		if err != nil {
			tr.t.Error(err)
		}
		for _, m := range sweptLine.FindAllSubmatch(log, -1) {
			k, _ := strconv.Atoi(string(m[1]))
			n += k
		}
		if bad := badLine.Find(log); bad != nil {
			tr.t.Errorf("%s logged: %s", r.name, bad)
		}
	}
	return n
}

var (
	sweptLine = regexp.MustCompile(`queued again what the queue forgot" count=(\d+)`)
	badLine   = regexp.MustCompile(`(?m)^.*(level=ERROR|^panic: |DATA RACE|switchboard: ).*$`)
)
