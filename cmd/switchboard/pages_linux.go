package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// mapping is a stretch of this process's memory that shows a file as it is.
type mapping struct{ from, to uintptr }

// leaveStart unmaps the pages of the program's own file: what only the start needed
// stays away, what is in use comes back from the kernel's cache of the file at the
// next touch, 64 KB at a time. Pages that were written to are left alone
// (madvise(2), MADV_DONTNEED).
func leaveStart() error {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer smaps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	clean, err := cleanPages(smaps, program)
	if err != nil {
		return err
	}
	for _, m := range clean {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, m.from, m.to-m.from, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise %x to %x: %w", m.from, m.to, errno)
		}
	}
	return nil
}

// cleanPages reads proc_pid_smaps(5) for what is mapped of the file at path, cannot
// be written, and has no page of its own.
func cleanPages(smaps io.Reader, path string) ([]mapping, error) {
	var clean []mapping
	var m mapping
	var of bool
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if _, header := strings.CutSuffix(words[0], ":"); !header {
			if _, err := fmt.Sscanf(words[0], "%x-%x", &m.from, &m.to); err != nil {
				return nil, fmt.Errorf("smaps: %q: %w", lines.Text(), err)
			}
			of = len(words) > 5 && strings.Join(words[5:], " ") == path && words[1][1] == '-'
		} else if words[0] == "Anonymous:" && of && words[1] == "0" {
			clean = append(clean, m)
		}
	}
	return clean, lines.Err()
}
