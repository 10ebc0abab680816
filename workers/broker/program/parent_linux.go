package program

import (
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// attach ties the child's life to ours, puts it into its own process group (so
// that Ctrl-C in a terminal reaches us alone, and we stop the child when we are
// done with it) and sets its account.
func attach(cmd *exec.Cmd, options Options) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: options.Death}
	if options.User == "" {
		return nil
	}
	account, err := user.Lookup(options.User)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("account %s: %w", options.User, err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("account %s: %w", options.User, err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}

// killGroup kills the child and those of its descendants that stayed in its
// process group, and waits until the kernel has ended them and closed their
// sockets. It waits no longer than two seconds, because where nobody collects
// orphans (a container without an init) a group of dead processes stays.
func (p *Process) killGroup() {
	for range 2000 {
		if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil { // ESRCH: none is left
			return
		}
		time.Sleep(time.Millisecond)
	}
}
