//go:build unix

package main

import (
	"context"
	"fmt"
	"syscall"
)

// trialPause stops the only process that reads the mailboxes (SIGSTOP), as a
// machine that swaps or a virtual one that is moved would: another takes its
// leases when they run out. Then the first wakes up, in the middle of what it
// did, and must not move a cursor that is no longer its own: nothing is doubled
// and nothing is passed over.
func trialPause(tr *trial) {
	tr.openFleet()
	for _, r := range []struct{ name, command string }{{"web", "web"}, {"listen-1", "listen"}, {"work-1", "work"}} {
		tr.start(r.name, r.command, tr.dir)
	}
	first := tr.roles[1]
	third := len(tr.post) / 3
	tr.callAll(tr.calls)
	tr.deliver(tr.post[:third])
	// The pause comes while mail is being read.
	tr.await("the first mails", func(ctx context.Context) error {
		all, _, err := tr.ledger(ctx)
		if err == nil && all <= int64(len(tr.calls)) {
			err = fmt.Errorf("%d in the ledger", all)
		}
		return err
	})
	if err := first.process.Signal(syscall.SIGSTOP); err != nil {
		tr.t.Fatal(err)
	}
	tr.start("listen-2", "listen", tr.dir)
	tr.deliver(tr.post[third : 2*third])
	want := int64(tr.delivered + len(trialPlaces) + len(tr.calls))
	tr.await("the other to take over", func(ctx context.Context) error {
		all, _, err := tr.ledger(ctx)
		if err == nil && all < want {
			err = fmt.Errorf("%d of %d are in the ledger", all, want)
		}
		return err
	})
	if err := first.process.Signal(syscall.SIGCONT); err != nil {
		tr.t.Fatal(err)
	}
	tr.deliver(tr.post[2*third:])
	tr.settle()
	tr.count()
}
