package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// Retention of what tickets hold. They are taken in the order in which they were
// resolved; a ticket that is open again is not among them, and one that is
// resolved again comes later once more.

// resolvedPage is the next tickets that were resolved before an instant: as many
// as have about limit rows by their count, and one at least. more says that others
// may follow.
func (s *Store) resolvedPage(tx *gorm.DB, at retiredRow, before time.Time, limit int, count func(*ticketRow) int) (rows []ticketRow, more bool, err error) {
	q := tx.Select("id", "resolved_at", "event_count", "message_count").Where("resolved_at IS NOT NULL AND resolved_at < ?", micro(before))
	if when, id, ok := strings.Cut(at.Place, " "); ok {
		after, err := time.Parse(time.RFC3339Nano, when)
		if err != nil {
			return nil, false, err
		}
		q = q.Where("(resolved_at, id) > (?, ?)", micro(after), id)
	}
	if err = q.Order("resolved_at, id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, false, err
	}
	all := 0
	for i := range rows {
		if all += max(count(&rows[i]), 1); i > 0 && all > limit {
			return rows[:i], true, nil
		}
	}
	return rows, len(rows) == limit, nil
}

// placeOf is how far retention came when it did a ticket.
func placeOf(t *ticketRow) string { return t.ResolvedAt.UTC().Format(time.RFC3339Nano) + " " + t.ID }

func messagesOf(t *ticketRow) int { return t.MessageCount }
func eventsOf(t *ticketRow) int   { return t.EventCount }

// RetireRaw takes away the references to the raw messages of tickets that were
// resolved before an instant, and the drafts of their receipts. Text, HTML and
// files stay. The bytes go when nothing refers to them: see [Store.Orphans]. A ticket
// that a reply opened again after the page was read keeps its own. What joined a ticket
// without opening it again, as automatic mail does, may have come when its turn was
// over: so this walk begins anew once a week, as that of the drafts.
func (s *Store) RetireRaw(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error) {
	var out retired
	err = s.write(ctx, func(tx *gorm.DB) error {
		out = retired{}
		at, err := place(tx, retiredRaw)
		if err != nil {
			return err
		}
		page, others, err := s.resolvedPage(tx, at, before, limit, messagesOf)
		if err != nil || len(page) == 0 && at.Place == "" {
			return err
		}
		if len(page) == 0 {
			anew, err := dueAnew(tx, retiredRawAnew)
			if err != nil || !anew {
				return err
			}
			return at.move(tx, "", "")
		}
		var rows []messageRow
		err = tx.Select("id", "receipt_id").Where(s.in("ticket_id", valuesOf(page, ticketID))).Where("raw_digest <> ''").
			Where("(SELECT t.resolved_at FROM tickets t WHERE t.id = messages.ticket_id) < ?", micro(before)).Limit(limit).Find(&rows).Error
		if err != nil {
			return err
		}
		if ids := named(valuesOf(rows, func(m *messageRow) string { return m.ReceiptID })); len(ids) > 0 {
			if _, err := s.slim(tx, ids); err != nil { // receipts before messages: the order of locks
				return err
			}
		}
		if len(rows) > 0 {
			res := tx.Model(&messageRow{}).Where(s.in("id", valuesOf(rows, messageID))).Updates(map[string]any{"raw_digest": "", "raw_size": 0})
			if res.Error != nil {
				return res.Error
			}
			out.rows = res.RowsAffected
		}
		if len(rows) == limit { // these tickets have more
			out.more = true
			return nil
		}
		out.more = others
		return at.move(tx, placeOf(&page[len(page)-1]), "")
	})
	return out.rows, out.more, failed("retire raw", err)
}

// RetireEvents shortens the history of tickets that were resolved before an
// instant: one event of the kind desk.EventRetired stands for all up to the last.
// Events that come later follow it. A comment's Idempotency-Key is known by its
// event, and so only until then.
func (s *Store) RetireEvents(ctx context.Context, before time.Time, limit int) (rows int64, more bool, err error) {
	var out retired
	err = s.write(ctx, func(tx *gorm.DB) error {
		out = retired{}
		at, err := place(tx, retiredEvents)
		if err != nil {
			return err
		}
		page, others, err := s.resolvedPage(tx, at, before, limit, eventsOf)
		if err != nil || len(page) == 0 {
			return err
		}
		done, err := s.shorten(tx, page, before, limit, &out)
		if err != nil {
			return err
		}
		if done == 0 {
			return nil
		}
		out.more = out.more || done == len(page) && others
		return at.move(tx, placeOf(&page[done-1]), "")
	})
	return out.rows, out.more, failed("retire events", err)
}

// shorten shortens the histories of a page of tickets and returns how many of
// them, from the first, are done. It ends before one that somebody has locked.
func (s *Store) shorten(tx *gorm.DB, page []ticketRow, before time.Time, limit int, out *retired) (done int, err error) {
	ids := valuesOf(page, ticketID)
	var locked []ticketRow
	err = tx.Raw(`SELECT id, event_count, resolved_at FROM tickets WHERE ? ORDER BY id`+s.skipLocked(), s.in("id", ids)).Scan(&locked).Error
	if err != nil {
		return 0, err
	}
	of := make(map[string]*ticketRow, len(locked))
	for i := range locked {
		of[locked[i].ID] = &locked[i]
	}
	var firsts []struct {
		TicketID string
		Seq      int
	}
	err = tx.Model(&eventRow{}).Select("ticket_id", "min(seq) AS seq").Where(s.in("ticket_id", ids)).Group("ticket_id").Find(&firsts).Error
	if err != nil {
		return 0, err
	}
	first := make(map[string]int, len(firsts))
	for _, f := range firsts {
		first[f.TicketID] = f.Seq
	}
	var whole []string // to their ends
	for done < len(page) && int(out.rows) < limit {
		t := of[page[done].ID]
		if t == nil {
			break
		}
		if done++; t.ResolvedAt == nil || !t.ResolvedAt.Before(before) { // open again
			continue
		}
		from := first[t.ID]
		if from == 0 || from == t.EventCount {
			continue
		}
		to := min(t.EventCount, from+limit-int(out.rows))
		out.rows += int64(to - from)
		if to == t.EventCount {
			whole = append(whole, t.ID)
			continue
		}
		// One that is too long for a batch is shortened by and by.
		out.more, done = true, done-1
		if err := retireHistory(tx, "ticket_id = ? AND seq = ?", "ticket_id = ? AND seq < ?", t.ID, to); err != nil {
			return 0, err
		}
		break
	}
	out.more = out.more || int(out.rows) >= limit
	if len(whole) == 0 {
		return done, nil
	}
	const last = "(SELECT t.event_count FROM tickets t WHERE t.id = events.ticket_id)"
	return done, retireHistory(tx, "? AND seq = "+last, "? AND seq < "+last, s.in("ticket_id", whole))
}

// retireHistory makes events those that stand for all before them, and takes
// those away.
func retireHistory(tx *gorm.DB, last, earlier string, args ...any) error {
	var p packer
	actor := p.actor(desk.Actor{Kind: desk.BySystem, ID: "retention"})
	if p.err != nil {
		return p.err
	}
	err := tx.Exec(`UPDATE events SET kind = ?, actor = ?, data = '{"events":' || seq || '}' WHERE `+last, append([]any{desk.EventRetired, actor}, args...)...).Error
	if err != nil {
		return err
	}
	return tx.Exec("DELETE FROM events WHERE "+earlier, args...).Error
}
