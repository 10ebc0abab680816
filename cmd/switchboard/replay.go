package main

import (
	"context"
	"errors"
	"fmt"

	"switchboard/pipeline/desk"
)

// replayCmd runs messages through the line again: after a rule was mended, a
// reader improved, or a person decided. What is filed or a duplicate stays.
type replayCmd struct {
	place
	Receipts []string `arg:"" optional:"" help:"Receipt IDs; or use --state."`
	State    string   `help:"All in this state: failed, held or dropped." enum:"failed,held,dropped," default:""`
	Source   string   `help:"Only of this source."`
	Parse    bool     `help:"Read the raw mail again with this version's reader first."`
}

func (c *replayCmd) Run(ctx context.Context, s streams) error {
	if len(c.Receipts) == 0 && c.State == "" {
		return errors.New("replay: name receipts, or a --state")
	}
	h, err := open(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.close()
	f := desk.ReceiptFilter{State: desk.State(c.State), Source: c.Source}
	for _, id := range c.Receipts {
		f.IDs = append(f.IDs, desk.ReceiptID(id))
	}
	ids, err := h.store.Reopen(ctx, f, h.now())
	if err != nil {
		return err
	}
	if c.Parse {
		for _, id := range ids {
			if err := h.reread(ctx, id); err != nil {
				return err
			}
		}
	}
	if err := h.intake.Process(ctx, ids); err != nil {
		return err
	}
	after, err := h.store.Receipts(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range after {
		fmt.Fprintf(s.out, "%s %s %s\n", r.ID, r.State, r.Reason)
	}
	fmt.Fprintf(s.out, "%d messages replayed\n", len(ids))
	return nil
}
