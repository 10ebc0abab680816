package bench

import (
	"context"
	"fmt"
)

// doors compares the ack with the ledger in its way and without: the same
// channel code in one process, first before the ledger, then before a task of
// asynq that carries the whole message. Nobody works behind either, so that
// only the doors are measured.
func (r *ingest) doors(ctx context.Context) error {
	n := max(r.Count/2, 1)
	for _, door := range []struct{ name, role, label string }{
		{"doors.with", "web", "door alone, ledger and task: acknowledged"},
		{"doors.without", "bench doorman", "door alone, a task and no ledger: acknowledged"},
	} {
		f, err := newFleet(ctx, r.Common, r.site, blueprint{Name: fmt.Sprintf("%s-%d", door.name, r.n), Intake: r.Intake, Hooks: []string{hook}})
		if err != nil {
			return err
		}
		err = r.door(ctx, f, door.name, door.role, door.label, n)
		f.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *ingest) door(ctx context.Context, f *fleet, name, role, label string, n int) error {
	if err := f.start(ctx, role); err != nil {
		return err
	}
	s := &sent{}
	warm, err := hookTraffic(hook, f.secret, "warm", 7, warmUp(n))
	if err != nil {
		return err
	}
	if _, err := r.send(ctx, f, s, warm, 0, r.begin(len(warm.requests), label+", warm-up")); err != nil {
		return err
	}
	load, err := hookTraffic(hook, f.secret, "doors", uint64(r.n), n)
	if err != nil {
		return err
	}
	d, err := r.send(ctx, f, s, load, 0, r.begin(n, label))
	if err != nil {
		return err
	}
	r.report.add(name+".acks", label, "messages/s", float64(n)/d.took.Seconds())
	r.report.add(name+".p50", label+", p50", "ms", ms(quantile(d.latency, .5)))
	r.report.add(name+".p99", label+", p99", "ms", ms(quantile(d.latency, .99)))
	return nil
}
