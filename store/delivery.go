package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// The way back: outbound messages on their way to a sender. Who takes one has
// it for a while; what became of it is told with Delivered or Undelivered.

// Unsent claims up to limit outbound messages that nobody has looked at since
// sweptBefore and that were written before an instant: queued ones the queue
// forgot, and ones whose sending was cut off. They are returned oldest first.
func (s *Store) Unsent(ctx context.Context, before, sweptBefore, now time.Time, limit int) ([]desk.MessageID, error) {
	lock := ""
	if s.dialect == Postgres {
		lock = "FOR UPDATE SKIP LOCKED"
	}
	var ids []string
	err := s.write(ctx, func(tx *gorm.DB) error {
		ids = nil
		return tx.Raw(`UPDATE messages SET swept_at = ? WHERE id IN (
			SELECT id FROM messages WHERE send_state IN ('queued', 'sending', 'unknown') AND created_at < ?
			AND (swept_at IS NULL OR swept_at < ?) ORDER BY id LIMIT ? `+lock+`) RETURNING id`,
			micro(now), micro(before), micro(sweptBefore), limit).Scan(&ids).Error
	})
	if err != nil {
		return nil, failed("unsent", err)
	}
	slices.Sort(ids)
	out := make([]desk.MessageID, len(ids))
	for i, id := range ids {
		out[i] = desk.MessageID(id)
	}
	return out, nil
}

// Outgoing is a message that somebody took to send it.
type Outgoing struct {
	Reply  desk.Reply
	Source string // whose sender must carry it
	// Was is the state it was taken in: queued, or unknown when an earlier
	// sending was cut off and must be probed before it is tried again.
	Was   desk.SendState
	Tries int // with this one
}

// TakeToSend marks a queued or cut off message as being sent and returns all
// its sender needs. For patience it is the caller's alone: others get
// desk.ErrBusy. One that was sent, failed or is not to be sent is
// desk.ErrSettled.
func (s *Store) TakeToSend(ctx context.Context, id desk.MessageID, now time.Time, patience time.Duration) (*Outgoing, error) {
	var out *Outgoing
	err := s.write(ctx, func(tx *gorm.DB) error {
		var row messageRow
		if err := s.forUpdate(tx).Where("id = ?", string(id)).Take(&row).Error; err != nil {
			return notFound("message", err)
		}
		was := desk.SendState(row.SendState)
		switch was {
		case desk.SendQueued, desk.SendUnknown:
		case desk.SendSending:
			if row.TakenAt != nil && row.TakenAt.After(now.Add(-patience)) {
				return fmt.Errorf("somebody sends it: %w", desk.ErrBusy)
			}
			was = desk.SendUnknown
		default:
			return desk.ErrSettled
		}
		row.SendState, row.SendTries = string(desk.SendSending), row.SendTries+1
		err := tx.Model(&messageRow{}).Where("id = ?", row.ID).Updates(map[string]any{"send_state": row.SendState,
			"send_tries": row.SendTries, "taken_at": micro(now), "swept_at": micro(now)}).Error
		if err != nil {
			return err
		}
		out, err = s.outgoing(tx, &row)
		if err == nil {
			out.Was = was
		}
		return err
	})
	if err != nil {
		return nil, failed("take to send", err)
	}
	return out, nil
}

// outgoing collects what a sender needs: the ticket's latest thread, and the
// customer's handles on its channel.
func (s *Store) outgoing(tx *gorm.DB, row *messageRow) (*Outgoing, error) {
	m, err := row.desk()
	if err != nil {
		return nil, err
	}
	var t ticketRow
	if err := tx.Where("id = ?", row.TicketID).Take(&t).Error; err != nil {
		return nil, notFound("ticket", err)
	}
	out := &Outgoing{Reply: desk.Reply{Message: m, Thread: t.thread()}, Source: cmp.Or(t.ThreadSource, t.Source), Tries: row.SendTries}
	var handles []identityRow
	err = tx.Where("customer_id = ? AND kind = ?", t.CustomerID, desk.IdentityKind(desk.Channel(t.Channel))).Order("handle").Find(&handles).Error
	if err != nil {
		return nil, err
	}
	found, err := s.requesters(tx, []string{t.CustomerID})
	if err != nil {
		return nil, err
	}
	for _, h := range handles {
		out.Reply.To = append(out.Reply.To, desk.Party{Name: found[desk.CustomerID(t.CustomerID)].Customer.Name, Handle: h.Handle})
	}
	return out, nil
}

// Delivered keeps the proof of a message that was sent: its external ID joins
// the ticket's thread keys, so that the customer's answer finds its way. It may
// be told twice.
func (s *Store) Delivered(ctx context.Context, id desk.MessageID, proof desk.Proof) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		var row messageRow
		if err := tx.Where("id = ?", string(id)).Take(&row).Error; err != nil {
			return notFound("message", err)
		}
		set := map[string]any{"send_state": string(desk.SendSent), "send_error": "", "sent_at": micro(proof.At)}
		if external := key(proof.ExternalID); external != "" {
			claim := threadRow{Scope: row.Scope, Key: external, TicketID: row.TicketID, CreatedAt: micro(proof.At)}
			if _, err := insert(tx, []threadRow{claim}, doNothing); err != nil {
				return err
			}
			set["external_id"] = external
			set["fingerprint"] = cmp.Or(row.Fingerprint, row.ID) // ours, so unique whatever the other side numbers
		}
		return tx.Model(&messageRow{}).Where("id = ?", row.ID).Updates(set).Error
	})
	return failed("delivered", err)
}

// Undelivered says that a message did not go out: queued to try again later,
// unknown when it may have, failed to give up. fn, unless nil, changes the
// ticket in the same transaction, so that giving up is seen. A message that was
// sent or failed before is desk.ErrSettled.
func (s *Store) Undelivered(ctx context.Context, id desk.MessageID, state desk.SendState, reason string, fn func(*desk.Ticket) ([]desk.Event, error)) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		var row messageRow
		if err := tx.Select("id", "ticket_id").Where("id = ?", string(id)).Take(&row).Error; err != nil {
			return notFound("message", err)
		}
		if fn != nil { // the ticket before the message: the order of locks
			switch j, err := s.lockTicket(tx, desk.TicketID(row.TicketID)); {
			case err == nil:
				if _, err := j.change(tx, fn); err != nil {
					return err
				}
			case !errors.Is(err, desk.ErrNotFound): // a deleted ticket keeps its messages
				return err
			}
		}
		res := tx.Exec(`UPDATE messages SET send_state = ?, send_error = ?, taken_at = NULL
			WHERE id = ? AND send_state IN ('queued', 'sending', 'unknown')`, string(state), desk.Clean(reason), row.ID)
		if res.Error == nil && res.RowsAffected == 0 {
			res.Error = desk.ErrSettled
		}
		return res.Error
	})
	return failed("undelivered", err)
}
