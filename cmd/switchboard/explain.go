package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// explainCmd answers "why here, why this priority, why this deadline, why (not)
// this thread".
type explainCmd struct {
	place
	What string `arg:"" name:"receipt-or-ticket" help:"A receipt ID, ticket uid or ticket number."`
}

func (c *explainCmd) Run(ctx context.Context, s streams) error {
	h, err := readThere(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	r, err := h.store.Receipt(ctx, desk.ReceiptID(strings.ToUpper(c.What)))
	if err == nil {
		explainReceipt(plain{s.out}, r)
		return nil
	}
	if !errors.Is(err, desk.ErrNotFound) {
		return err
	}
	t, err := h.store.Ticket(ctx, c.What)
	if errors.Is(err, desk.ErrNotFound) {
		return fmt.Errorf("explain: there is no receipt or ticket %s", c.What)
	}
	if err != nil {
		return err
	}
	return h.explainTicket(ctx, plain{s.out}, t)
}

func explainReceipt(w io.Writer, r desk.Receipt) {
	fmt.Fprintf(w, "receipt %s from %s: %s\n", r.ID, r.Source, r.State)
	if r.Reason != "" {
		fmt.Fprintf(w, "  because: %s\n", r.Reason)
	}
	fmt.Fprintf(w, "  external ID %s\n  accepted %s", r.ExternalID, r.AcceptedAt.Format(time.RFC3339))
	if !r.SettledAt.IsZero() {
		fmt.Fprintf(w, ", settled %s later", r.SettledAt.Sub(r.AcceptedAt).Round(time.Millisecond))
	}
	fmt.Fprintln(w)
	if r.TicketID != "" {
		fmt.Fprintf(w, "  ticket %s\n", r.TicketID)
	}
	for _, n := range r.Trail {
		fmt.Fprintf(w, "  %-10s %s\n", n.Stage, n.Text)
	}
}

// explainTicket prints the ticket, every message's way onto it, and its
// history.
func (h *house) explainTicket(ctx context.Context, w io.Writer, t *desk.Ticket) error {
	fmt.Fprintf(w, "ticket %d (%s): %s, %s, team %s, agent %s\n", t.Number, t.ID, t.Status, t.Priority, t.TeamID, orDash(string(t.AgentID)))
	for _, c := range t.Clocks {
		if !c.Begun() {
			continue
		}
		fmt.Fprintf(w, "  clock %s of SLA %q: %s", c.Metric, c.SLA, c.State)
		if !c.DueAt.IsZero() {
			fmt.Fprintf(w, ", due %s", c.DueAt.Format(time.RFC3339))
		}
		fmt.Fprintf(w, " (%s of working time in calendar %s)\n", c.Target, c.Calendar)
	}
	for cursor := ""; ; {
		messages, next, err := h.store.Messages(ctx, t.ID, 100, cursor, false)
		if err != nil {
			return err
		}
		for _, m := range messages {
			fmt.Fprintf(w, "message %s, %s by %s, %s\n", m.ID, m.Direction, m.Author.Kind, m.CreatedAt.Format(time.RFC3339))
			if m.Receipt == "" {
				continue
			}
			r, err := h.store.Receipt(ctx, m.Receipt)
			if err != nil && !errors.Is(err, desk.ErrNotFound) {
				return err
			}
			if err == nil {
				explainReceipt(w, r)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	for after := 0; ; {
		events, err := h.store.Events(ctx, t.ID, after, desk.MaxPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			fmt.Fprintf(w, "event %d %s by %s %s at %s\n", e.Seq, e.Kind, e.Actor.Kind, e.Actor.ID, e.At.Format(time.RFC3339))
			after = e.Seq
		}
		if len(events) < desk.MaxPage {
			return nil
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
