//go:build !linux

package bench

func readUsage(pid int, family bool) (usage, error) { return usage{}, ErrNoProc }

func resident(pid int) int64 { return 0 }

func loadAverage() string { return "?" }

func hardware() (cpu string, memory int64) { return "", 0 }

func flushDisks() {}
