package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"switchboard/configs"
	"switchboard/workers/broker"
)

// brokerOptions translates the config's redis section.
func brokerOptions(r configs.Redis, data string) (broker.Options, error) {
	o := broker.Options{Mode: r.Mode, Addrs: r.Addrs, MasterName: r.MasterName, Username: r.Username,
		Password: r.Password.Reveal(), SentinelUsername: r.SentinelUsername, SentinelPassword: r.SentinelPassword.Reveal(), DB: r.DB}
	if r.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if r.URL != "" {
		var err error
		if o, err = broker.ParseURL(string(r.URL)); err != nil {
			return o, fmt.Errorf("redis.url: %w", err)
		}
	}
	o.Dir, o.PoolSize = data, r.PoolSize
	return o, nil
}

// openBroker opens the queue, or joins the one another process of this data
// folder runs; then joined is true, and the queue ends when that process does.
func openBroker(ctx context.Context, o broker.Options, log *slog.Logger) (b *broker.Broker, joined bool, err error) {
	b, err = broker.Open(ctx, o, log)
	if !errors.Is(err, broker.ErrInUse) {
		return b, false, err
	}
	at, err := broker.Attach(ctx, o.Dir)
	if err != nil {
		return nil, false, err
	}
	b, err = broker.Open(ctx, at, log)
	return b, true, err
}
