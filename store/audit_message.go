package store

import (
	"math"
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// messages walks what was said.
func (a *auditor) messages() error {
	columns := []string{"id", "ticket_id", "receipt_id", "direction", "public", "author", "external_id", "raw_digest", "raw_size", "html_digest",
		"html_size", "send_state", "send_tries", "send_error", "swept_at", "taken_at", "sent_at", "created_at", "deleted_at", "revisions", "follow", "send_after"}
	if a.refs != nil {
		columns = append(columns, "attachments")
	}
	return pages(a, a.tx.Select(columns), "id", a.since, messageID, func(rows []messageRow) error {
		for _, look := range []func([]messageRow) error{a.messageReceipts, a.messageTickets, a.messageAuthors, a.messageRevisions, a.messagesSent, a.messageBlobs} {
			if err := look(rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// messageReceipts looks for the receipt of each message. Comments and answers
// written here have none. Because the receipt must name the message, two messages
// of one receipt are found.
func (a *auditor) messageReceipts(rows []messageRow) error {
	c := a.check("message.receipt", 0)
	receipts, err := byID(a, valuesOf(rows, func(m *messageRow) string { return m.ReceiptID }), receiptID, "id", "state", "message_id")
	if err != nil {
		return err
	}
	for _, m := range rows {
		inbound := m.Direction == string(desk.Inbound)
		if m.ReceiptID == "" && !inbound {
			continue
		}
		c.Looked++
		r := receipts[m.ReceiptID]
		switch {
		case m.ReceiptID == "":
			c.bad(m.ID, "came in without a receipt")
		case r == nil && a.gone(retiredLedger, m.ReceiptID):
		case r == nil:
			c.bad(m.ID, "its receipt %s is not there", m.ReceiptID)
		case r.State != string(desk.Filed):
			c.bad(m.ID, "its receipt %s is %s", r.ID, r.State)
		case r.MessageID != m.ID:
			c.bad(m.ID, "its receipt %s was filed as message %q: two messages of one receipt", r.ID, r.MessageID)
		}
	}
	return nil
}

func (a *auditor) messageTickets(rows []messageRow) error {
	c := a.check("message.ticket", len(rows))
	tickets, err := a.ticketsOf(valuesOf(rows, func(m *messageRow) string { return m.TicketID }))
	if err != nil {
		return err
	}
	for _, m := range rows {
		if tickets[m.TicketID] == nil {
			c.bad(m.ID, "on ticket %q, which is not there", m.TicketID)
		}
	}
	return nil
}

func (a *auditor) messageAuthors(rows []messageRow) error {
	c := a.check("message.author", 0)
	authors := make([]string, len(rows))
	for i, m := range rows {
		var u unpacker
		var by desk.Actor
		if u.actor(m.Author, &by); u.err != nil {
			c.bad(m.ID, "its author cannot be read: %v", u.err)
		} else if by.Kind == desk.ByCustomer && desk.IsID(by.ID) {
			authors[i] = by.ID
			c.Looked++
		}
	}
	found, err := byID(a, authors, customerID, "id")
	if err != nil {
		return err
	}
	for i, id := range authors {
		if id != "" && found[id] == nil {
			c.bad(rows[i].ID, "written by customer %s, who is not there", id)
		}
	}
	return nil
}

// messageRevisions compares the count of a message with its revisions. Retention
// takes the oldest of them, so those that are left are the last ones.
func (a *auditor) messageRevisions(rows []messageRow) error {
	var ids []string
	for _, m := range rows {
		if m.Revisions > 0 {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	c := a.check("message.revisions", len(ids))
	of := make(map[string]span[int], len(ids))
	err := spans(a, revisionSpans, ids[0], math.MinInt32, ids[len(ids)-1], func(counts []span[int]) error {
		for _, n := range counts {
			of[n.Key] = n
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range rows {
		if m.Revisions == 0 {
			continue
		}
		taken := a.gone(retiredRevisions, m.ID)
		n, any := of[m.ID]
		if !any {
			if !taken {
				c.bad(m.ID, "counts %d revisions and has none", m.Revisions)
			}
			continue
		}
		if n.Most != m.Revisions || n.N != int64(n.Most-n.Least+1) || n.Least != 1 && !taken {
			c.bad(m.ID, "counts %d revisions and has %d, number %d to %d", m.Revisions, n.N, n.Least, n.Most)
		}
	}
	return nil
}

// messagesSent looks at the way back.
func (a *auditor) messagesSent(rows []messageRow) error {
	state, sending, note := a.check("delivery.state", 0), a.check("delivery.sending", 0), a.check("delivery.note", 0)
	var waits []messageRow
	for _, m := range rows {
		if m.Direction != string(desk.Outbound) || !m.Public {
			note.Looked++
			switch {
			case m.SendState != "":
				note.bad(m.ID, "%s message, public %t, has send state %q", m.Direction, m.Public, m.SendState)
			case m.Direction == string(desk.Internal) && m.SentAt != nil:
				note.bad(m.ID, "a note that was sent at %s", stampp(m.SentAt))
			case m.Direction == string(desk.Internal) && m.ExternalID != "" && !strings.HasPrefix(m.ExternalID, "idem:"):
				note.bad(m.ID, "a note that the other side knows as %q", m.ExternalID)
			}
			continue
		}
		state.Looked++
		switch desk.SendState(m.SendState) {
		case desk.SendNone:
		case desk.SendSent:
			if m.SentAt == nil {
				state.bad(m.ID, "sent, without a time")
			}
		case desk.SendFailed:
			if m.SendError == "" {
				state.bad(m.ID, "failed, without a reason")
			}
		case desk.SendSending:
			sending.Looked++
			if since := timeOr(m.TakenAt, m.CreatedAt); since.Before(a.o.Now.Add(-a.o.Patience - a.o.Grace)) {
				sending.bad(m.ID, "being sent since %s", stamp(since))
			}
		case desk.SendQueued, desk.SendUnknown:
			if m.DeletedAt == nil {
				waits = append(waits, m)
			}
		default:
			state.bad(m.ID, "send state %q", m.SendState)
		}
	}
	return a.messagesWait(waits)
}

// messagesWait looks for answers that are due, have no earlier one before them,
// and that nobody sends.
func (a *auditor) messagesWait(rows []messageRow) error {
	if len(rows) == 0 {
		return nil
	}
	c := a.check("delivery.waiting", len(rows))
	due := func(m *messageRow) time.Time { return timeOr(m.SendAfter, m.CreatedAt) }
	rows = slices.DeleteFunc(rows, func(m messageRow) bool { return !due(&m).Before(a.o.Now.Add(-a.o.Patience - a.o.Grace)) })
	for len(rows) > 0 {
		part := rows[:min(len(rows), draftsAtOnce)] // few tickets: all answers of each are read
		rows = rows[len(part):]
		first, err := a.firstToSend(named(valuesOf(part, func(m *messageRow) string { return m.TicketID })))
		if err != nil {
			return err
		}
		for i := range part {
			if m := &part[i]; first[m.ID] {
				c.bad(m.ID, "%s and due since %s, after %d tries %s", m.SendState, stamp(due(m)), m.SendTries, m.SendError)
			}
		}
	}
	return nil
}

// firstToSend finds the answers whose turn it is on some tickets.
func (a *auditor) firstToSend(tickets []string) (map[string]bool, error) {
	var ids []string
	err := a.tx.Model(&messageRow{}).Select("min(id)").Where(a.s.in("ticket_id", tickets)).
		Where("send_state IN ('queued', 'sending', 'unknown') AND direction = 'OUTBOUND' AND public AND deleted_at IS NULL").
		Group("ticket_id").Find(&ids).Error
	first := make(map[string]bool, len(ids))
	for _, id := range ids {
		first[id] = true
	}
	return first, err
}

// timeOr is the first of two times that is set.
func timeOr(t *time.Time, or time.Time) time.Time {
	if t != nil {
		return *t
	}
	return or
}

// stamp prints a time in a finding.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func stampp(t *time.Time) string {
	if t == nil {
		return "no time"
	}
	return stamp(*t)
}
