package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

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

// How long a process waits for the queue of its data folder while another has it and
// runs none: that one is just starting, maybe with a long append-only file to read, or
// is just ending.
const (
	joinPatience = time.Minute
	joinEvery    = 100 * time.Millisecond
	claimEvery   = 10 // tries to join between two to run the queue itself
)

// openBroker opens the queue, or joins the one another process of this data
// folder runs; then joined is true. That queue ends when that process does, and begins
// again when it, or another, is started on the folder; until then what is accepted is
// filed by the sweeps.
func openBroker(ctx context.Context, o broker.Options, log *slog.Logger) (b *broker.Broker, joined bool, err error) {
	began := time.Now()
	for try := 0; ; try++ {
		if try%claimEvery == 0 {
			if b, err = broker.Open(ctx, o, log); !errors.Is(err, broker.ErrInUse) {
				return b, false, err
			}
		}
		at, err := broker.Attach(ctx, o.Dir)
		switch {
		case err == nil:
			b, err = broker.Open(ctx, at, log)
			return b, true, err
		case !errors.Is(err, broker.ErrNotRunning):
			return nil, false, err
		case time.Since(began) >= joinPatience:
			return nil, false, fmt.Errorf("another process has the data folder %s since at least %s and runs no queue there: %w", o.Dir, joinPatience, err)
		case try == 0:
			log.Info("another process has the queue of the data folder, which does not answer yet; waiting for it", "patience", joinPatience)
		}
		if !pause(ctx, joinEvery) {
			return nil, false, ctx.Err()
		}
	}
}
