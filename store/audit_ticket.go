package store

import (
	"fmt"
	"math"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// numbers are those of the tickets that were walked.
type numbers struct{ least, most, n int64 }

func (n *numbers) add(number int64) {
	if n.n == 0 {
		n.least, n.most = number, number
	}
	n.least, n.most, n.n = min(n.least, number), max(n.most, number), n.n+1
}

// ticketColumns are what the audit reads of a ticket.
var ticketColumns = strings.Fields(`id number customer_id merged_into message_count event_count clocks next_due_at resolved_at closed_at
	created_at updated_at deleted_at described`)

// tickets walks the tickets, deleted ones too.
func (a *auditor) tickets() error {
	defer a.noteNumbers()
	return pages(a, a.tx.Select(ticketColumns), "id", a.since, ticketID, func(rows []ticketRow) error {
		for _, look := range []func([]ticketRow) error{a.ticketMessages, a.ticketDescribed, a.ticketNumbers, a.ticketPeople, a.ticketClocks, a.ticketEvents} {
			if err := look(rows); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *auditor) ticketMessages(rows []ticketRow) error {
	c := a.check("ticket.messages", len(rows))
	has := make(map[string]int, len(rows))
	first, last := rows[0].ID, rows[len(rows)-1].ID // a page has all tickets between the two
	err := spans(a, spanned{table: "messages", key: "ticket_id", number: "id"}, first, "", last, func(counts []span[string]) error {
		for _, n := range counts {
			has[n.Key] = int(n.N)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range rows {
		switch n := has[t.ID]; {
		case n == 0 && t.MergedInto == "":
			c.bad(t.ID, "ticket %d has no message", t.Number)
		case n != t.MessageCount:
			c.bad(t.ID, "ticket %d counts %d messages and has %d", t.Number, t.MessageCount, n)
		}
	}
	return nil
}

func (a *auditor) ticketDescribed(rows []ticketRow) error {
	messages, err := byID(a, valuesOf(rows, func(t *ticketRow) string { return t.Described }), messageID, "id", "ticket_id")
	if err != nil {
		return err
	}
	c := a.check("ticket.described", 0)
	for _, t := range rows {
		if t.Described == "" {
			continue
		}
		c.Looked++
		if m := messages[t.Described]; m == nil || m.TicketID != t.ID {
			c.bad(t.ID, "ticket %d is described by message %s, which is not there or on another ticket", t.Number, t.Described)
		}
	}
	return nil
}

func (a *auditor) ticketNumbers(rows []ticketRow) error {
	c := a.check("ticket.number", len(rows))
	numbers := make([]int64, len(rows))
	for i, t := range rows {
		a.numbers.add(t.Number)
		if numbers[i] = t.Number; t.Number < 1 {
			c.bad(t.ID, "number %d", t.Number)
		}
	}
	var doubles []int64
	err := a.tx.Model(&ticketRow{}).Where("number IN ?", numbers).Group("number").Having("count(*) > 1").Pluck("number", &doubles).Error
	if err != nil {
		return err
	}
	for _, t := range rows {
		for _, n := range doubles {
			if t.Number == n {
				c.bad(t.ID, "number %d names another ticket too", n)
			}
		}
	}
	return nil
}

// noteNumbers reports the numbers no ticket has. They are no fault: a transaction
// that fails leaves one on PostgreSQL. Who looks at some tickets only cannot tell.
func (a *auditor) noteNumbers() {
	if n := a.numbers; n.n > 0 && a.since == "" {
		a.check("ticket.number", 0).Note = fmt.Sprintf("%d to %d, %d not used", n.least, n.most, n.most-n.least+1-n.n)
	}
}

func (a *auditor) ticketPeople(rows []ticketRow) error {
	people, merged, times := a.check("ticket.people", 0), a.check("ticket.merged", 0), a.check("ticket.times", len(rows))
	customers, err := byID(a, valuesOf(rows, func(t *ticketRow) string { return t.CustomerID }), customerID, "id")
	if err != nil {
		return err
	}
	into, err := a.ticketsOf(valuesOf(rows, func(t *ticketRow) string { return t.MergedInto }))
	if err != nil {
		return err
	}
	for _, t := range rows {
		if t.CustomerID != "" {
			people.Looked++
			if customers[t.CustomerID] == nil {
				people.bad(t.ID, "ticket %d is customer %s's, who is not there", t.Number, t.CustomerID)
			}
		}
		if t.MergedInto != "" {
			merged.Looked++
			if t.MergedInto == t.ID || into[t.MergedInto] == nil {
				merged.bad(t.ID, "ticket %d was merged into %q", t.Number, t.MergedInto)
			}
		}
		made := t.CreatedAt.Add(-a.o.Skew)
		before := func(at *time.Time) bool { return at != nil && at.Before(made) }
		switch {
		case t.UpdatedAt.Before(made):
			times.bad(t.ID, "ticket %d was made at %s and changed at %s", t.Number, stamp(t.CreatedAt), stamp(t.UpdatedAt))
		case before(t.ResolvedAt), before(t.ClosedAt), before(t.DeletedAt):
			times.bad(t.ID, "ticket %d was made at %s, resolved at %s, closed at %s, deleted at %s", t.Number, stamp(t.CreatedAt),
				stampp(t.ResolvedAt), stampp(t.ClosedAt), stampp(t.DeletedAt))
		case t.ClosedAt != nil && t.ResolvedAt != nil && t.ClosedAt.Before(t.ResolvedAt.Add(-a.o.Skew)):
			times.bad(t.ID, "ticket %d was resolved at %s and closed at %s", t.Number, stampp(t.ResolvedAt), stampp(t.ClosedAt))
		}
	}
	return nil
}

// ticketEvents reads the histories of a page of tickets, one after the other. A
// page has all tickets between its first and its last.
func (a *auditor) ticketEvents(rows []ticketRow) error {
	gapless, times := a.check("event.gapless", len(rows)), a.check("event.times", 0)
	of := make(map[string]*history, len(rows))
	for _, t := range rows {
		of[t.ID] = &history{earliest: t.CreatedAt.Add(-a.o.Skew), latest: t.UpdatedAt.Add(a.o.Skew)}
	}
	after, last, limit := eventRow{TicketID: rows[0].ID, Seq: math.MinInt32}, rows[len(rows)-1].ID, a.o.Batch*spanRows
	for {
		var events []eventRow
		err := a.tx.Select("ticket_id", "seq", "kind", "at").Where("(ticket_id, seq) > (?, ?) AND ticket_id <= ?", after.TicketID, after.Seq, last).
			Order("ticket_id, seq").Limit(limit).Find(&events).Error
		if err != nil {
			return err
		}
		for i := range events {
			if h := of[events[i].TicketID]; h != nil { // else nobody's: see event.ticket
				times.Looked++
				h.add(&events[i])
			}
		}
		if len(events) < limit {
			break
		}
		after = events[limit-1]
	}
	for _, t := range rows {
		h := of[t.ID]
		if h.hole == "" && h.last != t.EventCount {
			h.hole = fmt.Sprintf("counts %d events and ends with number %d", t.EventCount, h.last)
		}
		if h.hole != "" {
			gapless.bad(t.ID, "ticket %d %s", t.Number, h.hole)
		}
		if h.outside != "" {
			times.bad(t.ID, "ticket %d: %s", t.Number, h.outside)
		}
	}
	return nil
}

// history is what was seen of one ticket's events, which come in order.
type history struct {
	earliest, latest time.Time
	last             int
	hole, outside    string
}

func (h *history) add(e *eventRow) {
	switch {
	case h.hole != "":
	case h.last == 0 && e.Kind == desk.EventRetired: // stands for all up to it
	case h.last == 0 && (e.Seq != 1 || e.Kind != desk.EventCreated):
		h.hole = fmt.Sprintf("begins with event %d, %s", e.Seq, e.Kind)
	case h.last != 0 && e.Seq != h.last+1:
		h.hole = fmt.Sprintf("goes from event %d to %d", h.last, e.Seq)
	}
	if h.outside == "" && (e.At.Before(h.earliest) || e.At.After(h.latest)) {
		h.outside = fmt.Sprintf("event %d, %s, at %s", e.Seq, e.Kind, stamp(e.At))
	}
	h.last = e.Seq
}
