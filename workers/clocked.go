package workers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// watchEvery says which messages of a group are measured stage by stage: the
// first and every so many after it, and those that are traced. So a quiet house
// measures all of them, and a busy one does not pay a clock for each stage of
// each message.
const watchEvery = 16

// clocked is a line whose stages do what those of l do and are measured. The
// line itself reads no clock: it is pure.
func clocked(l *pipeline.Line, m *Metrics) *pipeline.Line {
	if l == nil {
		return l
	}
	out := &pipeline.Line{Stages: make([]pipeline.Stage, len(l.Stages))}
	for n, s := range l.Stages {
		var took prometheus.Observer
		if m != nil {
			took = m.Stages.WithLabelValues(s.Name)
		}
		out.Stages[n] = pipeline.Stage{Name: s.Name, Doc: s.Doc, Run: clock(s, took)}
	}
	return out
}

func clock(s pipeline.Stage, took prometheus.Observer) func(context.Context, *pipeline.Pass) error {
	return func(ctx context.Context, p *pipeline.Pass) error {
		start := time.Now()
		err := s.Run(ctx, p)
		d := time.Since(start)
		if took != nil {
			took.Observe(d.Seconds())
		}
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.AddEvent(s.Name, trace.WithAttributes(attribute.Int64("switchboard.stage.microseconds", d.Microseconds())))
		}
		return err
	}
}

// runLine runs the n-th message of a group through the line, measured and traced
// if it is its turn.
func (i *Intake) runLine(ctx context.Context, n int, r *desk.Receipt, pass *pipeline.Pass) error {
	if i.tracing.on(r.Draft.Trace) {
		ctx, span := i.tracing.start(ctx, r.Draft.Trace, spanLine, trace.WithAttributes(receiptOf(r)...))
		err := i.clocked.Run(ctx, pass)
		ended(span, err)
		return err
	}
	if n%watchEvery == 0 {
		return i.clocked.Run(ctx, pass)
	}
	return i.line.Run(ctx, pass)
}
