package api_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// routes is every route there is.
var routes = []string{
	"GET /v1/tickets", "POST /v1/tickets", "GET /v1/tickets/{id}", "PATCH /v1/tickets/{id}", "DELETE /v1/tickets/{id}",
	"GET /v1/tickets/{id}/comments", "POST /v1/tickets/{id}/comments", "POST /v1/tickets/{id}/assign", "PATCH /v1/tickets/{id}/status",
	"PATCH /v1/tickets/{id}/comments/{messageId}", "DELETE /v1/tickets/{id}/comments/{messageId}",
	"GET /v1/tickets/{id}/comments/{messageId}/attachments/{sha256}",
	"GET /v1/customers/{id}", "PATCH /v1/customers/{id}", "POST /v1/customers/{id}/merge", "POST /v1/customers/{id}/split",
	"GET /v1/tickets/{id}/links", "POST /v1/tickets/{id}/links", "GET /v1/tickets/{id}/events", "GET /v1/intake/{receipt}",
	"GET /healthz", "GET /readyz", "GET /metrics",
}

func TestOpenAPI(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := newHouse(t, func(o *api.Options) {
		o.Metrics, o.Version = promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), "1.2.3"
	})
	a := h.do("", "GET", "/openapi.json", nil, "Host", "evil.example").want(t, 200)
	doc := a.json
	if doc["openapi"] != "3.1.0" || a.str("info", "version") != "1.2.3" || doc["servers"].([]any)[0].(map[string]any)["url"] != "https://desk.example" {
		t.Errorf("%v %v %v", doc["openapi"], doc["info"], doc["servers"])
	}
	if strings.Contains(string(a.raw), "evil.example") || strings.Contains(string(a.raw), "ErrorModel") {
		t.Error("the document holds what it must not")
	}
	var got []string
	ids := map[string]bool{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			name := strings.ToUpper(method) + " " + path
			got = append(got, name)
			checkOperation(t, name, op.(map[string]any), ids)
		}
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(routes))
	if !slices.Equal(got, want) {
		t.Errorf("described: %v\nwant: %v", got, want)
	}
	checkRefs(t, doc, doc)
	for _, name := range []string{"bearer", "apiKey"} {
		if s := doc["components"].(map[string]any)["securitySchemes"].(map[string]any)[name]; s == nil {
			t.Errorf("no security scheme %s", name)
		}
	}
}

func checkOperation(t *testing.T, name string, op map[string]any, ids map[string]bool) {
	id, _ := op["operationId"].(string)
	if id == "" || ids[id] || op["summary"] == nil {
		t.Errorf("%s: operationId %q, summary %v", name, id, op["summary"])
	}
	ids[id] = true
	if !strings.Contains(name, "/v1/") {
		if s, ok := op["security"].([]any); !ok || len(s) != 0 {
			t.Errorf("%s needs no key but says %v", name, op["security"])
		}
		return
	}
	responses := op["responses"].(map[string]any)
	for _, code := range []string{"401", "403", "429", "default"} {
		r, _ := responses[code].(map[string]any)
		if c, _ := r["content"].(map[string]any); c["application/problem+json"] == nil {
			t.Errorf("%s: response %s is no problem: %v", name, code, r)
		}
	}
	if b, ok := op["requestBody"].(map[string]any); ok {
		media := b["content"].(map[string]any)["application/json"].(map[string]any)
		if media["example"] == nil || media["schema"] == nil || b["required"] != true {
			t.Errorf("%s: body %v", name, b)
		}
	} else if strings.HasPrefix(name, "POST") || strings.HasPrefix(name, "PATCH") {
		t.Errorf("%s has no body", name)
	}
}

// checkRefs follows every $ref of the document.
func checkRefs(t *testing.T, doc map[string]any, v any) {
	switch x := v.(type) {
	case map[string]any:
		if ref, ok := x["$ref"].(string); ok {
			var at any = doc
			for _, p := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := at.(map[string]any)
				at = m[p]
			}
			if at == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for _, e := range x {
			checkRefs(t, doc, e)
		}
	case []any:
		for _, e := range x {
			checkRefs(t, doc, e)
		}
	}
}

// TestExamplesWork sends the example of every body, so that the document cannot
// promise what the interface refuses.
func TestExamplesWork(t *testing.T) {
	h := newHouse(t)
	h.ticket(`{"title":"one","customerId":"cust-123","requester":{"email":"sam@example.com"}}`)
	h.ticket(`{"title":"two","customerId":"cust-456"}`)
	h.ticket(sample)
	comment := h.do(desk.RoleAdmin, "POST", "/v1/tickets/1/comments", `{"content":"hm"}`).want(t, 201).str("id")
	doc := h.get("/openapi.json").json
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			body, ok := op.(map[string]any)["requestBody"].(map[string]any)
			if !ok {
				continue
			}
			example := body["content"].(map[string]any)["application/json"].(map[string]any)["example"]
			raw, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(string(raw), `"1043"`, `"2"`)
			id := map[string]string{"/v1/tickets/{id}": "3"}[path]
			if id == "" {
				id = "1"
			}
			if strings.HasPrefix(path, "/v1/customers/") {
				id = "cust-123"
			}
			path := strings.NewReplacer("{id}", id, "{messageId}", comment).Replace(path)
			a := h.do(desk.RoleAdmin, strings.ToUpper(method), path, text)
			if a.StatusCode >= 300 {
				t.Errorf("%s %s refuses its example: %s", method, path, a.raw)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "some_total"}))
	checks := map[string]api.Check{"database": {State: api.CheckUp, Needed: true}, "queue": {State: api.CheckUp}}
	h := newHouse(t, func(o *api.Options) {
		o.Metrics = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
		o.Ready = func(context.Context) api.Health { return api.Sum(checks) }
	})
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, want := range []struct {
		name   string
		check  api.Check
		status int
		body   string
	}{
		{"queue", api.Check{State: api.CheckUp}, 200, `"status":"ok"`},
		{"queue", api.Check{State: api.CheckStandby, Needed: true}, 200, `"status":"ok"`},
		{"queue", api.Check{State: api.CheckDown, Error: "cannot be reached", Since: since}, 200, `"status":"degraded"`},
		{"database", api.Check{State: api.CheckDown, Needed: true, Error: "no answer in time"}, 503, `"status":"failing"`},
	} {
		checks[want.name] = want.check
		w := recordOf(h, mustRequest("GET", "/readyz"))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%+v: %d %s", want, w.Code, w.Body)
		}
	}
	var got api.Health
	if w := recordOf(h, mustRequest("GET", "/readyz")); json.Unmarshal(w.Body.Bytes(), &got) != nil || got.Checks["queue"].Error != "cannot be reached" ||
		got.Checks["queue"].State != api.CheckDown || !got.Checks["queue"].Since.Equal(since) || !got.Checks["database"].Needed {
		t.Errorf("%s", w.Body)
	}
	h.do("", "GET", "/healthz", nil).want(t, 200)
	if m := recordOf(h, mustRequest("GET", "/metrics")).Body.String(); !strings.Contains(m, "some_total 0") {
		t.Errorf("%s", m)
	}
	if _, err := api.New(api.Options{}); err == nil {
		t.Error("no books, no error")
	}
}

// What an accepted create carries in its header is in the document.
func TestHeadersOfAcceptedAreDescribed(t *testing.T) {
	h := newHouse(t)
	var at any = h.do("", "GET", "/openapi.json", nil).want(t, 200).json
	for _, p := range []string{"paths", "/v1/tickets", "post", "responses", "202", "headers"} {
		at, _ = at.(map[string]any)[p]
	}
	described := at.(map[string]any)
	for range 2 {
		a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", `{"title":"x"}`, "Prefer", "respond-async", "Idempotency-Key", "k").want(t, 202)
		for _, name := range []string{"Location", "Preference-Applied"} {
			if a.Header.Get(name) == "" || described[name] == nil {
				t.Errorf("%s: %q, described as %v", name, a.Header.Get(name), described[name])
			}
		}
	}
	if described["Idempotency-Replayed"] == nil {
		t.Error("Idempotency-Replayed is not described")
	}
}
