package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"switchboard/pipeline/desk"
)

// printDemo prints the tickets, and then every message that made none.
func (h *house) printDemo(ctx context.Context, out io.Writer) error {
	tickets, _, err := h.store.Tickets(ctx, desk.TicketFilter{Limit: 100})
	if err != nil {
		return err
	}
	slices.SortFunc(tickets, func(a, b *desk.Ticket) int { return cmp.Compare(a.Number, b.Number) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nTICKET\tTITLE\tSOURCE\tMESSAGES\tROUTE\tTEAM\tASSIGNEE\tPRIORITY\tNEXT DUE")
	for _, t := range tickets {
		due := "-"
		if at, ok := t.NextDue(); ok {
			due = at.In(h.zone(t)).Format("Mon 2006-01-02 15:04 MST")
		}
		fmt.Fprintf(w, "#%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", t.Number, shorten(t.Title, 44), t.Channel, t.MessageCount,
			orDash(t.AssignedBy.Route), t.TeamID, orDash(string(t.AgentID)), t.Priority, due)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	receipts, err := h.store.ReceiptList(ctx, desk.ReceiptFilter{Limit: 200})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "\nMESSAGE\tSTATE\tBECAUSE")
	for _, r := range receipts {
		if r.State != desk.Filed {
			fmt.Fprintf(w, "%s\t%s\t%s\n", shorten(r.ExternalID, 30), r.State, r.Reason)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, t := range tickets {
		links, err := h.store.Links(ctx, t.ID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.From == t.ID && l.Type == desk.Relates {
				fmt.Fprintf(out, "\n#%d is only related to another ticket, not joined to it: %s\n", t.Number, l.Reason)
			}
		}
	}
	return nil
}

// zone is where the clocks of a ticket are read.
func (h *house) zone(t *desk.Ticket) *time.Location {
	for _, c := range t.Clocks {
		return h.policy().Calendar(c.Calendar).Location
	}
	return time.UTC
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
