package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"switchboard/configs"
)

// configCheck looks at a config beyond its schema.
type configCheck func(*configs.Config) error

// hangups catches SIGHUP from now on, so that none that comes during the start
// ends the process; end gives it back.
func hangups() (hup <-chan os.Signal, end func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloadOn reads the config again on every signal until ctx is done.
func (h *house) reloadOn(ctx context.Context, hup <-chan os.Signal, check configCheck) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			h.reload(check)
		}
	}
}

// reload takes over the policy of the config file: rules, routes, teams, SLAs
// and words change at once, what else changed waits for a restart. A bad file
// changes nothing. Both are said in the log.
func (h *house) reload(check configCheck) {
	if err := h.config.Reload(check); err != nil {
		h.reloads.WithLabelValues("refused").Inc()
		for _, line := range problems(err) {
			h.log.Error("the config was not reloaded; the old one stays", "problem", line)
		}
		return
	}
	h.reloads.WithLabelValues("taken").Inc()
	if parts := configs.NeedsRestart(h.config.First(), h.config.Config()); len(parts) > 0 {
		h.log.Warn("some of the new config waits for a restart", "parts", parts)
	}
	h.log.Info("config reloaded")
}
