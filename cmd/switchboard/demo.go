package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

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
const demoTime = 60 * time.Second

func (c *demoCmd) Run(ctx context.Context, s streams) error {
	dir, err := os.MkdirTemp("", "switchboard-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mailbox, err := startDemoMailbox(rand.Text(), "support@desk.example", "billing@desk.example")
	if err != nil {
		return err
	}
	defer mailbox.close()
	file := filepath.Join(dir, "demo.yaml")
	if err := os.WriteFile(file, demoConfig, 0o600); err != nil {
		return err
	}
	s.env = mailbox.env
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
	if err := c.play(ctx, s, h, mailbox, "http://"+addr, key); err != nil {
		return err
	}
	if c.Once {
		stop()
		return <-served
	}
	fmt.Fprintf(s.out, "\nSwitchboard stays up at http://%s (Ctrl-C ends it). Look around:\n"+
		"  curl -H 'x-api-key: %s' http://%s/v1/tickets\n"+
		"  curl http://%s/openapi.json\n"+
		"  mail it: IMAP APPEND to %s as support@desk.example, password %s\n", addr, key, addr, addr, mailbox.addr, mailbox.password)
	return <-served
}

// play sends the traffic, waits until every message is settled, and prints what
// became of it.
func (c *demoCmd) play(ctx context.Context, s streams, h *house, mailbox *demoMailbox, url, key string) error {
	ctx, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	mails := txtar.Parse(demoMails).Files
	fmt.Fprintf(s.out, "Sending %d mails to two mailboxes over IMAP and 2 calls to the REST API ...\n", len(mails))
	start := time.Now()
	for _, f := range mails {
		user, label, _ := strings.Cut(f.Name, "/")
		at := start.Add(-time.Minute + time.Duration(label[0]-'0')*time.Second)
		text := bytes.ReplaceAll(f.Data, []byte("TODAY"), []byte(at.Format(time.RFC1123Z)))
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		if err := mailbox.deliver(user+"@desk.example", text); err != nil {
			return err
		}
	}
	if err := demoCalls(ctx, url, key); err != nil {
		return err
	}
	if err := h.settled(ctx, int64(len(mails)+1)); err != nil {
		return err
	}
	return h.printDemo(ctx, s.out)
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
