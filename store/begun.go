package store

import (
	"errors"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// begun makes the conversation that a message began the ticket's: answers go
// there, its keys lead to the ticket. It returns what the message keeps of it,
// "" when it began none.
func (s *Store) begun(tx *gorm.DB, row *messageRow, proof desk.Proof) (via string, err error) {
	m, err := row.desk()
	if err != nil || m.Via == nil || proof.Begun == nil {
		return "", err
	}
	b := proof.Begun
	if row.SendState != string(desk.SendSent) { // told for the first time
		if err := s.beginOn(tx, &m, b, proof.At); err != nil {
			return "", err
		}
	}
	m.Via.Thread = b.Thread
	var p packer
	return p.pack(m.Via), p.err
}

func (s *Store) beginOn(tx *gorm.DB, m *desk.Message, b *desk.Begun, at time.Time) error {
	j, err := s.lockTicket(tx, m.TicketID)
	if err != nil {
		if errors.Is(err, desk.ErrNotFound) { // a deleted ticket keeps its messages
			return nil
		}
		return err
	}
	j.row.setThread(m.Via.Source, b.Thread)
	if at.Before(j.t.CreatedAt) { // by the clock of the other side
		at = j.t.CreatedAt
	}
	_, err = j.change(tx, func(t *desk.Ticket) ([]desk.Event, error) {
		return []desk.Event{t.Begin(m.ID, m.Via.Source, b, at)}, nil
	})
	if err != nil {
		return err
	}
	ticket := string(m.TicketID)
	if k := key(b.Thread.Key); k != "" {
		err := tx.Exec(`INSERT INTO threads (scope, key, ticket_id, created_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (scope, key) DO UPDATE SET ticket_id = excluded.ticket_id`, m.Scope, k, ticket, micro(at)).Error
		if err != nil {
			return err
		}
	}
	if k := key(b.Group); k != "" {
		return tx.Exec(`INSERT INTO message_groups (scope, key, ticket_id, at) VALUES (?, ?, ?, ?)
			ON CONFLICT (scope, key) DO UPDATE SET ticket_id = excluded.ticket_id, at = excluded.at WHERE message_groups.at <= excluded.at`,
			m.Scope, k, ticket, micro(at)).Error
	}
	return nil
}
