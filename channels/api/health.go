package api

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// healthView is the answer of the health routes.
type healthView struct {
	Status string            `json:"status" enum:"ok,failing"`
	Checks map[string]string `json:"checks,omitempty" doc:"ok or failing, by what was checked; the log says why."`
}

// routeHealth adds the routes that machines around us ask, without a key:
// alive, ready, measured. They tell nothing about what is inside.
func (s *server) routeHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, healthView{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		v := healthView{Status: "ok", Checks: map[string]string{}}
		if s.Ready != nil {
			for name, err := range s.Ready(r.Context()) {
				v.Checks[name] = "ok"
				if err != nil {
					v.Status, v.Checks[name] = "failing", "failing"
					s.Log.WarnContext(r.Context(), "api: not ready", "check", name, "error", err)
				}
			}
		}
		writeHealth(w, v)
	})
	schema := s.api.OpenAPI().Components.Schemas.Schema(typeOf[healthView](), true, "")
	for path, what := range map[string]string{"/healthz": "The process is alive", "/readyz": "The process can do its work"} {
		s.api.OpenAPI().AddOperation(&huma.Operation{
			OperationID: "get" + map[string]string{"/healthz": "Health", "/readyz": "Readiness"}[path], Method: http.MethodGet, Path: path,
			Tags: []string{"health"}, Summary: what, Security: []map[string][]string{},
			Responses: map[string]*huma.Response{
				"200": {Description: "Yes.", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
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

func writeHealth(w http.ResponseWriter, v healthView) {
	w.Header().Set("Content-Type", "application/json")
	if v.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(v)
}
