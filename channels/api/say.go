package api

import (
	"context"
	"errors"

	"switchboard/pipeline/desk"
)

// said is what saying something came to.
type said struct {
	ticket  *desk.Ticket
	message *desk.Message
	again   bool // an earlier request with the same key did it
}

// saying adds a message to a change.
func saying(m *desk.Message, ch desk.Change) desk.Change {
	ch.Said = &desk.Said{Message: m.ID, By: m.Author.Kind, Public: m.Public}
	return ch
}

// say adds a message to its ticket, once for each Idempotency-Key. Two requests
// at once meet on the message's external ID, a later one finds the event.
func (s *server) say(ctx context.Context, m *desk.Message, r request, apply func(*desk.Ticket) ([]desk.Event, error)) (said, error) {
	if r.key == "" {
		return s.add(ctx, m, apply)
	}
	m.ExternalID = "idem:" + r.key + ":" + string(m.TicketID)
	return s.once(ctx, m.TicketID, r, m, apply, func(apply func(*desk.Ticket) ([]desk.Event, error)) (said, error) {
		out, err := s.add(ctx, m, apply)
		if err != nil || !out.again {
			return out, err
		}
		if earlier, _, err := s.saidBefore(ctx, m.TicketID, r, m, 0); err != nil || earlier.again {
			return earlier, err
		}
		return again(out.ticket, out.message, m) // its event is gone
	})
}

// add adds a message to its ticket and has it delivered. One whose external ID
// is taken comes to the message that has it.
func (s *server) add(ctx context.Context, m *desk.Message, apply func(*desk.Ticket) ([]desk.Event, error)) (said, error) {
	t, saved, err := s.Books.AddMessage(ctx, m, func(t *desk.Ticket) ([]desk.Event, error) {
		events, err := apply(t)
		if err != nil {
			return nil, err
		}
		return append(events, mentioned(t, m)...), nil
	})
	if errors.Is(err, desk.ErrSettled) && t != nil && saved != nil {
		return said{ticket: t, message: saved, again: true}, nil
	}
	if err == nil {
		s.deliver(saved)
	}
	return said{ticket: t, message: saved}, err
}

// deliver hands a message to whoever sends it. The books remember it too, so
// nothing is lost when nobody does.
func (s *server) deliver(m *desk.Message) {
	if s.Deliver != nil && m.Public && m.Send != desk.SendNone && m.Send != desk.SendFailed {
		s.Deliver(m.ID)
	}
}

// mentioned is the events that notify the people a message names.
func mentioned(t *desk.Ticket, m *desk.Message) []desk.Event {
	var events []desk.Event
	for _, who := range m.Mentions {
		t.EventCount++
		events = append(events, desk.Event{ID: desk.NewID[desk.EventID](m.CreatedAt), TicketID: t.ID, Seq: t.EventCount,
			Kind: desk.EventMentioned, Actor: m.Author, At: m.CreatedAt, Data: map[string]any{"user": who, "message": m.ID}})
	}
	return events
}
