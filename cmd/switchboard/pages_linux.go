package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// leaveStart takes the pages of the program's own file out of this process. What
// only the start needed stays out; the rest comes back from the kernel's cache of
// files when it is touched, 64 KB at a time (madvise(2), MADV_DONTNEED).
func leaveStart() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer smaps.Close()
	stretches, err := asInFile(smaps, program)
	if err != nil {
		return err
	}
	for _, s := range stretches {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, s.from, s.to-s.from, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return nil
}

// stretch is a stretch of this process's memory.
type stretch struct {
	from, to uintptr
	resident int // KB
}

// asInFile reads proc_pid_smaps(5): the stretches that show the file at path, and
// nothing else: nobody can write to them, and nobody did before that was so.
func asInFile(smaps io.Reader, path string) ([]stretch, error) {
	var list []stretch
	var s stretch
	var shows bool
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) < 2:
		case !strings.HasSuffix(words[0], ":"):
			s = stretch{}
			if _, err := fmt.Sscanf(words[0], "%x-%x", &s.from, &s.to); err != nil {
				return nil, fmt.Errorf("smaps: %q: %w", lines.Text(), err)
			}
			shows = len(words) > 5 && strings.Join(words[5:], " ") == path && len(words[1]) > 1 && words[1][1] == '-'
		case words[0] == "Rss:":
			if _, err := fmt.Sscan(words[1], &s.resident); err != nil {
				return nil, fmt.Errorf("smaps: %q: %w", lines.Text(), err)
			}
		case words[0] == "Anonymous:" && words[1] == "0" && shows:
			list = append(list, s)
		}
	}
	return list, lines.Err()
}
