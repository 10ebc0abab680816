package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"switchboard/channels/email/emailtest"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/brokertest"
	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// The trial proves the promise: accepted means kept, once. It builds the real
// binary, runs the roles as processes of their own on real servers, sends them
// mail and API calls, kills them and empties Redis, and then counts in the
// books. Each scenario prints one line of counts.
//
// Without an environment it is small enough for every `go test`. Full size, and
// other seeds:
//
//	docs/trial kill
//	SWITCHBOARD_TRIAL_SEED=7 go test -run TestTrial/kill -v ./cmd/switchboard
//
// trial_mails_test.go makes the mail, trial_calls_test.go the API calls,
// trial_house_test.go the servers and the config, trial_roles_test.go the
// processes, and trial_books_test.go counts.

// trialSize is how much one scenario sends and breaks.
type trialSize struct {
	mails   int
	calls   int           // each is sent twice
	kills   int           // at least so many, one each second
	starts  int           // of `serve`, in the embedded scenario
	flushes int           // of Redis
	lasts   time.Duration // sending is spread over so much in scenarios that break things
	settle  time.Duration // most that may pass from the last mail until all is settled
}

func trialSizes() trialSize {
	if os.Getenv("SWITCHBOARD_TRIAL") == "full" {
		return trialSize{mails: 500, calls: 100, kills: 24, starts: 10, flushes: 6, lasts: 24 * time.Second, settle: 4 * time.Minute}
	}
	return trialSize{mails: 120, calls: 24, kills: 5, starts: 4, flushes: 2, lasts: 4 * time.Second, settle: 2 * time.Minute}
}

// killEvery is the pause between two kills.
const killEvery = time.Second

func TestTrial(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "switchboard")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, s := range []struct {
		name string
		run  func(*testing.T, *trial)
	}{
		{"fleet", trialFleet},
		{"kill", trialKill},
		{"embedded", trialEmbedded},
		{"flush", trialFlush},
	} {
		t.Run(s.name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano() % 1e6)
			if text := os.Getenv("SWITCHBOARD_TRIAL_SEED"); text != "" {
				var err error
				if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
					t.Fatalf("SWITCHBOARD_TRIAL_SEED: %v", err)
				}
			}
			tr := &trial{t: t, name: s.name, bin: bin, size: trialSizes(), seed: seed, random: rand.New(rand.NewPCG(seed, 0))}
			t.Logf("trial %s begins: seed %d", s.name, seed)
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			tr.ctx = ctx
			s.run(t, tr)
		})
	}
}

// trialFleet lets five processes do their work in peace: all mail is there when
// they start, calls come meanwhile.
func trialFleet(t *testing.T, tr *trial) {
	tr.openFleet()
	tr.deliver(tr.post)
	tr.startFleet()
	tr.callAll(0)
	tr.settle()
	tr.count()
}

// trialKill kills one of the five with -9 every second, and starts it again at
// once, while mail and calls come in.
func trialKill(t *testing.T, tr *trial) {
	tr.openFleet()
	tr.startFleet()
	sent := tr.sendSlowly()
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for busy := true; busy || tr.kills < tr.size.kills; {
		select {
		case <-tick.C:
			tr.kill(tr.roles[tr.random.IntN(len(tr.roles))])
		case <-sent:
			sent, busy = nil, false
		case <-tr.ctx.Done():
			t.Fatal("the calls found no end: ", tr.ctx.Err())
		}
	}
	tr.settle()
	tr.count()
}

// trialEmbedded is one process on SQLite and the embedded queue, killed again
// and again.
func trialEmbedded(t *testing.T, tr *trial) {
	tr.openEmbedded()
	tr.start("serve", "serve")
	sent := tr.sendSlowly()
	tick := time.NewTicker(max(killEvery, tr.size.lasts/time.Duration(tr.size.starts)))
	defer tick.Stop()
	for busy := true; busy || tr.kills < tr.size.starts; {
		select {
		case <-tick.C:
			if tr.kills < tr.size.starts {
				tr.kill(tr.roles[0])
			}
		case <-sent:
			sent, busy = nil, false
		case <-tr.ctx.Done():
			t.Fatal("the calls found no end: ", tr.ctx.Err())
		}
	}
	tr.settle()
	tr.count()
}

// trialFlush empties Redis while tasks are in it: the workers are frozen until
// some wait, so that every flush loses something.
func trialFlush(t *testing.T, tr *trial) {
	tr.openFleet()
	tr.startFleet()
	sent := tr.sendSlowly()
	tick := time.NewTicker(tr.size.lasts / time.Duration(tr.size.flushes+1))
	defer tick.Stop()
	for busy := true; busy; {
		select {
		case <-tick.C:
			if tr.flushes < tr.size.flushes {
				tr.flush()
			}
		case <-sent:
			busy = false
		case <-tr.ctx.Done():
			t.Fatal("the calls found no end: ", tr.ctx.Err())
		}
	}
	if tr.flushes == 0 || tr.flushed == 0 {
		t.Errorf("%d flushes lost %d tasks: nothing was tried", tr.flushes, tr.flushed)
	}
	tr.settle()
	tr.count()
}

// openFleet starts the servers of a fleet; a missing one skips the scenario.
func (tr *trial) openFleet() {
	tr.t.Helper()
	tr.mail, tr.mailName = emailtest.Dovecot(tr.t), "Dovecot"
	tr.redis = brokertest.StartRedis(tr.t)
	tr.open(pgtest.New(tr.t))
}

// openEmbedded needs no server but a mailbox: Dovecot where it is installed or
// required, else go-imap's server in this process.
func (tr *trial) openEmbedded() {
	tr.t.Helper()
	if _, ok := program.Find("dovecot"); ok || os.Getenv(programtest.Required) == "1" {
		tr.mail, tr.mailName = emailtest.Dovecot(tr.t), "Dovecot"
	} else {
		tr.t.Log("Dovecot is not installed: the mailboxes are in memory")
		tr.mail, tr.mailName = emailtest.Memory(tr.t), "mailboxes in memory"
	}
	tr.open("")
}

func (tr *trial) startFleet() {
	tr.t.Helper()
	for _, r := range []struct{ name, command string }{
		{"web", "web"}, {"listen-1", "listen"}, {"listen-2", "listen"}, {"work-1", "work"}, {"work-2", "work"},
	} {
		tr.start(r.name, r.command)
	}
}
