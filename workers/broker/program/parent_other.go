//go:build !linux

package program

import (
	"fmt"
	"os/exec"
	"runtime"
)

// attach has nothing to tie with here: only Linux tells a child of its
// parent's death.
func attach(_ *exec.Cmd, options Options) error {
	if options.User != "" {
		return fmt.Errorf("running as another account is not supported on %s", runtime.GOOS)
	}
	return nil
}

// killGroup has no group to kill here.
func (p *Process) killGroup() { _ = p.cmd.Process.Kill() }
