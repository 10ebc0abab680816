package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// adapters are the opened sources of this process, in the order of the config.
// Opening makes no connection: each role uses the ones it is for.
type adapters struct {
	names  []string
	opened map[string]channels.Adapter
	// postmen are the sources that send mail.
	postmen []desk.Source
	teams   map[string]desk.TeamID
	gate    *turnstile // before the doors; nil: none
}

// sources are the sources of the config, opened when they are first asked for
// and shared by all roles of this process.
func (h *house) sources() (*adapters, error) {
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.opened == nil {
		a, err := h.openSources(h.intake)
		if err != nil {
			return nil, err
		}
		h.opened = a
	}
	return h.opened, nil
}

// openSources opens the sources of the config; they hand what they take to sink.
func (h *house) openSources(sink channels.Sink) (*adapters, error) {
	c := h.config.First()
	a := &adapters{opened: map[string]channels.Adapter{}, teams: map[string]desk.TeamID{}}
	for _, src := range c.Sources {
		if src.Channel == desk.API {
			continue
		}
		kind, err := kindOf(src.Channel)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
		source := c.Policy().Sources[src.Name]
		adapter, err := kind.Open(channels.Config{
			Source: source, Block: src.Block, Sink: h.traces.sink(sink), Blobs: h.blobs, Mailboxes: h.store, Desk: h, Contacts: h.store,
			Secret: h.secret, Holder: h.holder, Limits: channelLimits(c), Log: h.log, Now: h.now,
		})
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
		a.names = append(a.names, src.Name)
		a.opened[src.Name], a.teams[src.Name] = adapter, source.Team
		if _, sends := adapter.(channels.Sender); sends && src.Channel == desk.Email {
			a.postmen = append(a.postmen, source)
		}
	}
	return a, nil
}

// sit takes the name under which this process holds its mailboxes. It is called
// before the sources are opened, and again does nothing.
func (h *house) sit() (leave func()) {
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.holder != "" {
		return func() {}
	}
	h.holder, leave = seat(h.place.Data)
	return leave
}

// mailboxes are the adapters that fetch for themselves: what `listen` runs.
func (a *adapters) mailboxes() (out []channels.Adapter) {
	for _, name := range a.names {
		if _, called := a.opened[name].(channels.Hook); !called {
			out = append(out, a.opened[name])
		}
	}
	return out
}

// hooks are the adapters that are called over HTTP: what `web` mounts.
func (a *adapters) hooks() (out []channels.Hook) {
	for _, name := range a.names {
		if hook, called := a.opened[name].(channels.Hook); called {
			out = append(out, hook)
		}
	}
	return out
}

// sender finds who carries answers of a source out by itself; nil when it
// cannot.
func (a *adapters) sender(source string) channels.Sender {
	s, _ := a.opened[source].(channels.Sender)
	return s
}

// mount puts the hooks' routes beside the API, and then what others add.
func (a *adapters) mount(rest http.Handler, add ...func(*http.ServeMux)) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("/", rest)
	for _, fn := range add {
		fn(mux)
	}
	var err error
	for _, name := range a.names {
		hook, called := a.opened[name].(channels.Hook)
		if !called {
			continue
		}
		for _, route := range hook.Routes() {
			if a.gate != nil {
				route = a.gate.route(name, route)
			}
			if bad := handle(mux, route); bad != nil {
				err = errors.Join(err, bad)
			}
		}
	}
	return mux, err
}

// guard answers 500 for a route that panics, and says which one it was: a
// vendor then sends again, and nothing was acknowledged.
func guard(route channels.Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if x := recover(); x != nil && x != http.ErrAbortHandler {
				slog.Error("a hook panicked", "route", route.Pattern, "panic", x, "stack", string(debug.Stack()))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		route.Handler.ServeHTTP(w, r)
	})
}

// handle registers a route; two sources with the same path are an error, not
// the panic ServeMux makes of it.
func handle(mux *http.ServeMux, route channels.Route) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("route %q: %v", route.Pattern, x)
		}
	}()
	mux.Handle(route.Pattern, guard(route))
	return nil
}

// runAll runs adapters until ctx is done. Nothing to run is no reason to end.
func runAll(ctx context.Context, list []channels.Adapter) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, adapter := range list {
		g.Go(func() error { return adapter.Run(ctx) })
	}
	g.Go(func() error { <-ctx.Done(); return nil })
	return g.Wait()
}
