package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"switchboard/pipeline/desk"
)

// inspectCmd says what a source makes of an event, without doing it: why a
// message in Slack did or did not become a ticket.
type inspectCmd struct {
	place
	Source string `arg:"" help:"The source the event came to, or would come to."`
}

// inspector is a source that can say what it takes an event for.
type inspector interface {
	Inspect(ctx context.Context, event []byte) []string
}

// maxEvent bounds an event on stdin.
const maxEvent = 10 << 20

func (c *inspectCmd) Run(ctx context.Context, s streams) error {
	dir, err := os.MkdirTemp("", "switchboard-inspect-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := readThereOrNone(ctx, c.place, dir, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	sources, err := h.openSources(h.intake)
	if err != nil {
		return err
	}
	adapter, ok := sources.opened[c.Source]
	if !ok {
		return desk.Invalidf("source", "there is no source %q in the config", c.Source)
	}
	i, ok := adapter.(inspector)
	if !ok {
		return desk.Invalidf("source", "%q cannot be inspected; its messages are in the ledger: use explain", c.Source)
	}
	event, err := io.ReadAll(io.LimitReader(waits{ctx, s.in}, maxEvent))
	if err != nil {
		return err
	}
	for _, line := range i.Inspect(ctx, event) {
		fmt.Fprintln(s.out, line)
	}
	return nil
}
