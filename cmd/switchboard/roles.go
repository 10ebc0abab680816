package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"switchboard/channels/api"
	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// webCmd is the HTTP role.
type webCmd struct {
	place
	Addr string `help:"Where to listen for HTTP; overrides server.addr." placeholder:"HOST:PORT"`
}

func (c *webCmd) Run(ctx context.Context, s streams) error {
	return role(ctx, c.place, s, part{addr: httpAt(c.Addr), check: checkConfig, run: func(ctx context.Context, h *house) error {
		defer h.plays(ctx, "web")()
		return h.runWeb(ctx, c.Addr, nil)
	}})
}

// listenCmd is the mailbox role.
type listenCmd struct {
	place
	Ops string `help:"Where to answer /healthz, /readyz and /metrics; nowhere by default." placeholder:"HOST:PORT"`
}

func (c *listenCmd) Run(ctx context.Context, s streams) error {
	return role(ctx, c.place, s, part{addr: opsAt(c.Ops), check: checkConfig, small: true, run: func(ctx context.Context, h *house) error {
		defer h.plays(ctx, "listen")()
		return h.withOps(ctx, c.Ops, h.readyFor(needsOfListen, true), h.runMailboxes)
	}})
}

// workCmd is the worker role.
type workCmd struct {
	place
	Ops string `help:"Where to answer /healthz, /readyz and /metrics; nowhere by default." placeholder:"HOST:PORT"`
}

func (c *workCmd) Run(ctx context.Context, s streams) error {
	return role(ctx, c.place, s, part{addr: opsAt(c.Ops), check: checkConfig, run: func(ctx context.Context, h *house) error {
		defer h.plays(ctx, "work")()
		return h.withOps(ctx, c.Ops, h.readyFor(needsOfWork, false), h.runWorkers)
	}})
}

// part is what one process does of a house. Only run must be there.
type part struct {
	check configCheck                         // what it asks of a config beyond its schema
	addr  func(c *configs.Config) string      // where it answers HTTP; "" is nowhere
	first func(context.Context, *house) error // ends the opening
	small bool                                // it only takes in, batch by batch, and is to need little memory
	run   func(context.Context, *house) error // until the context is done
}

// httpAt is where web answers; addr wins over the config.
func httpAt(addr string) func(*configs.Config) string {
	return func(c *configs.Config) string { return cmp.Or(addr, c.Server.Addr) }
}

// opsAt is where a role answers that has no HTTP of its own.
func opsAt(addr string) func(*configs.Config) string {
	return func(*configs.Config) string { return addr }
}

// role opens a house, runs one part of it until ctx is done, and closes it. When
// ctx is done before the house is open, nothing was wrong.
func role(ctx context.Context, p place, s streams, does part) error {
	hup, end := hangups()
	defer end()
	r, err := load(p, s)
	if err != nil {
		return err
	}
	if does.check != nil {
		if err := does.check(r.Config()); err != nil {
			return report(err, s)
		}
	}
	h, err := openPatiently(ctx, p, s, r, does)
	if err != nil {
		if ctx.Err() != nil && (errors.Is(err, desk.ErrUnavailable) || errors.Is(err, context.Canceled)) {
			return nil
		}
		return err
	}
	defer h.lobby.close()
	defer h.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return does.run(ctx, h) })
	g.Go(func() error { return h.reloadOn(ctx, hup, does.check) })
	return g.Wait()
}

// runWeb answers HTTP until ctx is done, then finishes open requests: the REST
// API, and every source that is called over HTTP.
func (h *house) runWeb(ctx context.Context, addr string, up func(addr string)) error {
	h.collectSeldom()
	c := h.config.First()
	opened, err := h.sources()
	if err != nil {
		return err
	}
	l, err := h.listen(httpAt(addr)(c))
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	public := c.Server.PublicURL
	if public == "" {
		public = "http://" + l.Addr().String()
	}
	if err := h.registry.Register(counts{opened}); err != nil {
		return err
	}
	_, own := h.canaryKey()
	handler, err := api.New(api.Options{
		Books: h.store, Files: h.blobs, Intake: h.intake, Names: h.names, Policy: h.policy, Now: h.now, Log: h.log, PublicURL: public, Version: version,
		Limits: api.Limits{BodyBytes: int64(c.Limits.BodyBytes), TextBytes: int(c.Limits.TextBytes),
			Rate: c.Limits.RequestsPerKey.Rate, Burst: c.Limits.RequestsPerKey.Burst, FileTimeout: c.Intake.FileTimeout, Stall: c.Server.StallTimeout},
		Sends:   func(ctx context.Context, t *desk.Ticket) bool { return h.sends(ctx, opened, t) },
		Starts:  opened.starts,
		Deliver: h.dispatch.Deliver,
		Ready:   h.readyFor(needsOfWeb, false),
		Own:     own,
		Trace:   workers.TraceOf,
		Metrics: promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}),
	})
	var monitor *monitor
	if err == nil {
		if monitor, err = h.openMonitor(public); err == nil {
			defer monitor.close()
			g := turnstile{h.intake}
			opened.gate = &g
			handler, err = opened.mount(g.api(handler), monitor.mount)
		}
	}
	if err != nil {
		l.Close()
		return err
	}
	h.log.Info("HTTP", "addr", l.Addr().String())
	if up != nil {
		up(l.Addr().String())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.serveHTTP(ctx, l, h.traces.door(h.meter.measure(h.withPprof(handler)))) })
	g.Go(func() error { return h.runCanaries(ctx, h.doorBirds(opened, l.Addr().String())) })
	for _, hook := range opened.hooks() {
		g.Go(func() error { return hook.Run(ctx) })
	}
	return g.Wait()
}

// listen is where this process answers: in the lobby's place, if it had to wait.
func (h *house) listen(addr string) (net.Listener, error) {
	if h.lobby != nil {
		return h.lobby.listener, nil
	}
	return net.Listen("tcp", addr)
}

func (h *house) serveHTTP(ctx context.Context, l net.Listener, handler http.Handler) error {
	var srv *answering
	if h.lobby != nil {
		srv = h.lobby.handOver(handler)
	} else {
		srv = answer(l, handler, h.config.First().Server)
	}
	select {
	case <-srv.gone:
		return srv.err
	case <-ctx.Done():
	}
	end, cancel := h.shutdownContext(ctx)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		srv.Close()
	}
	<-srv.gone
	if !errors.Is(srv.err, http.ErrServerClosed) {
		return srv.err
	}
	return nil
}

// answering is an HTTP server at work.
type answering struct {
	*http.Server
	gone chan struct{} // closed when it takes no more
	err  error         // why, then
}

func answer(l net.Listener, handler http.Handler, c configs.Server) *answering {
	a := &answering{Server: &http.Server{Handler: handler, ReadTimeout: c.ReadTimeout, ReadHeaderTimeout: c.ReadTimeout, IdleTimeout: 4 * c.ReadTimeout},
		gone: make(chan struct{})}
	go func() {
		defer close(a.gone)
		a.err = a.Serve(l)
	}()
	return a
}

// runMailboxes runs the adapters that fetch for themselves.
func (h *house) runMailboxes(ctx context.Context) error {
	defer h.sit()()
	opened, err := h.sources()
	if err != nil {
		return err
	}
	list := opened.mailboxes()
	h.opening.Lock()
	h.reads = true
	h.opening.Unlock()
	h.log.Info("mailboxes", "sources", len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return runAll(ctx, list) })
	g.Go(func() error { return h.runCanaries(ctx, h.mailboxBirds(opened)) })
	return g.Wait()
}

// runWorkers takes tasks from the queue until ctx is done, then drains: messages
// come in, answers go out.
func (h *house) runWorkers(ctx context.Context) error {
	h.collectSeldom()
	opened, err := h.sources()
	if err != nil {
		return err
	}
	srv := workers.NewServer(h.intake, h.broker.AsynqOpt(), h.store, h.now, h.log, h.settings)
	srv.Carry(workers.NewDelivery(workers.DeliveryParts{
		Books: h.store, Senders: func(source string) workers.Sender { return h.carrier(opened, source) },
		Dispatch: h.dispatch, Metrics: h.metrics, Tracer: h.traces.api(), Traced: h.store.TraceOf, Now: h.now, Log: h.log, Settings: h.delivery,
	}))
	for _, j := range h.retention() {
		srv.Also(j)
	}
	if h.broker.Own() {
		switch err := srv.Resume(ctx); {
		case err != nil && ctx.Err() != nil: // told to stop: the next start resumes
			return nil
		case err != nil:
			return err
		}
		if err := srv.Requeue(ctx); err != nil {
			h.log.Warn("could not queue what was accepted before; the sweep will", "error", err)
		}
	}
	return srv.Run(ctx)
}

// withOps runs a part and, when addr is given, answers health and metrics
// beside it.
func (h *house) withOps(ctx context.Context, addr string, ready func(context.Context) api.Health, part func(context.Context) error) error {
	if addr == "" {
		return part(ctx)
	}
	l, err := h.listen(addr)
	if err != nil {
		return fmt.Errorf("listen for health: %w", err)
	}
	h.log.Info("health", "addr", l.Addr().String())
	mux := http.NewServeMux()
	api.RouteHealth(mux, ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return part(ctx) })
	g.Go(func() error { return h.serveHTTP(ctx, l, h.meter.measure(h.withPprof(mux))) })
	return g.Wait()
}

// mailboxMemory is what each mailbox source adds to intake.listenMemory: its
// connections, and the batches on the way.
const mailboxMemory = 4 << 20

// smallQueue is the room of each queue inside a small part. A batch is one entry
// in them, and each mailbox waits until its batch is written.
const smallQueue = 1000

// staySmall trades processor time for memory: a process that only reads mailboxes
// throws away much while it imports and has little in use. GOMEMLIMIT in the
// environment wins.
func (h *house) staySmall() {
	c := h.config.First()
	most := int64(c.Intake.ListenMemory)
	if _, set := h.env("GOMEMLIMIT"); most == 0 || set {
		return
	}
	for _, s := range c.Sources {
		if s.Channel == "email" {
			most += mailboxMemory
		}
	}
	debug.SetMemoryLimit(most)
}
