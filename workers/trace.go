package workers

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline/desk"
)

// Traces go through the ledger: a draft carries the traceparent (W3C Trace
// Context) of the span at its door, so that every later span belongs to the same
// trace, whichever process makes it and whenever: after a sweep, too. A message
// whose door was not sampled has none, and nothing is done for it. Attributes
// are IDs and names of the config, never what somebody wrote or who it was.
//
// What happens to a group happens once and belongs to many traces: its span is a
// child of the first member's and linked to the others.
//
// A nil *tracing makes no spans and costs one comparison.
type tracing struct{ tracer trace.Tracer }

func newTracing(t trace.Tracer) *tracing {
	if t == nil {
		return nil
	}
	return &tracing{t}
}

// The spans, in the order in which a message meets them. Before them comes the
// door's own: see cmd/switchboard.
const (
	spanAccept       = "ledger"        // waiting for and writing the ledger group
	spanAcceptCommit = "ledger commit" // the group's transaction
	spanWait         = "wait"          // from acceptance until a worker took it up
	spanLine         = "line"          // the stages, each an event
	spanFile         = "file"          // waiting for and writing the filing group
	spanFileCommit   = "file commit"   // the group's transaction
	spanDeliver      = "deliver"       // one try to bring an answer to its customer
)

// on reports whether a traceparent is to be followed.
func (t *tracing) on(traceparent string) bool { return t != nil && traceparent != "" }

// TraceOf is the traceparent of the span a context is in; "" when that is not
// sampled, or there is none.
func TraceOf(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// within is ctx inside the span that a traceparent names. That span counts as
// ours, not as a stranger's: whether it is sampled was decided at the door.
func within(ctx context.Context, traceparent string) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
	return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx).WithRemote(false))
}

// start begins a span under a traceparent.
func (t *tracing) start(ctx context.Context, traceparent, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	return t.tracer.Start(within(ctx, traceparent), name, o...)
}

// group begins the span of a group, or returns nil when none of its members is
// traced.
func (t *tracing) group(ctx context.Context, name string, members []string) trace.Span {
	if t == nil || len(members) == 0 {
		return nil
	}
	var links []trace.Link
	for _, m := range members[1:] {
		links = append(links, trace.Link{SpanContext: trace.SpanContextFromContext(within(context.Background(), m))})
	}
	_, span := t.start(ctx, members[0], name, trace.WithLinks(links...), trace.WithAttributes(attribute.Int("switchboard.group.traced", len(members))))
	return span
}

// ended ends a span; an error is noted by its kind, for its text may hold what a
// stranger wrote.
func ended(span trace.Span, err error, attributes ...attribute.KeyValue) {
	if span == nil {
		return
	}
	span.SetAttributes(attributes...)
	if err != nil {
		span.SetStatus(codes.Error, kindOf(err))
	}
	span.End()
}

// accepting begins the spans of drafts that are being accepted, and gives those
// that came without a trace the one of ctx. end ends them.
func (t *tracing) accepting(ctx context.Context, drafts []*desk.Draft) (end func([]desk.ReceiptID, error)) {
	here := TraceOf(ctx)
	spans := make([]trace.Span, len(drafts))
	for n, d := range drafts {
		if d.Trace == "" {
			d.Trace = here
		}
		if d.Trace != "" {
			_, spans[n] = t.start(ctx, d.Trace, spanAccept, trace.WithAttributes(sourceOf(d.Source), attribute.String("switchboard.channel", string(d.Channel))))
		}
	}
	return func(ids []desk.ReceiptID, err error) {
		for n, span := range spans {
			if span != nil && n < len(ids) {
				span.SetAttributes(attribute.String("switchboard.receipt", string(ids[n])))
			}
			ended(span, err)
		}
	}
}

// waited makes the span of the time a receipt lay in the ledger and the queue.
func (t *tracing) waited(ctx context.Context, r *desk.Receipt, now time.Time) {
	if r.Draft == nil || !t.on(r.Draft.Trace) {
		return
	}
	_, span := t.start(ctx, r.Draft.Trace, spanWait, trace.WithTimestamp(r.AcceptedAt), trace.WithAttributes(receiptOf(r)...))
	span.SetAttributes(attribute.Int("switchboard.attempts", r.Attempts))
	span.End(trace.WithTimestamp(now))
}

func receiptOf(r *desk.Receipt) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("switchboard.receipt", string(r.ID)), sourceOf(r.Source)}
}

func sourceOf(name string) attribute.KeyValue { return attribute.String("switchboard.source", name) }

// tracesOf lists the traceparents of those that have one.
func tracesOf[T any](list []T, of func(T) string) (out []string) {
	for _, v := range list {
		if t := of(v); t != "" {
			out = append(out, t)
		}
	}
	return out
}
