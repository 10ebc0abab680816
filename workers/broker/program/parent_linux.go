package program

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
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
// process group, and waits up to two seconds until the kernel has ended them and
// closed their sockets. The dead whom nobody has collected yet do not count.
func (p *Process) killGroup() {
	for range 1000 {
		if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil || !groupLives(p.Pid()) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// groupLives reports whether a process of the group still runs (proc(5),
// /proc/pid/stat: pid, name in brackets, state, parent, group).
func groupLives(group int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it ended meanwhile
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) >= 3 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return true
		}
	}
	return false
}
