package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"switchboard/pipeline/desk"
)

// outer wraps the routes: a panic is a logged 500, an unknown path or method a
// problem, every request in the debug log by its route, never by its path or
// key.
func (s *server) outer(mux *http.ServeMux) http.Handler {
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
			s.Log.LogAttrs(r.Context(), slog.LevelDebug, "api", slog.String("route", route), slog.String("request", id),
				slog.Int("status", rec.status), slog.Duration("took", time.Since(start)))
		}()
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			refuse(rec, r, handler)
			return
		}
		route = pattern
		mux.ServeHTTP(rec, r)
	})
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
