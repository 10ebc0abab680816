package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// sent sums up what was sent to a fleet and acknowledged.
type sent struct {
	messages, threads int
	stored            float64 // a second, saturated
}

// saturate sends n messages as fast as they are acknowledged and waits until
// the last is settled.
func (r *ingest) saturate(ctx context.Context, f *fleet, name, label string, n int, profile func(context.Context) (done func())) (*sent, error) {
	s := &sent{}
	warm, err := hookTraffic(hook, f.secret, "warm", 7, warmUp(n))
	if err != nil {
		return nil, err
	}
	if _, err := r.send(ctx, f, s, warm, 0, r.begin(len(warm.requests), label+"warm-up")); err != nil {
		return nil, err
	}
	if _, err := f.settled(ctx); err != nil {
		return nil, err
	}
	loads := r.loads(ctx, f, name, n)
	load := <-loads
	groups, err := f.groups(ctx)
	if err != nil {
		return nil, err
	}
	step := r.begin(n, label+"saturated")
	m, err := startMeter(slices.Concat(f.parts(), r.site.parts(), []part{{name: "generator", pid: os.Getpid()}})...)
	if err != nil {
		return nil, err
	}
	memory := watchMemory(ctx, f.parts())
	defer memory.end()
	profiled := profile(ctx)
	defer profiled()
	var took time.Duration
	began := time.Now()
	for ; load.traffic != nil || load.err != nil; load = <-loads {
		d, err := r.sendLoad(ctx, f, s, load, step)
		if err != nil {
			return nil, err
		}
		took += d.took
	}
	end, err := f.settled(ctx)
	if err != nil {
		return nil, err
	}
	used, err := m.stop()
	if err != nil {
		return nil, err
	}
	s.stored = float64(n) / end.Sub(began).Seconds()
	r.report.add(name+".acks", label+"acknowledged, saturated", "messages/s", float64(n)/took.Seconds())
	r.report.add(name+".stored", label+"stored, saturated", "messages/s", s.stored)
	r.usage(name, label, n, used)
	if err := r.sizes(ctx, f, name, label, groups); err != nil {
		return nil, err
	}
	if n >= manyMessages {
		for _, part := range sortedKeys(memory.end()) {
			early, late := memory.ends(part)
			r.report.add(name+".early."+part, label+"memory in the second tenth of the time, "+part, "MB", early)
			r.report.add(name+".late."+part, label+"memory in the last tenth, "+part, "MB", late)
		}
	}
	return s, nil
}

// manyMessages is from where on it is told how memory went over time.
const manyMessages = 100_000

// loadBlock is how many requests are made ahead.
const loadBlock = 50_000

// block is a part of a load, or why there is none.
type block struct {
	traffic *traffic
	err     error
}

// loads makes the requests of a reading block by block, one ahead of what is
// sent. The channel is closed after the last.
func (r *ingest) loads(ctx context.Context, f *fleet, name string, n int) <-chan block {
	out := make(chan block, 1)
	go func() {
		defer close(out)
		for i := 0; i*loadBlock < n; i++ {
			t, err := hookTraffic(hook, f.secret, fmt.Sprintf("%s%d", name, i), uint64(r.n+1000*i), min(loadBlock, n-i*loadBlock))
			select {
			case out <- block{t, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (r *ingest) sendLoad(ctx context.Context, f *fleet, s *sent, b block, step func()) (*driven, error) {
	if b.err != nil {
		return nil, b.err
	}
	return r.send(ctx, f, s, b.traffic, 0, step)
}

// usage reports CPU and memory of each part; the sum is without the generator.
func (r *ingest) usage(name, label string, n int, used map[string]usage) {
	var sum float64
	for _, part := range sortedKeys(used) {
		cpu := float64(used[part].CPU.Microseconds()) / float64(n)
		r.report.add(name+".cpu."+part, label+"CPU a message, "+part, "us", cpu)
		if part != "generator" {
			sum += cpu
		}
	}
	r.report.add(name+".cpu", label+"CPU a message, all but the generator", "us", sum)
	for _, part := range sortedKeys(used) {
		if part != "generator" && part != "postgres" { // whose processes share most of their memory
			r.report.add(name+".memory."+part, label+"peak memory, "+part, "MB", float64(used[part].Peak)/(1<<20))
		}
	}
}

// send sends a reading's requests; all must be taken.
func (r *ingest) send(ctx context.Context, f *fleet, s *sent, t *traffic, rate float64, step func()) (*driven, error) {
	d, err := drive{addr: f.addr, requests: t.requests, conns: r.Conns, rate: rate, done: step}.run(ctx)
	if err == nil {
		err = d.check()
	}
	if err != nil {
		if dead := f.alive(); dead != nil {
			err = dead
		}
		return nil, err
	}
	s.messages += len(t.requests)
	s.threads += t.threads
	return d, nil
}
