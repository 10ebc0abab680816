package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"switchboard/channels/api"
	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/store"
)

// How a process that starts waits for PostgreSQL.
const (
	knockFor   = 5 * time.Second // each server of the URL has so long to say a word
	knockEvery = time.Second
	sighEvery  = time.Minute // the log says again that we wait
)

// openPatiently opens a house for a part. A PostgreSQL that is away is waited for
// as long as database.startPatience says, in a lobby; what waiting does not cure,
// such as a wrong password, ends it at once.
func openPatiently(ctx context.Context, p place, s streams, r *configs.Reloader, does part) (h *house, err error) {
	c := r.Config()
	patience, log := c.Database.StartPatience, logger(c, s)
	if patience <= 0 || !store.IsPostgres(string(c.Database.URL)) {
		return does.open(ctx, p, s, r, 0)
	}
	began, since := time.Now(), clock()()
	var said time.Time // when the log last said that we wait
	var l *lobby
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	for {
		h, away := does.open(ctx, p, s, r, knockFor)
		waited := time.Since(began)
		switch {
		case away == nil:
			if !said.IsZero() {
				log.Info("PostgreSQL answers", "after", waited.Round(time.Millisecond))
			}
			h.lobby = l
			return h, nil
		case ctx.Err() != nil || !errors.Is(away, desk.ErrUnavailable):
			return nil, away
		case waited >= patience:
			return nil, fmt.Errorf("waited %s for PostgreSQL (database.startPatience): %w", waited.Round(time.Second), away)
		}
		if time.Since(said) >= sighEvery {
			said = time.Now()
			log.Warn("PostgreSQL is away; waiting for it", "since", since.UTC(), "patience", patience, "error", away)
		}
		if l == nil && does.addr != nil && does.addr(c) != "" {
			if l, err = openLobby(does.addr(c), c.Server, since, away); err != nil {
				return nil, err
			}
			log.Info("lobby", "addr", l.listener.Addr().String())
		}
		l.note(away)
		if !pause(ctx, min(knockEvery, patience-waited)) {
			return nil, ctx.Err()
		}
	}
}

// pause waits for d, and reports whether ctx lasted as long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// open opens a house and does what the part does first. After an error nothing of
// it is left.
func (does part) open(ctx context.Context, p place, s streams, r *configs.Reloader, knock time.Duration) (*house, error) {
	h, err := openOf(ctx, p, s, r, does, knock)
	if err != nil || does.first == nil {
		return h, err
	}
	if err := does.first(ctx, h); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// lobby answers HTTP where the house will, for as long as it cannot be opened:
// the process lives, /readyz and /metrics say what it waits for, and whoever
// brings something is told to come again. Then the house takes over the listener
// and the server as they are, so that nobody finds the door locked in between. A
// nil lobby, of a process that answers no HTTP, does nothing.
type lobby struct {
	*answering
	listener net.Listener
	inside   atomic.Pointer[http.Handler]
	taken    atomic.Bool // by the house
	why      atomic.Pointer[string]
	since    time.Time
	up       gauge
	build    gauge
}

func openLobby(addr string, c configs.Server, since time.Time, why error) (*lobby, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	l := &lobby{listener: listener, since: since.UTC(), up: newUp(), build: newBuild()}
	l.note(why)
	waiting := l.handler()
	l.inside.Store(&waiting)
	l.answering = answer(listener, l, c)
	return l, nil
}

// ServeHTTP lets whoever is inside answer: the lobby itself, then the house.
func (l *lobby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*l.inside.Load()).ServeHTTP(w, r)
}

func (l *lobby) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), l)
	mux := http.NewServeMux()
	api.RouteHealth(mux, l.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		comeAgain(w, "not open yet: nothing was taken, try again")
	})
	return mux
}

// note keeps in words why PostgreSQL is still waited for.
func (l *lobby) note(err error) {
	if l != nil {
		words := inWords(err)
		l.why.Store(&words)
	}
}

func (l *lobby) health(context.Context) api.Health {
	return api.Sum(map[string]api.Check{"database": {State: api.CheckDown, Needed: true, Error: *l.why.Load(), Since: l.since}})
}

// Describe and Collect are the metrics there are without a house.
func (l *lobby) Describe(out chan<- *prometheus.Desc) {
	out <- l.up.desc
	out <- l.build.desc
}

func (l *lobby) Collect(out chan<- prometheus.Metric) {
	l.up.send(out, 0, "database")
	l.build.send(out, 1, version, revision(), runtime.Version())
}

// handOver lets the house answer from now on, and end the server when it ends.
func (l *lobby) handOver(house http.Handler) *answering {
	l.inside.Store(&house)
	l.taken.Store(true)
	return l.answering
}

// close ends a lobby that no house took over.
func (l *lobby) close() {
	if l == nil || l.taken.Load() {
		return
	}
	l.Close()
	<-l.gone
}

// retrySeconds is after how many seconds a caller should come again.
const retrySeconds = 5

// comeAgain answers 503 and says when to try again.
func comeAgain(w http.ResponseWriter, detail string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Retry-After", strconv.Itoa(retrySeconds))
	w.WriteHeader(http.StatusServiceUnavailable)
	json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(http.StatusServiceUnavailable),
		"status": http.StatusServiceUnavailable, "detail": detail})
}
