package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"switchboard/channels/email"
	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store/blob"
)

// rulesCmd tries the rules of a config.
type rulesCmd struct {
	Test rulesTestCmd `cmd:"" help:"Read a mail on stdin and say what the config would make of it now: rules, route, agent, priority, SLA. Nothing is kept."`
}

type rulesTestCmd struct {
	place
	Source string `help:"The source it would come to; by default the first that reads mail."`
}

// Run takes the mail down the line, as if it came for the first time, with the people
// and tickets of the installation's books, or with none when there are no books.
func (c *rulesTestCmd) Run(ctx context.Context, s streams) error {
	dir, err := os.MkdirTemp("", "switchboard-rules-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := readThereOrNone(ctx, c.place, dir, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	source, err := c.source(h.policy())
	if err != nil {
		return err
	}
	noSecret := errors.New("none yet")
	secret, err := h.store.Setting(ctx, "signing-secret", func() ([]byte, error) { return nil, noSecret })
	if err != nil && !errors.Is(err, noSecret) {
		return err
	}
	blobs, err := blob.Open(dir, blob.Options{MaxBytes: maxBlob})
	if err != nil {
		return err
	}
	defer blobs.Close()
	d, err := email.Parse(ctx, s.in, blobs, source, secret, h.now())
	if err != nil {
		return err
	}
	view, err := h.store.View(ctx, []*desk.Draft{d})
	if err != nil {
		return err
	}
	p := pipeline.NewPass(desk.NewReceipt(d, h.now()), h.policy(), view, h.now())
	line := pipeline.Line{Stages: slices.DeleteFunc(pipeline.Standard(), func(s pipeline.Stage) bool { return s.Name == "dedupe" })}
	if err := line.Run(ctx, p); err != nil {
		return err
	}
	return h.sayFiling(ctx, s.out, p.Filing())
}

// source is what the config knows of the source of the mail.
func (c *rulesTestCmd) source(p *desk.Policy) (desk.Source, error) {
	var names []string
	for name, s := range p.Sources {
		if s.Channel == desk.Email {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	switch s, ok := p.Sources[c.Source]; {
	case c.Source == "" && len(names) == 0:
		return desk.Source{Name: "stdin", Channel: desk.Email}, nil
	case c.Source == "":
		return p.Sources[names[0]], nil
	case ok && s.Channel == desk.Email:
		return s, nil
	}
	return desk.Source{}, fmt.Errorf("rules test: the config has no source %q that reads mail; it has %s", c.Source, cmp.Or(strings.Join(names, ", "), "none"))
}

// sayFiling prints every decision, and what would come of it.
func (h *house) sayFiling(ctx context.Context, w io.Writer, f *desk.Filing) error {
	for _, n := range f.Trail {
		fmt.Fprintf(w, "%-10s %s\n", n.Stage, n.Text)
	}
	switch t := f.Ticket; {
	case t != nil:
		agent := string(t.AgentID)
		if agent == "" && f.Turn != nil {
			agent = "in turn"
		}
		fmt.Fprintf(w, "would open a ticket: %s, %s, %s, team %s, agent %s", t.Status, t.Priority, t.Type, t.TeamID, orDash(agent))
		if due, ok := t.NextDue(); ok {
			fmt.Fprintf(w, ", next due %s", due.Format(time.RFC3339))
		}
		fmt.Fprintln(w)
	case f.Verdict == desk.Filed:
		joined, err := h.store.Ticket(ctx, string(f.Into))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "would join ticket %d\n", joined.Number)
	default:
		fmt.Fprintf(w, "would be %s: %s\n", f.Verdict, f.Reason)
	}
	return nil
}

// emptyBooks are books in a folder that is thrown away.
func emptyBooks(ctx context.Context, p place, dir string, s streams) (*house, error) {
	r, err := load(p, s)
	if err != nil {
		return nil, err
	}
	r.Config().Database.URL = ""
	h, err := booksOf(ctx, place{Data: dir}, s, r, 0)
	if err != nil {
		return nil, err
	}
	if err := h.store.Migrate(ctx); err != nil {
		h.store.Close()
		return nil, err
	}
	return h, nil
}
