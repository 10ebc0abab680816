package main

import (
	"context"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/channels"
	"switchboard/channels/api"
	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// stages are the line of this house: the standard one behind the canaries'.
func stages(secret []byte) []pipeline.Stage {
	return append([]pipeline.Stage{pipeline.Canary(secret)}, pipeline.Standard()...)
}

// canaryKey is the API key of the house's own canaries: nil while none are sent.
func (h *house) canaryKey() (secret string, key *desk.Key) {
	if h.config.First().Canary.Every == 0 {
		return "", nil
	}
	secret, own := api.OwnKey(h.secret, desk.RoleIntegration, "canary")
	return secret, &own
}

// doorBirds are the canaries of what is called over HTTP, by a process that
// answers at addr: the hooks, and the API.
func (h *house) doorBirds(opened *adapters, addr string) []workers.Bird {
	base := h.config.First().Canary.URL
	if base == "" {
		base = "http://" + reachable(addr)
	}
	var birds []workers.Bird
	for _, name := range opened.names {
		if _, called := opened.opened[name].(channels.Hook); called {
			birds = append(birds, birdsOf(name, opened.opened[name], base)...)
		}
	}
	if secret, key := h.canaryKey(); key != nil {
		birds = append(birds, workers.Bird{Source: "api", Send: func(ctx context.Context, text string) error { return api.Canary(ctx, base, secret, text) }})
	}
	return birds
}

// mailboxBirds are the canaries of what fetches for itself.
func (h *house) mailboxBirds(opened *adapters) []workers.Bird {
	var birds []workers.Bird
	for _, name := range opened.names {
		if _, called := opened.opened[name].(channels.Hook); !called {
			birds = append(birds, birdsOf(name, opened.opened[name], "")...)
		}
	}
	return birds
}

func birdsOf(name string, adapter channels.Adapter, base string) []workers.Bird {
	sender, ok := adapter.(channels.Canary)
	if !ok {
		return nil
	}
	b := workers.Bird{Source: name, Send: func(ctx context.Context, text string) error { return sender.Canary(ctx, base, text) }}
	if t, ok := adapter.(channels.Tidier); ok {
		b.Tidy = t.Tidy
	}
	return []workers.Bird{b}
}

// runCanaries sends canaries until ctx is done, when the config asks for any.
func (h *house) runCanaries(ctx context.Context, birds []workers.Bird) error {
	c := h.config.First().Canary
	if c.Every == 0 || len(birds) == 0 {
		<-ctx.Done()
		return nil
	}
	all := workers.Canaries{Books: h.store, Secret: h.secret, Every: c.Every, Timeout: c.Timeout, Keep: c.Keep,
		Remove: h.blobs.Remove, Failed: h.canaryFailures, Now: h.now, Log: h.log}
	return all.Run(ctx, birds)
}

// watchCanaries registers the canaries' metrics, when the config asks for any.
func (h *house) watchCanaries() {
	c := h.config.First()
	if c.Canary.Every == 0 {
		return
	}
	names := []string{"api"}
	for _, src := range c.Sources {
		if src.Channel != desk.API {
			names = append(names, src.Name)
		}
	}
	h.canaryFailures = workers.NewCanaryFailures(h.registry)
	h.registry.MustRegister(&workers.CanaryAges{Books: h.store, Sources: names, Now: func() time.Time { return h.now() }})
}

// reachable is an address one can call oneself at: a listener on all of a
// machine's addresses answers on loopback too.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

var _ prometheus.Collector = (*workers.CanaryAges)(nil)
