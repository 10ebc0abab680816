package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// fakeCollector takes spans as an OpenTelemetry collector does: OTLP over HTTP,
// protobuf.
type fakeCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	auth  string
	raw   []byte
}

func newCollector(t *testing.T) *fakeCollector {
	c := &fakeCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil {
			http.Error(w, "what is this?", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.auth, c.raw = r.Header.Get("authorization"), append(c.raw, body...)
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// trace returns the spans of a trace by their IDs.
func (c *fakeCollector) trace(id string) map[string]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == id {
			out[string(s.SpanId)] = s
		}
	}
	return out
}

// of finds the trace that has a span with an attribute.
func (c *fakeCollector) of(key, value string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		for _, a := range s.Attributes {
			if a.Key == key && a.Value.GetStringValue() == value {
				return hex.EncodeToString(s.TraceId)
			}
		}
	}
	return ""
}

func namesOf(spans map[string]*tracepb.Span) (names []string) {
	for _, s := range spans {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

const tracing = "\ntraces: { endpoint: %q, headers: { authorization: \"${OTLP_AUTH}\" }, ratio: 1, every: 50ms }\n"

// One mail is one trace, from the mailbox to the answer that left, though a
// worker and a delivery have a hand in it; and nothing in it tells who wrote
// what.
func TestTraceFromDoorToDelivery(t *testing.T) {
	c := newCollector(t)
	s := openStreetOn(t, string(demoConfig)+fmt.Sprintf(tracing, c.URL), "OTLP_AUTH", "Bearer 42")
	s.run()
	s.post1("ann.private@example.com", "trace-1@example.com", "", "Zanzibar", "The xylophone is broken")
	s.filed(1)
	ticket := s.only()
	s.sent(s.comment(ticket, "Have you tried the marimba?", true))
	first := s.said(ticket)[0]
	door := []string{"deliver", "fetch support", "file", "file commit", "ledger", "line", "wait"}
	var id string
	s.until(func() string {
		id = c.of("switchboard.receipt", string(first.Receipt))
		if got := namesOf(c.trace(id)); !slices.Equal(got, door) {
			return fmt.Sprintf("the trace %s has %v, want %v", id, got, door)
		}
		return ""
	})
	connected(t, c.trace(id), 1)
	for _, span := range c.trace(id) {
		if span.Name == "line" {
			var stages []string
			for _, e := range span.Events {
				stages = append(stages, e.Name)
			}
			for _, stage := range pipeline.Standard() {
				if !slices.Contains(stages, stage.Name) {
					t.Errorf("the line's events are %v, without %s", stages, stage.Name)
				}
			}
		}
		if span.Name == "deliver" && len(span.Links) != 1 {
			t.Errorf("the delivery has %d links, want one to the request that wrote the answer", len(span.Links))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.auth != "Bearer 42" {
		t.Errorf("the collector was shown %q", c.auth)
	}
	for _, private := range []string{"ann.private", "example.com", "Zanzibar", "xylophone", "marimba", "trace-1"} {
		if strings.Contains(string(c.raw), private) {
			t.Errorf("the spans hold %q", private)
		}
	}
}

// connected fails unless the spans are one tree whose root, or whose roots'
// parent, is a door; strangers is how many parents are not among them.
func connected(t *testing.T, spans map[string]*tracepb.Span, roots int) {
	t.Helper()
	missing := map[string]bool{}
	for _, s := range spans {
		if _, ok := spans[string(s.ParentSpanId)]; !ok {
			missing[hex.EncodeToString(s.ParentSpanId)] = true
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano {
			t.Errorf("%s ends before it begins", s.Name)
		}
	}
	if len(missing) != roots {
		t.Errorf("the spans hang on %v, want %d", missing, roots)
	}
}

// A caller's traceparent is continued, whether sampled or not; and the ledger
// carries it to whoever files the message, here the sweep.
func TestTraceparentIsHonoured(t *testing.T) {
	c := newCollector(t)
	s := openStreetOn(t, strings.Replace(string(demoConfig), "log: { level: warn }", "log: { level: error }\nintake: { sweepEvery: 100ms, sweepAfter: 100ms, fileTimeout: 2m }", 1)+
		fmt.Sprintf(tracing, c.URL), "OTLP_AUTH", "x")
	// No worker has heard of it: what is accepted is found by the sweep.
	const caller, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	s.answer()
	key := s.newKey(desk.RoleIntegration)
	s.house.dispatch.Stop() // the queue takes nothing: the ledger remembers
	a := s.ask(key, "POST", "/v1/tickets", `{"title":"traced","description":"x"}`, "traceparent", "00-"+caller+"-"+parent+"-01", "Prefer", "respond-async").want(t, 202)
	s.ask(key, "POST", "/v1/tickets", `{"title":"not traced","description":"x"}`, "traceparent", "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").want(t, 201)
	s.work()
	want := []string{"POST /v1/tickets", "file", "file commit", "ledger", "ledger commit", "line", "wait"}
	s.until(func() string {
		if got := namesOf(c.trace(caller)); !slices.Equal(got, want) {
			return fmt.Sprintf("the caller's trace has %v, want %v", got, want)
		}
		return ""
	})
	connected(t, c.trace(caller), 1)
	for _, span := range c.trace(caller) {
		if span.Name == "POST /v1/tickets" && hex.EncodeToString(span.ParentSpanId) != parent {
			t.Errorf("the door hangs on %x", span.ParentSpanId)
		}
	}
	if id := a.text("receipt"); id != "" && s.receipt(desk.ReceiptID(id)).State != desk.Filed {
		t.Errorf("%+v", s.receipt(desk.ReceiptID(id)))
	}
	s.traces.provider.ForceFlush(t.Context())
	if got := c.trace("1af7651916cd43dd8448eb211c80319c"); len(got) > 0 {
		t.Errorf("a caller who does not sample got %v", namesOf(got))
	}
}

// Messages of one group have traces of their own; the group's transaction hangs
// on one of them and is linked to the others.
func TestGroupsAreLinked(t *testing.T) {
	c := newCollector(t)
	s := openStreetOn(t, strings.Replace(string(demoConfig), "log: { level: warn }", "log: { level: warn }\nintake: { ledgerWait: 1s, fileWait: 1s, fileTimeout: 2m }", 1)+
		fmt.Sprintf(tracing, c.URL), "OTLP_AUTH", "x")
	s.answer()
	key := s.newKey(desk.RoleIntegration)
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			if _, err := ask(t.Context(), key, "POST", s.url+"/v1/tickets", fmt.Sprintf(`{"title":"t%d","description":"x"}`, i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.traces.provider.ForceFlush(t.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{"ledger commit", "file commit"} {
		traces, commits := map[string]bool{}, 0
		for _, span := range c.spans {
			if span.Name == name {
				commits++
				traces[string(span.TraceId)] = true
				for _, l := range span.Links {
					traces[string(l.TraceId)] = true
				}
			}
		}
		if len(traces) != 5 || commits >= 5 {
			t.Errorf("%d spans %q know %d traces, want 5 in fewer", commits, name, len(traces))
		}
	}
}

// A collector that is not there costs messages nothing.
func TestTracesWithoutCollector(t *testing.T) {
	c := newCollector(t)
	c.Close()
	s := openStreetOn(t, string(demoConfig)+fmt.Sprintf(tracing, c.URL), "OTLP_AUTH", "x")
	s.answer()
	s.ask(s.newKey(desk.RoleIntegration), "POST", "/v1/tickets", `{"title":"t","description":"x"}`).want(t, 201)
}
