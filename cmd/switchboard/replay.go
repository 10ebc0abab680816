package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// replayCmd runs messages through the line again: after a rule was mended, a
// reader improved, or a person decided; or it ends those that nothing will come of.
// What is filed or a duplicate stays.
type replayCmd struct {
	place
	Receipts []string `arg:"" optional:"" help:"Receipt IDs; or use --state."`
	State    string   `help:"All in this state: failed, held or dropped." enum:"failed,held,dropped," default:""`
	Source   string   `help:"Only of this source."`
	Reason   string   `help:"Only with these words in the reason, in any case." placeholder:"WORDS"`
	Since    string   `help:"Only accepted since: an RFC 3339 time, a date, or a duration before now." placeholder:"TIME"`
	Until    string   `help:"Only accepted before, likewise." placeholder:"TIME"`
	Limit    int      `help:"At most so many, oldest first; 0 is all." default:"0"`
	DryRun   bool     `help:"Only say which."`
	Parse    bool     `help:"Read the raw mail again with this version's reader first."`
	Drop     *string  `help:"Run none: end those that failed or are held as dropped, for this reason." placeholder:"WORDS"`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *replayCmd) Validate() error {
	if len(c.Receipts) == 0 && c.State == "" {
		return errors.New("name receipts, or a --state")
	}
	if c.Drop != nil && (c.Parse || desk.State(c.State) == desk.Dropped || strings.TrimSpace(desk.Clean(*c.Drop)) == "") {
		return errors.New("--drop says in words why messages that failed or are held are dropped; it reads none again")
	}
	if c.Limit < 0 {
		return errors.New("--limit must not be below 0")
	}
	return nil
}

func (c *replayCmd) Run(ctx context.Context, s streams) error {
	if _, _, err := between(c.Since, c.Until, time.Now()); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	enter := openThere
	if c.DryRun {
		enter = readThereByClock
	}
	h, err := enter(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.close()
	return c.on(ctx, h, s)
}

// on replays in an open house, by the clock of its books.
func (c *replayCmd) on(ctx context.Context, h *house, s streams) (err error) {
	f := desk.ReceiptFilter{State: desk.State(c.State), Source: c.Source, Reason: c.Reason, Open: c.Drop != nil}
	did := "replayed"
	if c.Drop != nil {
		did = "dropped"
	}
	if f.Since, f.Until, err = between(c.Since, c.Until, h.now()); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	out := plain{s.out}
	named, err := h.named(ctx, c.Receipts)
	if err != nil {
		return err
	}
	replayed, ended := 0, map[desk.State]int{}
	for {
		if f.Limit = desk.MaxPage; c.Parse {
			f.Limit = 1 // what is open for some seconds the workers file, as it is
		}
		if c.Limit > 0 {
			f.Limit = min(f.Limit, c.Limit-replayed)
		}
		if c.Receipts != nil {
			f.IDs = named[:min(len(named), f.Limit)]
			named = named[len(f.IDs):]
		}
		ids, err := c.page(ctx, h, f)
		if err != nil {
			return err
		}
		replayed += len(ids)
		after, err := h.store.Receipts(ctx, slices.Concat(ids, f.IDs))
		if err != nil {
			return err
		}
		for _, r := range after {
			kept := ""
			switch was := slices.Contains(ids, r.ID); {
			case was && c.DryRun:
				kept = "would be " + did + ", is "
			case was:
				ended[r.State]++
			default:
				kept = "not " + did + ", stays "
			}
			fmt.Fprintln(out, strings.TrimSpace(fmt.Sprintf("%s %s%s %s", r.ID, kept, r.State, r.Reason)))
		}
		if c.Receipts == nil && len(ids) > 0 {
			f.After = ids[len(ids)-1] // once each, wherever it ends this time
		} else if len(named) == 0 {
			break
		}
		if c.Limit > 0 && replayed >= c.Limit {
			break
		}
	}
	if c.DryRun {
		fmt.Fprintf(out, "%d messages would be %s\n", replayed, did)
		return nil
	}
	if c.Drop != nil {
		ended = nil
	}
	fmt.Fprintf(out, "%d messages %s%s\n", replayed, did, counted(ended))
	return nil
}

// page opens the next receipts again and runs them through the line, or drops them,
// or, on a dry run, only finds them.
func (c *replayCmd) page(ctx context.Context, h *house, f desk.ReceiptFilter) ([]desk.ReceiptID, error) {
	if c.DryRun {
		return h.store.Reopenable(ctx, f)
	}
	if c.Drop != nil {
		return h.store.Dismiss(ctx, f, "by hand: "+strings.TrimSpace(*c.Drop), h.now())
	}
	ids, err := h.store.Reopen(ctx, f, h.now())
	if err != nil {
		return nil, err
	}
	return ids, h.again(ctx, ids, c.Parse)
}

// counted says how many ended how: ": 3 filed, 1 dropped", or nothing.
func counted(ended map[desk.State]int) string {
	var parts []string
	for _, state := range []desk.State{desk.Filed, desk.Duplicate, desk.Dropped, desk.Held, desk.Failed, desk.Accepted} {
		if n := ended[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
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
// and cannot be ends as failed, with the reason; what somebody else filed meanwhile
// stays as it is.
func (h *house) again(ctx context.Context, ids []desk.ReceiptID, parse bool) error {
	for _, id := range ids {
		if !parse {
			break
		}
		err := h.reread(ctx, id)
		if errors.Is(err, desk.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if err != nil && !errors.Is(err, desk.ErrSettled) {
			err = h.store.Fail(ctx, id, err.Error(), h.now())
		}
		if err != nil && !errors.Is(err, desk.ErrSettled) { // else a worker was faster
			return err
		}
	}
	return h.intake.Process(ctx, ids)
}
