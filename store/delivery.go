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
// sweptBefore, that were written before an instant and whose next try is due:
// queued ones the queue forgot, ones whose sending was cut off, and sent ones
// whose other side must hear of a revision. They are returned oldest first.
func (s *Store) Unsent(ctx context.Context, before, sweptBefore, now time.Time, limit int) ([]desk.MessageID, error) {
	lock := ""
	if s.dialect == Postgres {
		lock = "FOR UPDATE SKIP LOCKED"
	}
	var ids []string
	err := s.write(ctx, func(tx *gorm.DB) error {
		ids = nil
		// One statement for each of the two partial indexes.
		for _, which := range []string{"send_state IN ('queued', 'sending', 'unknown')", "follow AND send_state = 'sent'"} {
			var found []string
			err := tx.Raw(`UPDATE messages SET swept_at = ? WHERE id IN (
				SELECT id FROM messages WHERE `+which+` AND direction = 'OUTBOUND' AND public AND created_at < ?
				AND (swept_at IS NULL OR swept_at < ?) AND (send_after IS NULL OR send_after <= ?) ORDER BY id LIMIT ? `+lock+`) RETURNING id`,
				micro(now), micro(before), micro(sweptBefore), micro(now), limit-len(ids)).Scan(&found).Error
			if err != nil {
				return err
			}
			if ids = append(ids, found...); len(ids) >= limit {
				break
			}
		}
		return nil
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

// TakeToSend marks a queued or cut off message as being sent and returns all
// its sender needs. For patience it is the caller's alone, or until its holder is
// said to be dead (see [Store.Abandoned]; "" never is): others get desk.ErrBusy,
// and so does who comes before its next try is due or before its turn: answers of
// one ticket go out in the order they were given. A sent one whose other side must hear of a revision is taken as it is (Was is sent). One
// that was sent, failed, was deleted before it went or is not to be sent at all,
// as every internal note, is desk.ErrSettled.
func (s *Store) TakeToSend(ctx context.Context, id desk.MessageID, now time.Time, patience time.Duration, holder string) (*desk.Outgoing, error) {
	var out *desk.Outgoing
	var settled error
	err := s.write(ctx, func(tx *gorm.DB) error {
		out, settled = nil, nil
		var row messageRow
		if err := s.forUpdate(tx).Where("id = ?", string(id)).Take(&row).Error; err != nil {
			return notFound("message", err)
		}
		was, err := s.takeable(tx, &row, now, patience)
		if err != nil {
			return err
		}
		takenBefore := row.TakenAt
		set := map[string]any{"send_tries": row.SendTries + 1, "taken_at": micro(now), "swept_at": micro(now)}
		row.SendTries++
		switch {
		case row.DeletedAt != nil && was == desk.SendQueued: // taken back in time
			settled = desk.ErrSettled
			set = map[string]any{"send_state": string(desk.SendNone), "follow": false}
		case was == desk.SendSent:
		default:
			row.SendState = string(desk.SendSending)
			set["send_state"] = row.SendState
			if was == desk.SendQueued { // it goes out with the words it has now
				set["follow"] = false
			}
		}
		if err := tx.Model(&messageRow{}).Where("id = ?", row.ID).Updates(set).Error; err != nil {
			return err
		}
		if settled != nil {
			return s.end(tx, row.ID)
		}
		if out, err = s.outgoing(tx, &row, now); err != nil {
			return err
		}
		out.Was = was
		if was == desk.SendUnknown && takenBefore != nil {
			out.CutOff = *takenBefore
		}
		out.Begun, err = s.begin(tx, row.ID, holder)
		return err
	})
	if err = cmp.Or(err, settled); err != nil {
		return nil, failed("take to send", err)
	}
	return out, nil
}

// takeable reports in which state a locked message may be taken.
func (s *Store) takeable(tx *gorm.DB, row *messageRow, now time.Time, patience time.Duration) (desk.SendState, error) {
	if !row.Public || row.Direction != string(desk.Outbound) {
		return "", fmt.Errorf("message is not for the customer: %w", desk.ErrSettled)
	}
	taken := row.TakenAt != nil && row.TakenAt.After(now.Add(-patience))
	was := desk.SendState(row.SendState)
	switch {
	case was == desk.SendQueued || was == desk.SendUnknown:
	case was == desk.SendSending && taken, was == desk.SendSent && row.Follow && taken:
		return "", fmt.Errorf("somebody sends it: %w", desk.ErrBusy)
	case was == desk.SendSending:
		was = desk.SendUnknown
	case was == desk.SendSent && row.Follow:
	default:
		return "", desk.ErrSettled
	}
	if row.SendAfter != nil && row.SendAfter.After(now) {
		return "", fmt.Errorf("its next try is later: %w", desk.ErrBusy)
	}
	if was == desk.SendSent {
		return was, nil
	}
	var n int64
	err := tx.Model(&messageRow{}).Where("ticket_id = ? AND id < ?", row.TicketID, row.ID).
		Where("send_state IN ('queued', 'sending', 'unknown') AND direction = 'OUTBOUND' AND public AND deleted_at IS NULL").Count(&n).Error
	if err == nil && n > 0 {
		err = fmt.Errorf("an earlier answer is on its way: %w", desk.ErrBusy)
	}
	return was, err
}

// SendsBy returns the source a message goes out by, as [Store.TakeToSend] tells it.
func (s *Store) SendsBy(ctx context.Context, id desk.MessageID) (string, error) {
	var rows []struct{ Via, ThreadSource, Source string }
	err := s.read(ctx).Table("messages m").Joins("JOIN tickets t ON t.id = m.ticket_id").Where("m.id = ?", string(id)).
		Select("m.via, t.thread_source, t.source").Scan(&rows).Error
	if err == nil && len(rows) == 0 {
		err = desk.ErrNotFound
	}
	if err != nil {
		return "", failed("sends by", err)
	}
	var via *desk.Via
	var u unpacker
	u.unpack(rows[0].Via, &via)
	if via != nil {
		return via.Source, failed("sends by", u.err)
	}
	return cmp.Or(rows[0].ThreadSource, rows[0].Source), failed("sends by", u.err)
}

// NextToSend returns the oldest answer of a ticket that waits to be sent and is
// due, and false when there is none: whoever ended one calls the next.
func (s *Store) NextToSend(ctx context.Context, ticket desk.TicketID, now time.Time) (desk.MessageID, bool, error) {
	var ids []string
	err := s.read(ctx).Model(&messageRow{}).Where("ticket_id = ?", string(ticket)).
		Where("send_state IN ('queued', 'sending', 'unknown') AND direction = 'OUTBOUND' AND public").
		Where("send_after IS NULL OR send_after <= ?", micro(now)).Order("id").Limit(1).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return "", false, failed("next to send", err)
	}
	return desk.MessageID(ids[0]), true, nil
}

// outgoing collects what a sender needs: the ticket's latest thread, and the
// customer's handles on its channel. A ticket that came in while its customer was
// merged may still name the record that was.
func (s *Store) outgoing(tx *gorm.DB, row *messageRow, now time.Time) (*desk.Outgoing, error) {
	m, err := row.desk()
	if err != nil {
		return nil, err
	}
	var t ticketRow
	if err := tx.Where("id = ?", row.TicketID).Take(&t).Error; err != nil {
		return nil, notFound("ticket", err)
	}
	out := &desk.Outgoing{Reply: desk.Reply{Message: m, Thread: t.thread()}, Source: cmp.Or(t.ThreadSource, t.Source), Tries: row.SendTries,
		Revision: row.Revisions}
	if v := m.Via; v != nil && (v.Thread.Key != "" || v.Source != t.ThreadSource) { // it begins a conversation, or did
		out.Source, out.Reply.Thread, out.Reply.To = v.Source, v.Thread, []desk.Party{v.To}
		if m.Auto.Kind != "" {
			err = s.restraint(tx, out, &t, now)
		}
		return out, err
	}
	uids, err := s.uids(tx, desk.CustomerID(t.CustomerID))
	if err != nil {
		return nil, err
	}
	var handles []identityRow
	err = tx.Where(s.in("customer_id", uids)).Where("kind = ?", desk.IdentityKind(desk.Channel(t.Channel))).Order("handle").Find(&handles).Error
	if err != nil {
		return nil, err
	}
	found, err := s.requesters(tx, []string{t.CustomerID})
	if err != nil {
		return nil, err
	}
	var name string
	if r := found[desk.CustomerID(t.CustomerID)]; r != nil {
		name = r.Customer.Name
	}
	for _, h := range handles {
		out.Reply.To = append(out.Reply.To, desk.Party{Name: name, Handle: h.Handle})
	}
	if m.Auto.Kind != "" {
		err = s.restraint(tx, out, &t, now)
	}
	return out, err
}

// automaticLock is the space of the advisory locks that automatic answers to one
// customer queue for.
const automaticLock = 0x73776261 // "swba"

// restraint collects what must hold back an automatic answer.
func (s *Store) restraint(tx *gorm.DB, out *desk.Outgoing, t *ticketRow, now time.Time) error {
	var last []messageRow
	err := tx.Select("auto").Where("ticket_id = ? AND direction = 'INBOUND'", t.ID).Order("id DESC").Limit(1).Find(&last).Error
	if err != nil {
		return err
	}
	if len(last) > 0 {
		var u unpacker
		if u.auto(last[0].Auto, &out.Answers); u.err != nil {
			return u.err
		}
	}
	if t.CustomerID == "" {
		return nil
	}
	uids, err := s.uids(tx, desk.CustomerID(t.CustomerID))
	if err != nil {
		return err
	}
	// What is taken at the same time on other tickets of theirs is counted, too.
	if s.dialect == Postgres {
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?, hashtext(?))", automaticLock, slices.Min(uids)).Error; err != nil {
			return err
		}
	}
	var n int64
	err = tx.Table("messages m").Joins("JOIN tickets t ON t.id = m.ticket_id").Where(s.in("t.customer_id", uids)).
		Where("m.direction = 'OUTBOUND' AND m.id <> ? AND m.created_at > ?", string(out.Reply.Message.ID), micro(now.Add(-24*time.Hour))).
		Where("m.send_state IN ('sent', 'sending', 'unknown') AND m.auto LIKE ?", `%"kind"%`).Count(&n).Error
	out.Automatic = int(n)
	return err
}

// Delivered keeps the proof of a message that was sent: its external ID joins
// the ticket's thread keys, so that the customer's answer finds its way. When it
// began a conversation, that becomes the ticket's, whoever had it before: a chat
// is about what was said in it last. It may be told twice. Of a message that went
// out twice, because one sender was taken for dead, the first proof stays and the
// other's external ID threads too.
func (s *Store) Delivered(ctx context.Context, id desk.MessageID, proof desk.Proof) error {
	err := s.write(ctx, func(tx *gorm.DB) error {
		var row messageRow
		if err := tx.Where("id = ?", string(id)).Take(&row).Error; err != nil {
			return notFound("message", err)
		}
		external := key(proof.ExternalID)
		again := row.SendState == string(desk.SendSent) && external != row.ExternalID
		via := ""
		if !again {
			var err error
			if via, err = s.begun(tx, &row, proof); err != nil {
				return err
			}
		}
		set := map[string]any{"send_state": string(desk.SendSent), "send_error": "", "sent_at": micro(proof.At),
			"send_tries": 0, "send_after": nil, "taken_at": nil, "swept_at": nil}
		if external != "" {
			claim := threadRow{Scope: row.Scope, Key: external, TicketID: row.TicketID, CreatedAt: micro(proof.At)}
			if _, err := insert(tx, []threadRow{claim}, doNothing); err != nil {
				return err
			}
			set["external_id"] = external
			set["fingerprint"] = cmp.Or(row.Fingerprint, row.ID) // ours, so unique whatever the other side numbers
		}
		if via != "" {
			set["via"] = via
		}
		if again {
			return nil
		}
		if err := tx.Model(&messageRow{}).Where("id = ?", row.ID).Updates(set).Error; err != nil {
			return err
		}
		return s.end(tx, row.ID)
	})
	return failed("delivered", err)
}

// Undelivered says that a message did not go out: queued to try again at once,
// unknown when it may have, failed to give up, none when it is not to go out
// after all. try is the number of the try that it became of, as [Store.TakeToSend]
// gave it: once another has begun, it says nothing. fn, unless nil, changes the
// ticket in the same transaction, so that giving up is seen. A message that was
// sent, failed or taken by another before is desk.ErrSettled.
func (s *Store) Undelivered(ctx context.Context, id desk.MessageID, try int, state desk.SendState, reason string, fn func(*desk.Ticket) ([]desk.Event, error)) error {
	return s.undelivered(ctx, id, fn, func(tx *gorm.DB) *gorm.DB {
		return tx.Exec(`UPDATE messages SET send_state = ?, send_error = ?, taken_at = NULL, send_after = NULL
			WHERE id = ? AND send_tries = ? AND send_state IN ('queued', 'sending', 'unknown')`, string(state), desk.Clean(reason), string(id), try)
	})
}

// Postpone says that a message, or the news of its revision, did not go out and
// is to be tried again at an instant: as queued, or as unknown when it may have
// gone out. try is as for [Store.Undelivered].
func (s *Store) Postpone(ctx context.Context, id desk.MessageID, try int, state desk.SendState, reason string, until time.Time) error {
	return s.undelivered(ctx, id, nil, func(tx *gorm.DB) *gorm.DB {
		return tx.Exec(`UPDATE messages SET send_state = CASE WHEN send_state = 'sent' THEN send_state ELSE ? END, send_error = ?,
			taken_at = NULL, send_after = ? WHERE id = ? AND send_tries = ? AND (send_state IN ('queued', 'sending', 'unknown') OR send_state = 'sent' AND follow)`,
			string(state), desk.Clean(reason), micro(until), string(id), try)
	})
}

// Followed says that the other side heard of a message's revision, or, with a
// reason, that it never will. What was revised since is still to be told, and again
// if it was told before: the other side has the older words now.
func (s *Store) Followed(ctx context.Context, id desk.MessageID, revision int, reason string, fn func(*desk.Ticket) ([]desk.Event, error)) error {
	return s.undelivered(ctx, id, fn, func(tx *gorm.DB) *gorm.DB {
		return tx.Exec(`UPDATE messages SET follow = (revisions > ?), send_error = ?, send_tries = 0, taken_at = NULL, send_after = NULL,
			swept_at = NULL WHERE id = ? AND send_state = 'sent' AND (follow OR revisions > ?)`, revision, desk.Clean(reason), string(id), revision)
	})
}

// undelivered changes the ticket, unless fn is nil, and then its message.
func (s *Store) undelivered(ctx context.Context, id desk.MessageID, fn func(*desk.Ticket) ([]desk.Event, error), update func(tx *gorm.DB) *gorm.DB) error {
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
		res := update(tx)
		if res.Error == nil && res.RowsAffected == 0 {
			res.Error = desk.ErrSettled
		}
		if res.Error != nil {
			return res.Error
		}
		return s.end(tx, row.ID)
	})
	return failed("undelivered", err)
}
