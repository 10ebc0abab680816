//go:build unix

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
// mail and API calls, kills the one that is everything, and then counts in the
// books, byte by byte. Each scenario prints one line of counts. What a fleet
// bears is TestChaos's.
//
// Without an environment it is small enough for every `go test`. Full size, and
// other seeds:
//
//	docs/trial embedded
//	SWITCHBOARD_TRIAL_SEED=7 go test -run TestTrial/embedded -v ./cmd/switchboard
//
// trial_mails_test.go makes the mail, trial_calls_test.go the API calls,
// trial_house_test.go the servers and the config, trial_roles_test.go the
// processes, and trial_books_test.go counts.

// trialSize is how much one scenario sends and breaks.
type trialSize struct {
	mails  int
	calls  int           // each is sent twice
	starts int           // of `serve` after a kill
	settle time.Duration // most that may pass from the last mail until all is settled
}

func trialSizes() trialSize {
	if os.Getenv("SWITCHBOARD_TRIAL") == "full" {
		return trialSize{mails: 500, calls: 100, starts: 10, settle: 4 * time.Minute}
	}
	return trialSize{mails: 120, calls: 24, starts: 4, settle: 2 * time.Minute}
}

// hurtEvery is the pause between two kills.
const hurtEvery = time.Second

func TestTrial(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "switchboard")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, s := range []struct {
		name string
		run  func(*trial)
	}{
		{"fleet", trialFleet},
		{"embedded", trialEmbedded},
		{"pause", trialPause},
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
			s.run(tr)
		})
	}
}

// trialFleet lets five processes do their work in peace: all mail is there when
// they start, calls come meanwhile.
func trialFleet(tr *trial) {
	tr.openFleet()
	tr.deliver(tr.post)
	tr.startFleet()
	tr.callAll(tr.calls)
	tr.settle()
	tr.count()
}

// trialEmbedded is one process on SQLite and the embedded queue, killed again
// and again.
func trialEmbedded(tr *trial) {
	tr.openEmbedded()
	tr.start("serve", "serve", tr.dir)
	tr.rounds(tr.size.starts, func() { tr.kill(tr.roles[0]) })
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
		tr.start(r.name, r.command, tr.dir)
	}
}
