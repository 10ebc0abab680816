package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// resendCmd has answers tried again that failed: the mail server refused us for a day, a
// token was wrong, or they were in dying hands too often. The workers send them; where
// the other side can be asked, it is asked first whether it has them.
type resendCmd struct {
	place
	Messages []string `arg:"" optional:"" help:"Message IDs; or use --since."`
	Since    string   `help:"All that were given since: an RFC 3339 time, a date, or a duration before now." placeholder:"TIME"`
	Until    string   `help:"Only given before, likewise." placeholder:"TIME"`
	Source   string   `help:"Only those that this source was to carry."`
	Reason   string   `help:"Only with these words in the reason, in any case." placeholder:"WORDS"`
	DryRun   bool     `help:"Only say which."`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *resendCmd) Validate() error {
	if len(c.Messages) == 0 && c.Since == "" {
		return errors.New("name messages, or say --since when")
	}
	return nil
}

func (c *resendCmd) Run(ctx context.Context, s streams) error {
	if _, _, err := between(c.Since, c.Until, time.Now()); err != nil {
		return fmt.Errorf("resend: %w", err)
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
	f := desk.UnreachedFilter{Source: c.Source, Reason: c.Reason, Limit: desk.MaxPage}
	if f.Since, f.Until, err = between(c.Since, c.Until, h.now()); err != nil { // by the clock of the books
		return fmt.Errorf("resend: %w", err)
	}
	out := plain{s.out}
	if len(c.Messages) > 0 {
		if f.IDs, err = h.answers(ctx, c.Messages); err != nil {
			return err
		}
	}
	done := 0
	for {
		page, err := h.store.Unreached(ctx, f)
		if err != nil {
			return err
		}
		for _, u := range page {
			f.After = u.ID
			if !c.DryRun {
				err := h.store.Resend(ctx, u.ID, desk.Actor{Kind: desk.BySystem, ID: "resend"}, h.now())
				if errors.Is(err, desk.ErrSettled) { // somebody was faster
					continue
				}
				if err != nil {
					return err
				}
			}
			done++
			fmt.Fprintln(out, strings.TrimSpace(fmt.Sprintf("%s of ticket %s, by %s: %s", u.ID, u.Ticket, u.Source, u.Reason)))
		}
		if len(page) < f.Limit {
			break
		}
	}
	said := "are sent again"
	if c.DryRun {
		said = "would be sent again"
	}
	fmt.Fprintf(out, "%d answers %s\n", done, said)
	return nil
}

// answers are the messages with these IDs; each must be there.
func (h *house) answers(ctx context.Context, names []string) ([]desk.MessageID, error) {
	var ids []desk.MessageID
	var unknown []error
	for _, name := range names {
		id := desk.MessageID(strings.ToUpper(name))
		switch m, err := h.store.Message(ctx, id); {
		case errors.Is(err, desk.ErrNotFound):
			unknown = append(unknown, fmt.Errorf("resend: there is no message %s", name))
		case err != nil:
			return nil, err
		case m.Send != desk.SendFailed:
			unknown = append(unknown, fmt.Errorf("resend: message %s did not fail: it is %s", name, stateWords(m.Send)))
		}
		ids = append(ids, id)
	}
	return ids, errors.Join(unknown...)
}

func stateWords(s desk.SendState) string {
	if s == desk.SendNone {
		return "not one that is sent"
	}
	return string(s)
}
