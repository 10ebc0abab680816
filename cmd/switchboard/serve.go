package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// serveCmd is everything in one process.
type serveCmd struct {
	place
	Addr string `help:"Where to listen for HTTP; overrides server.addr." placeholder:"HOST:PORT"`
}

func (c *serveCmd) Run(ctx context.Context, s streams) error {
	return role(ctx, c.place, s, part{addr: httpAt(c.Addr), check: checkConfig,
		first: func(ctx context.Context, h *house) error {
			if h.joined {
				return fmt.Errorf("another process already runs on the data folder %s: stop it, or name another --data; for several processes set redis in the config", c.Data)
			}
			return h.firstKey(ctx, s)
		},
		run: func(ctx context.Context, h *house) error { return h.serve(ctx, c.Addr, nil) },
	})
}

// serve runs all three roles until ctx is done. up, when not nil, is called
// with the address once HTTP answers.
func (h *house) serve(ctx context.Context, addr string, up func(addr string)) error {
	defer h.sit()()
	defer h.plays(ctx, "web", "listen", "work")()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.runWeb(ctx, addr, up) })
	g.Go(func() error { return h.runMailboxes(ctx) })
	g.Go(func() error { return h.runWorkers(ctx) })
	return g.Wait()
}

// firstKey makes and prints an admin key when there is none yet.
func (h *house) firstKey(ctx context.Context, s streams) error {
	keys, err := h.store.Keys(ctx)
	if err != nil || len(keys) > 0 {
		return err
	}
	secret, err := h.createKey(ctx, "admin", desk.RoleAdmin)
	if errors.Is(err, desk.ErrConflict) { // another that starts beside us has made and printed it
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, "First start. This admin API key is shown once; more with `switchboard keys create`:")
	fmt.Fprintln(s.out, secret)
	return nil
}

func (h *house) createKey(ctx context.Context, name string, role desk.Role) (string, error) {
	secret, key := api.NewKey(role, name, h.now())
	return secret, h.store.AddKey(ctx, key)
}

// shutdownContext outlives ctx by what the config allows for finishing.
func (h *house) shutdownContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), max(h.config.First().Server.ShutdownTimeout, time.Second))
}
