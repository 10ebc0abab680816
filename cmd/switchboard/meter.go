package main

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meter measures HTTP requests by the route that answered, never by their path,
// and by status. Routes are patterns of the code and of the config, so there are
// as many as there are doors.
type meter struct {
	took  *prometheus.HistogramVec
	known sync.Map // answeredBy -> prometheus.Observer
}

type answeredBy struct {
	route  string
	status int
}

func newMeter(reg prometheus.Registerer) (*meter, error) {
	m := &meter{took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "switchboard_http_request_seconds", Help: "Time to answer HTTP requests, by route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "status"})}
	return m, reg.Register(m.took)
}

// measure wraps a handler that is, or leads to, an http.ServeMux.
func (m *meter) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s := &answeredAs{ResponseWriter: w}
		defer func() {
			m.of(routeOf(r), s.code()).Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(s, r)
	})
}

// routeOf is the pattern that answeredBy; "none" when nothing is registered there.
func routeOf(r *http.Request) string {
	if r.Pattern == "" || r.Pattern == "/" {
		return "none"
	}
	return r.Pattern
}

func (m *meter) of(route string, status int) prometheus.Observer {
	key := answeredBy{route, status}
	if o, ok := m.known.Load(key); ok {
		return o.(prometheus.Observer)
	}
	o := m.took.WithLabelValues(route, strconv.Itoa(status))
	m.known.Store(key, o)
	return o
}

// answeredAs remembers the status.
type answeredAs struct {
	http.ResponseWriter
	status int
}

func (s *answeredAs) code() int {
	if s.status == 0 {
		return http.StatusOK
	}
	return s.status
}

func (s *answeredAs) WriteHeader(status int) {
	if s.status == 0 && status >= 200 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *answeredAs) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *answeredAs) Unwrap() http.ResponseWriter { return s.ResponseWriter }
