package workers

import (
	"context"
	"errors"
	"fmt"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// While traces are off, a message pays a comparison and no memory.
func TestNoTracesCostNothing(t *testing.T) {
	i := &Intake{line: &pipeline.Line{}, clocked: &pipeline.Line{}}
	r := &desk.Receipt{Draft: &desk.Draft{}}
	pass := &pipeline.Pass{}
	d := &Delivery{}
	out := &desk.Outgoing{}
	var n float64
	for range 10 { // what else works in this process may allocate meanwhile
		if n = testing.AllocsPerRun(100, func() {
			if err := i.runLine(context.Background(), 1, r, pass); err != nil {
				t.Fatal(err)
			}
			i.tracing.waited(context.Background(), r, r.AcceptedAt)
			_, end := d.traceTry(context.Background(), out)
			end(true, nil)
			if i.tracing.group(context.Background(), spanFileCommit, nil) != nil {
				t.Fatal("a span")
			}
		}); n == 0 {
			return
		}
	}
	t.Errorf("%v allocations", n)
}

func BenchmarkNoTraces(b *testing.B) {
	i := &Intake{line: &pipeline.Line{}, clocked: &pipeline.Line{}}
	r := &desk.Receipt{Draft: &desk.Draft{}}
	pass := &pipeline.Pass{}
	for b.Loop() {
		_ = i.runLine(context.Background(), 1, r, pass)
		i.tracing.waited(context.Background(), r, r.AcceptedAt)
	}
}

// A traceparent survives the ledger; one that is not sampled is none; strangers'
// nonsense is no trace.
func TestTraceparent(t *testing.T) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tr := newTracing(provider.Tracer("test"))
	ctx, span := tr.start(context.Background(), good, "x")
	defer span.End()
	if got := TraceOf(ctx); len(got) != len(good) || got[:36] != good[:36] || got == good {
		t.Errorf("%q continues %q", got, good)
	}
	if trace.SpanContextFromContext(within(context.Background(), good)).IsRemote() {
		t.Error("our own span counts as a stranger's")
	}
	for _, bad := range []string{"", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00-00000000000000000000000000000000-b7ad6b7169203331-01"} {
		if got := TraceOf(within(context.Background(), bad)); got != "" {
			t.Errorf("%q gives %q", bad, got)
		}
	}
	if newTracing(nil).on(good) {
		t.Error("no tracer traces")
	}
}

// The text of an error may hold what a stranger wrote; its kind does not.
func TestKindOf(t *testing.T) {
	for want, err := range map[string]error{
		"the books do not answer": fmt.Errorf("ann@example.com: %w", desk.ErrUnavailable), "permanent": desk.Permanent(errors.New("ann@example.com")),
		"failed": errors.New("ann@example.com"), "out of time": fmt.Errorf("x: %w", context.DeadlineExceeded),
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
