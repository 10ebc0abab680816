package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// adapters are the opened sources of this process by name. Opening makes no
// connection: each role uses the ones it is for.
type adapters map[string]channels.Adapter

// openAdapters opens every source of the config that has a kind.
func (h *house) openAdapters(holder string) (adapters, error) {
	c := h.config.Config()
	out := adapters{}
	for _, src := range c.Sources {
		if src.Channel == desk.API {
			continue
		}
		kind, err := kindOf(src.Channel)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
		out[src.Name], err = kind.Open(channels.Config{
			Source: c.Policy().Sources[src.Name], Block: src.Block, Sink: h.intake, Blobs: h.blobs, Mailboxes: h.store, Desk: h,
			Secret: h.secret, Holder: holder, Limits: channelLimits(c.Limits), Log: h.log, Now: h.now,
		})
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
	}
	return out, nil
}

// mailboxes are the adapters that fetch for themselves: what `listen` runs.
func (a adapters) mailboxes() (out []channels.Adapter) {
	for _, adapter := range a {
		if _, called := adapter.(channels.Hook); !called {
			out = append(out, adapter)
		}
	}
	return out
}

// hooks are the adapters that are called over HTTP: what `web` mounts.
func (a adapters) hooks() (out []channels.Hook) {
	for _, adapter := range a {
		if hook, called := adapter.(channels.Hook); called {
			out = append(out, hook)
		}
	}
	return out
}

// sender finds who carries answers of a source out; nil when nobody can.
func (a adapters) sender(source string) channels.Sender {
	s, _ := a[source].(channels.Sender)
	return s
}

// mount puts the hooks' routes beside the API.
func (a adapters) mount(rest http.Handler) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("/", rest)
	var err error
	for _, hook := range a.hooks() {
		for _, route := range hook.Routes() {
			if bad := handle(mux, route); bad != nil {
				err = errors.Join(err, bad)
			}
		}
	}
	return mux, err
}

// handle registers a route; two sources with the same path are an error, not
// the panic ServeMux makes of it.
func handle(mux *http.ServeMux, route channels.Route) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("route %q: %v", route.Pattern, x)
		}
	}()
	mux.Handle(route.Pattern, route.Handler)
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
