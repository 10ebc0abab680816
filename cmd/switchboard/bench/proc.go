package bench

import (
	"errors"
	"time"
)

// ErrNoProc is returned where CPU time and memory of processes cannot be read.
var ErrNoProc = errors.New("bench: CPU time and memory of processes are read from /proc, which only Linux has: run it there, or in a Linux container")

// usage is what a process, or a process with its children, has used so far.
type usage struct {
	CPU  time.Duration // user and system
	Peak int64         // most resident memory at once, bytes; of a family the sum over those alive
}

// part is one part of what is measured: a process, or one with all its children
// (PostgreSQL has a process for each connection).
type part struct {
	name   string
	pid    int
	family bool
}

// meter reads what parts use between two instants.
type meter struct {
	parts []part
	from  map[string]usage
	began time.Time
}

func startMeter(parts ...part) (*meter, error) {
	m := &meter{parts: parts}
	var err error
	m.from, err = m.read()
	m.began = time.Now()
	return m, err
}

func (m *meter) read() (map[string]usage, error) {
	out := map[string]usage{}
	for _, p := range m.parts {
		u, err := readUsage(p.pid, p.family)
		if err != nil {
			return nil, err
		}
		out[p.name] = u
	}
	return out, nil
}

// stop returns what each part used since the start, with its peak of memory
// since its own start.
func (m *meter) stop() (map[string]usage, error) {
	now, err := m.read()
	for name, u := range now {
		u.CPU -= m.from[name].CPU
		now[name] = u
	}
	return now, err
}
