//go:build unix

package broker

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// tryLock opens the file and locks it for as long as any copy of the
// descriptor is open, in this process or in a child that inherits it (flock(2)).
// free is false, without an error, when somebody else holds it.
func tryLock(path string) (file *os.File, free bool, err error) {
	file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, true, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w", path, err)
}
