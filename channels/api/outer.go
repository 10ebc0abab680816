package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/pipeline/desk"
)

// outer wraps the routes: a panic is a logged 500, an unknown path or method a
// problem, every request counted and in the debug log by its route, never by
// its path or key.
func (s *server) outer(mux *http.ServeMux) (http.Handler, error) {
	m, err := newMeter(s.Registerer)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		id := desk.NewID[string](s.Now())
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		route := "none"
		defer func() {
			if x := recover(); x != nil {
				s.Log.ErrorContext(r.Context(), "api: panic", "route", route, "request", id, "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
				if rec.status == 0 {
					writeProblem(rec, newProblem(http.StatusInternalServerError, "something broke on our side; it was logged"))
				}
			}
			took := time.Since(start)
			m.observe(route, rec.status, took)
			s.Log.LogAttrs(r.Context(), slog.LevelDebug, "api", slog.String("route", route), slog.String("request", id),
				slog.Int("status", rec.status), slog.Duration("took", took))
		}()
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			refuse(rec, r, handler)
			return
		}
		route = pattern
		mux.ServeHTTP(rec, r)
	}), nil
}

// refuse answers a path or method nobody registered: it asks the router which
// it is and what Allow says, and words it as a problem.
func refuse(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, "this path answers to "+allow).with("Allow", allow))
		return
	}
	writeProblem(w, newProblem(http.StatusNotFound, "there is no such path"))
}

// probe keeps status and headers and drops the body.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// meter measures requests; a nil meter measures nothing.
type meter struct{ took *prometheus.HistogramVec }

func newMeter(reg prometheus.Registerer) (*meter, error) {
	if reg == nil {
		return nil, nil
	}
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "switchboard_api_request_seconds", Help: "Time to answer API requests, by route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "status"})
	if err := reg.Register(h); err != nil {
		var there prometheus.AlreadyRegisteredError
		if !errors.As(err, &there) {
			return nil, fmt.Errorf("api: metrics: %w", err)
		}
		old, ok := there.ExistingCollector.(*prometheus.HistogramVec)
		if !ok {
			return nil, fmt.Errorf("api: metrics: %w", err)
		}
		h = old
	}
	return &meter{h}, nil
}

func (m *meter) observe(route string, status int, took time.Duration) {
	if m != nil {
		m.took.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
	}
}
