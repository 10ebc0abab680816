package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"switchboard/pipeline/desk"
)

//go:embed demo.yaml
var demoConfig []byte

//go:embed demo_mails.txtar
var demoMails []byte

// demoCmd runs the main job on embedded parts with self-made traffic.
type demoCmd struct {
	Once bool   `help:"Send everything once, print the tickets and exit."`
	Addr string `help:"Where to listen for HTTP." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
}

// demoTime bounds how long the demo waits for its own traffic.
const demoTime = 3 * time.Minute

func (c *demoCmd) Run(ctx context.Context, s streams) error {
	dir, err := os.MkdirTemp("", "switchboard-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	doors, err := openDoors()
	defer doors.close()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "demo.yaml")
	if err := os.WriteFile(file, demoConfig, 0o600); err != nil {
		return err
	}
	s.env = doors.env
	h, err := open(ctx, place{Config: file, Data: dir}, s)
	if err != nil {
		return err
	}
	defer h.close()
	key, err := h.createKey(ctx, "demo", desk.RoleAdmin)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	up := make(chan string, 1)
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, c.Addr, func(addr string) { up <- addr }) }()
	var addr string
	select {
	case addr = <-up:
	case err := <-served:
		return err
	}
	url := "http://" + addr
	if err := c.play(ctx, s, h, demoTraffic{doors, url, key}); err != nil {
		interrupted := ctx.Err() != nil
		stop()
		if end := <-served; interrupted { // and nobody works on in a house that is closed
			return end
		}
		return err
	}
	if c.Once {
		stop()
		return <-served
	}
	fmt.Fprintf(s.out, "\nSwitchboard stays up at %s (Ctrl-C ends it). Look around:\n"+
		"  curl -H 'x-api-key: %s' %s/v1/tickets\n"+
		"  curl %s/openapi.json\n"+
		"  fill in its form: %s/forms/site/contact\n"+
		"  mail it: IMAP APPEND to %s as support@desk.example, password %s\n", url, key, url, url, url, doors.mailbox.addr, doors.mailbox.password)
	return <-served
}

// play sends the traffic, waits until every message is settled, lets an agent
// answer, and prints what became of it all.
func (c *demoCmd) play(ctx context.Context, s streams, h *house, traffic demoTraffic) error {
	ctx, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	fmt.Fprintln(s.out, "Sending mails, talks in Slack, Teams and Telegram, a form and calls to the REST API ...")
	messages, err := traffic.send(ctx)
	if err != nil {
		return err
	}
	if err := h.settled(ctx, messages); err != nil {
		return err
	}
	answered, err := demoAgent{h, traffic.url, traffic.key}.answer(ctx)
	if err != nil {
		return err
	}
	if err := h.printDemo(ctx, s.out); err != nil {
		return err
	}
	return traffic.doors.printArrivals(ctx, s.out, len(answered))
}

// settled waits until n messages are in the ledger and none of them is still
// accepted.
func (h *house) settled(ctx context.Context, n int64) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		counts, err := h.store.Counts(ctx)
		if err != nil {
			return err
		}
		var all int64
		for _, c := range counts {
			all += c
		}
		if all >= n && counts[desk.Accepted] == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("demo: %d of %d messages arrived and %d are not settled: %w", all, n, counts[desk.Accepted], ctx.Err())
		case <-tick.C:
		}
	}
}
