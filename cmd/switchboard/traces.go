package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"switchboard/channels"
	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// traces sends spans to a collector (OTLP over HTTP, protobuf). The door's span
// is made here: of an HTTP request, continuing the caller's trace (W3C Trace
// Context), or of a mail that was fetched. What follows is made by workers. A nil
// *traces makes none.
//
// Spans wait in a queue of traces.queue; when the collector is slow or gone, more
// are dropped, and messages never wait for it.
type traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// openTraces starts the exporter that the config asks for; nil when it asks for
// none.
func openTraces(ctx context.Context, c configs.Traces, log *slog.Logger) (*traces, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = "/v1/traces" // OTLP 1.0, "OTLP/HTTP Request"
	}
	headers := map[string]string{}
	for name, value := range c.Headers {
		headers[name] = value.Reveal()
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint.String()), otlptracehttp.WithHeaders(headers), otlptracehttp.WithTimeout(c.Timeout))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	// The library has one place for what goes wrong behind the scenes.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", err) }))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(c.Queue), sdktrace.WithBatchTimeout(c.Every), sdktrace.WithExportTimeout(c.Timeout)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", c.Service), attribute.String("service.version", version))),
	)
	return &traces{provider, provider.Tracer("switchboard")}, nil
}

// close sends what is left.
func (t *traces) close(log *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		log.Warn("traces are lost", "error", err)
	}
}

// api is the tracer for workers, nil when there is none.
func (t *traces) api() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// unwatched are the routes that machines around us ask all the time.
var unwatched = map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true}

// door makes the span of each request. Put it around what sets the request's
// pattern.
func (t *traces) door(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unwatched[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
		s := &answeredAs{ResponseWriter: w}
		r = r.WithContext(ctx)
		defer func() {
			// The path and the query may name somebody; the pattern does not.
			span.SetName(routeOf(r))
			span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", routeOf(r)), attribute.Int("http.response.status_code", s.code()))
			if s.code() >= 500 {
				span.SetStatus(codes.Error, http.StatusText(s.code()))
			}
			span.End()
		}()
		next.ServeHTTP(s, r)
	})
}

// mailDoor is a Sink for adapters that are not called: each draft they bring gets
// a span of its own, from when its batch was asked for until it was accepted.
// What comes inside a request goes by that request's span.
type mailDoor struct {
	channels.Sink
	tracer trace.Tracer
}

// sink is where an adapter's drafts go.
func (t *traces) sink(s channels.Sink) channels.Sink {
	if t == nil {
		return s
	}
	return mailDoor{s, t.tracer}
}

// Submit hands the drafts on; see channels.Sink.
func (f mailDoor) Submit(ctx context.Context, cursor *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return f.Sink.Submit(ctx, cursor, drafts...)
	}
	spans := make([]trace.Span, 0, len(drafts))
	for _, d := range drafts {
		if d.Trace != "" {
			continue // submitted before, with others
		}
		at, ok := channels.Began(ctx)
		if !ok {
			at = time.Now()
		}
		in, span := f.tracer.Start(ctx, "fetch "+d.Source, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(at),
			trace.WithAttributes(attribute.String("switchboard.source", d.Source), attribute.String("switchboard.channel", string(d.Channel))))
		d.Trace = workers.TraceOf(in)
		spans = append(spans, span)
	}
	ids, err := f.Sink.Submit(ctx, cursor, drafts...)
	for _, span := range spans {
		if err != nil {
			span.SetStatus(codes.Error, "not accepted")
		}
		span.End()
	}
	return ids, err
}
