package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Ticket returns a ticket by uid or decimal number, or desk.ErrNotFound; a
// deleted one is not found.
func (s *Store) Ticket(ctx context.Context, idOrNumber string) (*desk.Ticket, error) {
	q := s.read(ctx).Where("deleted_at IS NULL")
	if desk.IsID(idOrNumber) {
		q = q.Where("id = ?", strings.ToUpper(idOrNumber))
	} else {
		n, err := strconv.ParseInt(idOrNumber, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("store: ticket: %w", desk.ErrNotFound)
		}
		q = q.Where("number = ?", n)
	}
	var row ticketRow
	if err := q.Take(&row).Error; err != nil {
		return nil, notFound("ticket", err)
	}
	if err := s.describe(s.read(ctx), &row); err != nil {
		return nil, failed("ticket", err)
	}
	return row.desk()
}

// Tickets returns a page of tickets, newest first, and the cursor of the next
// page, "" after the last. Deleted tickets are left out. A cursor that is not
// ours is a *desk.Invalid for the field "cursor".
func (s *Store) Tickets(ctx context.Context, f desk.TicketFilter) (items []*desk.Ticket, next string, err error) {
	after, err := openCursor(f.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit := desk.Page(f.Limit)
	q := s.ticketsBy(s.read(ctx), f)
	if f.Customer != "" {
		uids, err := s.uids(s.read(ctx), f.Customer)
		if err != nil {
			return nil, "", failed("tickets", err)
		}
		if len(uids) == 1 { // lets the index serve in order
			q = q.Where("customer_id = ?", uids[0])
		} else {
			q = q.Where(s.in("customer_id", uids))
		}
	}
	if after != "" {
		q = q.Where("id < ?", after)
	}
	var rows []ticketRow
	if err := q.Order("id DESC").Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, "", failed("tickets", err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = makeCursor(rows[limit-1].ID)
	}
	if err := s.describe(s.read(ctx), pointers(rows)...); err != nil {
		return nil, "", failed("tickets", err)
	}
	items = make([]*desk.Ticket, len(rows))
	for i := range rows {
		if items[i], err = rows[i].desk(); err != nil {
			return nil, "", err
		}
	}
	return items, next, nil
}

// ticketsBy is the query of a filter, but for the customer.
func (s *Store) ticketsBy(q *gorm.DB, f desk.TicketFilter) *gorm.DB {
	q = q.Where("deleted_at IS NULL")
	anyOf := func(col string, values []string) {
		if len(values) > 0 {
			q = q.Where(s.in(col, values))
		}
	}
	anyOf("status", texts(f.Status))
	anyOf("priority", texts(f.Priority))
	anyOf("type", texts(f.Type))
	anyOf("team_id", texts(f.Team))
	anyOf("channel", texts(f.Channel))
	switch {
	case f.Unassigned && len(f.Agent) > 0:
		q = q.Where("(agent_id = '' OR ?)", s.in("agent_id", texts(f.Agent)))
	case f.Unassigned:
		q = q.Where("agent_id = ''")
	default:
		if len(f.Agent) > 0 {
			q = q.Where("agent_id <> ''") // lets the partial index serve
		}
		anyOf("agent_id", texts(f.Agent))
	}
	if f.Source != "" {
		q = q.Where("source = ?", f.Source)
	}
	if f.Tag != "" {
		each := "SELECT 1 FROM json_each(CASE tags WHEN '' THEN '[]' ELSE tags END) t WHERE lower(t.value) = lower(?)"
		if s.dialect == Postgres {
			each = "SELECT 1 FROM json_array_elements_text((CASE tags WHEN '' THEN '[]' ELSE tags END)::json) t(value) WHERE lower(t.value) = lower(?)"
		}
		q = q.Where("EXISTS ("+each+")", desk.Clean(f.Tag))
	}
	if f.Text != "" {
		like := containing(f.Text)
		// The subquery yields the words, so that it is run for one ticket after the other. EXISTS PostgreSQL may
		// answer by reading all messages first.
		cond := "lower(title)" + contains + " OR lower(description)" + contains + ` OR described <> '' AND description = '' AND
			(SELECT lower(messages.body) FROM messages WHERE messages.id = tickets.described)` + contains
		if n, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(f.Text), "#"), 10, 64); err == nil {
			q = q.Where("("+cond+" OR number = ?)", like, like, like, n)
		} else {
			q = q.Where("("+cond+")", like, like, like)
		}
	}
	at := func(cond string, t time.Time) {
		if !t.IsZero() {
			q = q.Where(cond, micro(t))
		}
	}
	if !f.DueBefore.IsZero() {
		q = q.Where("(next_due_at < ? OR due_date < ?)", micro(f.DueBefore), micro(f.DueBefore))
	}
	at("created_at >= ?", f.CreatedAfter)
	at("created_at < ?", f.CreatedBefore)
	at("updated_at >= ?", f.UpdatedAfter)
	return q
}

// DueClocks returns tickets with a running clock that is due before now and not
// marked as breached yet, the longest overdue first.
func (s *Store) DueClocks(ctx context.Context, now time.Time, limit int) ([]desk.TicketID, error) {
	var rows []ticketRow
	err := s.read(ctx).Select("id").Where("next_due_at < ?", micro(now)).Order("next_due_at").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, failed("due clocks", err)
	}
	ids := make([]desk.TicketID, len(rows))
	for i, r := range rows {
		ids[i] = desk.TicketID(r.ID)
	}
	return ids, nil
}
