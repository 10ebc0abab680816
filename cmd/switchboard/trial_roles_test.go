//go:build unix

package main

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

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
