//go:build !unix

package brokertest

import "syscall"

// No such signals here: Pause ends the test.
const (
	freeze = syscall.Signal(-1)
	thaw   = syscall.Signal(-1)
)
