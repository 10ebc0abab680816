package main

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"switchboard/workers/broker/program"
)

// trialRole is one process of the fleet.
type trialRole struct {
	name    string
	command string
	process *program.Process
	kills   int
}

// start starts a process and, where it has a door, waits until that is open. It
// ends when the test does, also when the test dies.
func (tr *trial) start(name, command string) {
	tr.t.Helper()
	r := &trialRole{name: name, command: command}
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
		Path: tr.bin, Args: []string{r.command, "--config", tr.in("trial.yaml"), "--data", tr.dir},
		Env: tr.env, Log: tr.in(r.name + ".log"), Death: syscall.SIGKILL,
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// kill ends a process as a power cut would, and starts it again at once. One
// that ended by itself is a failure.
func (tr *trial) kill(r *trialRole) {
	tr.t.Helper()
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

// flush empties Redis while tasks wait in it. The workers stand still until
// some do.
func (tr *trial) flush() {
	tr.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: tr.redis.Options.Addrs[0], Password: tr.redis.Options.Password, DisableIdentity: true})
	defer client.Close()
	for _, r := range tr.roles {
		if r.command == "work" {
			if err := r.process.Signal(syscall.SIGSTOP); err != nil {
				tr.t.Fatal(err)
			}
			defer r.process.Signal(syscall.SIGCONT)
		}
	}
	var waiting int64
	tr.await("tasks in the queue", func(ctx context.Context) (err error) {
		waiting, err = client.LLen(ctx, "asynq:{intake}:pending").Result()
		if err == nil && waiting < 3 {
			err = fmt.Errorf("%d tasks wait", waiting)
		}
		return err
	})
	tr.redis.FlushAll()
	tr.flushes++
	tr.flushed += waiting
}

// await asks until the answer is nil.
func (tr *trial) await(what string, ask func(context.Context) error) {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tr.t.Fatalf("%s: %v", what, err)
		}
	}
}
