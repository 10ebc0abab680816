//go:build !unix

package main

import (
	"errors"
	"os"
)

func lockFile(string) (file *os.File, free bool, err error) {
	return nil, false, errors.ErrUnsupported
}
