package workers

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline/desk"
)

// traceTry begins the span of one try to send: in the trace of the customer's
// message that is answered, so that one trace leads from the door to the
// delivery, with a link to the request that wrote the answer; else in that
// request's own.
func (d *Delivery) traceTry(ctx context.Context, out *desk.Outgoing) (_ context.Context, end func(over bool, err error)) {
	if d.tracing == nil {
		return ctx, func(bool, error) {}
	}
	m := &out.Reply.Message
	parent := m.Trace
	var links []trace.Link
	if d.traced != nil {
		// Without an answer the try goes on: a trace is no reason to be late.
		if customers, err := d.traced(ctx, m.TicketID); err == nil && customers != "" {
			if parent != "" {
				links = append(links, trace.Link{SpanContext: trace.SpanContextFromContext(within(context.Background(), parent))})
			}
			parent = customers
		}
	}
	if parent == "" {
		return ctx, func(bool, error) {}
	}
	ctx, span := d.tracing.start(ctx, parent, spanDeliver, trace.WithSpanKind(trace.SpanKindProducer), trace.WithLinks(links...), trace.WithAttributes(
		sourceOf(out.Source), attribute.String("switchboard.ticket", string(m.TicketID)), attribute.String("switchboard.message", string(m.ID)),
		attribute.Int("switchboard.tries", out.Tries), attribute.String("switchboard.was", string(out.Was))))
	return ctx, func(over bool, err error) { ended(span, err, attribute.Bool("switchboard.over", over)) }
}
