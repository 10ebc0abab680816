//go:build unix

package brokertest

import "syscall"

// The signals that stop a process in its tracks and let it go on (signal(7)).
const (
	freeze = syscall.SIGSTOP
	thaw   = syscall.SIGCONT
)
