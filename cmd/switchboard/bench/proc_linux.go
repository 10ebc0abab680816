package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux (time(7)).
const tick = 10 * time.Millisecond

// readUsage reads a process from /proc/PID/stat and /proc/PID/status (proc(5)).
// With family the children count too: the living ones, and through the parent
// those it has waited for.
func readUsage(pid int, family bool) (usage, error) {
	s, err := readStat(pid)
	if err != nil {
		return usage{}, fmt.Errorf("bench: process %d: %w", pid, err)
	}
	u := usage{CPU: s.own, Peak: peak(pid)}
	if !family {
		return u, nil
	}
	u.CPU += s.waited
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return u, err
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil || child == pid {
			continue
		}
		if c, err := readStat(child); err == nil && c.parent == pid {
			u.CPU += c.own + c.waited
			u.Peak += peak(child)
		}
	}
	return u, nil
}

type stat struct {
	parent      int
	own, waited time.Duration
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(text)
}

// parseStat reads a line of /proc/PID/stat. The name of the program stands in
// brackets and may hold anything, so fields are counted from the last one:
// state is number 3, ppid 4, utime to cstime 14 to 17 (proc(5)).
func parseStat(text []byte) (stat, error) {
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 15 {
		return stat{}, fmt.Errorf("stat has only %d fields", len(f))
	}
	var n [5]int64
	for i, at := range []int{1, 11, 12, 13, 14} {
		var err error
		if n[i], err = strconv.ParseInt(string(f[at]), 10, 64); err != nil {
			return stat{}, fmt.Errorf("stat: %w", err)
		}
	}
	return stat{parent: int(n[0]), own: time.Duration(n[1]+n[2]) * tick, waited: time.Duration(n[3]+n[4]) * tick}, nil
}

// peak is the most memory a process had resident, and resident what it has now,
// in bytes (VmHWM and VmRSS); 0 when it is gone.
func peak(pid int) int64     { return memory(pid, "VmHWM:") }
func resident(pid int) int64 { return memory(pid, "VmRSS:") }

func memory(pid int, field string) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// loadAverage is how many processes wanted to run in the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	word, _, _ := strings.Cut(string(text), " ")
	return word
}

// hardware is the processor's name and the memory in bytes.
func hardware() (cpu string, memory int64) {
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if value, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "MemTotal:"); ok {
			if f := strings.Fields(value); len(f) > 0 {
				kb, _ := strconv.ParseInt(f[0], 10, 64)
				memory = kb << 10
			}
		}
	}
	return cpu, memory
}

// flushDisks brings everything written so far to disk, with what was deleted
// (sync(2)).
func flushDisks() { syscall.Sync() }
