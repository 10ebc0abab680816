package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// Validate runs before Run; what it refuses is a wrong command line.
func (c *replayCmd) Validate() error {
	if len(c.Receipts) == 0 && c.State == "" {
		return errors.New("name receipts, or a --state")
	}
	return nil
}

func (c *replayCmd) Run(ctx context.Context, s streams) error {
	h, err := open(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.close()
	named, err := h.named(ctx, c.Receipts)
	if err != nil {
		return err
	}
	replayed := 0
	for f := (desk.ReceiptFilter{State: desk.State(c.State), Source: c.Source, Limit: desk.MaxPage}); ; {
		if c.Receipts != nil {
			f.IDs = named[:min(len(named), desk.MaxPage)]
			named = named[len(f.IDs):]
		}
		ids, err := h.store.Reopen(ctx, f, h.now())
		if err != nil {
			return err
		}
		if err := h.again(ctx, ids, c.Parse); err != nil {
			return err
		}
		replayed += len(ids)
		after, err := h.store.Receipts(ctx, slices.Concat(ids, f.IDs))
		if err != nil {
			return err
		}
		for _, r := range after {
			kept := ""
			if !slices.Contains(ids, r.ID) {
				kept = "not replayed, stays "
			}
			fmt.Fprintln(s.out, strings.TrimSpace(fmt.Sprintf("%s %s%s %s", r.ID, kept, r.State, r.Reason)))
		}
		if c.Receipts == nil && len(ids) > 0 {
			f.After = ids[len(ids)-1] // once each, wherever it ends this time
		} else if len(named) == 0 {
			break
		}
	}
	fmt.Fprintf(s.out, "%d messages replayed\n", replayed)
	return nil
}

// named are the receipts with these IDs; each must be there.
func (h *house) named(ctx context.Context, names []string) ([]desk.ReceiptID, error) {
	var ids []desk.ReceiptID
	var unknown []error
	for _, name := range names {
		id := desk.ReceiptID(strings.ToUpper(name))
		if _, err := h.store.Receipt(ctx, id); errors.Is(err, desk.ErrNotFound) {
			unknown = append(unknown, fmt.Errorf("replay: there is no receipt %s", name))
		} else if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, errors.Join(unknown...)
}

// again runs reopened receipts through the line. One that is to be read again
// and cannot be ends as failed, with the reason.
func (h *house) again(ctx context.Context, ids []desk.ReceiptID, parse bool) error {
	for _, id := range ids {
		if !parse {
			break
		}
		err := h.reread(ctx, id)
		if errors.Is(err, desk.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			if err := h.store.Fail(ctx, id, err.Error(), h.now()); err != nil {
				return err
			}
		}
	}
	return h.intake.Process(ctx, ids)
}
