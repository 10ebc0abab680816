package workers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/pipeline"
)

// watchEvery says which messages of a group are measured stage by stage: the
// first and every so many after it. So a quiet house measures all of them, and a
// busy one does not pay a clock for each stage of each message.
const watchEvery = 16

// clocked is a line whose stages do what those of l do and are measured. The
// line itself reads no clock: it is pure.
func clocked(l *pipeline.Line, m *Metrics) *pipeline.Line {
	if m == nil || l == nil {
		return l
	}
	out := &pipeline.Line{Stages: make([]pipeline.Stage, len(l.Stages))}
	for n, s := range l.Stages {
		out.Stages[n] = pipeline.Stage{Name: s.Name, Doc: s.Doc, Run: clock(s, m.Stages.WithLabelValues(s.Name))}
	}
	return out
}

func clock(s pipeline.Stage, took prometheus.Observer) func(context.Context, *pipeline.Pass) error {
	return func(ctx context.Context, p *pipeline.Pass) error {
		start := time.Now()
		err := s.Run(ctx, p)
		took.Observe(time.Since(start).Seconds())
		return err
	}
}
