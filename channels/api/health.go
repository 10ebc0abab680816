package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Health is what GET /readyz answers: with 200 when its status is ok or
// degraded, with 503 when it is failing.
type Health struct {
	// Status is failing when something this process cannot do without is down,
	// degraded when something else is, or when sources are refused.
	Status HealthStatus     `json:"status" enum:"ok,degraded,failing"`
	Checks map[string]Check `json:"checks,omitempty" doc:"What this process depends on, by name."`
	// Shedding are sources that are told to come again later.
	Shedding map[string]string `json:"shedding,omitempty" doc:"Sources whose messages this process refuses with \"busy\" now, each with the limit that is reached."`
}

// HealthStatus sums a [Health] up.
type HealthStatus string

// The sums.
const (
	HealthOK       HealthStatus = "ok"
	HealthDegraded HealthStatus = "degraded"
	HealthFailing  HealthStatus = "failing"
)

// Check is how it stands with one thing a process depends on. It is shown to
// anybody: Error says what kind of trouble it is, and the log says the rest.
type Check struct {
	State  CheckState `json:"state" enum:"up,down,standby"`
	Needed bool       `json:"needed" doc:"Without it the process can do nothing and answers 503."`
	Error  string     `json:"error,omitempty" doc:"What is wrong, in a few words."`
	Since  time.Time  `json:"since,omitzero" doc:"Since when it has been in this state, as far as this process saw."`
}

// CheckState is where a [Check] stands.
type CheckState string

// The states. A mailbox that another process reads is on standby here.
const (
	CheckUp      CheckState = "up"
	CheckDown    CheckState = "down"
	CheckStandby CheckState = "standby"
)

// Sum makes the health of checks.
func Sum(checks map[string]Check) Health {
	h := Health{Status: HealthOK, Checks: checks}
	for _, c := range checks {
		switch {
		case c.State != CheckDown:
		case c.Needed:
			h.Status = HealthFailing
		case h.Status == HealthOK:
			h.Status = HealthDegraded
		}
	}
	return h
}

// RouteHealth adds what machines around us ask, without a key: GET /healthz
// (this process is alive) and GET /readyz (it can do its work). A nil ready
// always can.
func RouteHealth(mux *http.ServeMux, ready func(context.Context) Health) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, Health{Status: HealthOK})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		h := Health{Status: HealthOK}
		if ready != nil {
			h = ready(r.Context())
		}
		writeHealth(w, h)
	})
}

// routeHealth adds the health routes and their description.
func (s *server) routeHealth(mux *http.ServeMux) {
	RouteHealth(mux, s.Ready)
	schema := s.api.OpenAPI().Components.Schemas.Schema(typeOf[Health](), true, "")
	for path, what := range map[string]string{"/healthz": "The process is alive", "/readyz": "The process can do its work"} {
		s.api.OpenAPI().AddOperation(&huma.Operation{
			OperationID: "get" + map[string]string{"/healthz": "Health", "/readyz": "Readiness"}[path], Method: http.MethodGet, Path: path,
			Tags: []string{"health"}, Summary: what, Security: []map[string][]string{},
			Responses: map[string]*huma.Response{
				"200": {Description: "Yes, though perhaps degraded.", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
				"503": {Description: "No.", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
			},
		})
	}
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
		s.api.OpenAPI().AddOperation(&huma.Operation{
			OperationID: "getMetrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"health"},
			Summary: "Measurements for Prometheus", Security: []map[string][]string{},
			Responses: map[string]*huma.Response{"200": {Description: "The measurements.",
				Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}},
		})
	}
}

func writeHealth(w http.ResponseWriter, h Health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if h.Status == HealthFailing {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(h)
}
