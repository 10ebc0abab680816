//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockFile opens a file and locks it until it is closed or the process ends
// (flock(2)). free is false, without an error, while somebody else has it.
func lockFile(path string) (file *os.File, free bool, err error) {
	if file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, false, err
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		return file, true, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, err
}
