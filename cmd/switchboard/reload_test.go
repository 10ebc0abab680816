package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"switchboard/workers"
)

// What waits for a restart is named at every reload until then, and no more once the
// file says again what the process began with.
func TestReloadNamesWhatWaits(t *testing.T) {
	l := live(t, "")
	var said bytes.Buffer
	l.house.log = slog.New(slog.NewTextHandler(&said, nil))
	for n, step := range []struct {
		config string
		waits  bool
	}{{"limits: { textBytes: 2MB }\n", true}, {"limits: { textBytes: 2MB }\nteams: [{ id: other }]\n", true}, {"", false}} {
		said.Reset()
		l.write(step.config)
		l.reload(nil)
		if got := strings.Contains(said.String(), "waits for a restart"); got != step.waits || !strings.Contains(said.String(), "config reloaded") {
			t.Errorf("reload %d says\n%s", n+1, said.String())
		}
	}
}

// A reload in the middle of a start changes no part that waits for a restart: those
// that begin later go by the same config as those that began before.
func TestReloadInTheMiddleOfAStart(t *testing.T) {
	l := live(t, "")
	l.write("canary: { every: 1h, timeout: 1m }\nserver: { pprof: true }\nsources: [{ name: shop, channel: chat, chat: { signature: { scheme: none } } }]\n")
	l.reload(nil)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := l.runCanaries(ctx, []workers.Bird{{Source: "api", Send: func(context.Context, string) error { return nil }}}); err != nil {
		t.Error(err)
	}
	if _, key := l.canaryKey(); key != nil {
		t.Error("there is a key of canaries, and none are watched")
	}
	if opened, err := l.sources(); err != nil || len(opened.names) != 0 {
		t.Errorf("opened %v, %v", opened, err)
	}
	l.answer()
	l.ask("", "GET", "/debug/pprof/cmdline", "", "Accept", "application/json").want(t, 404)
}
