package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

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

// requestKey is where the event of a comment keeps the digest of its
// Idempotency-Key. The message's external ID alone would not do: it becomes the
// channel's own once the comment is delivered.
const requestKey = "request"

// errMoved ends an adding that found the ticket's history longer than what was
// looked through.
var errMoved = errors.New("the history went on")

// say adds a message to its ticket, once for each Idempotency-Key. Two requests
// at once meet on the message's external ID, a later one finds the event. Whoever
// looked before the other was there and adds after it was delivered would meet
// neither: so a message is added only to a history that was looked through to its
// end, which is told under the ticket's lock.
func (s *server) say(ctx context.Context, m *desk.Message, idem string, apply func(*desk.Ticket) ([]desk.Event, error)) (said, error) {
	if idem == "" {
		return s.add(ctx, m, apply)
	}
	sum := sha256.Sum256([]byte(m.Author.ID + ":" + idem))
	request := hex.EncodeToString(sum[:16])
	m.ExternalID = "idem:" + request + ":" + string(m.TicketID)
	for read, count := 0, 0; ; {
		earlier, last, err := s.saidBefore(ctx, m, request, read)
		if err != nil || earlier.again {
			return earlier, err
		}
		read = max(last, count)
		out, err := s.add(ctx, m, func(t *desk.Ticket) ([]desk.Event, error) {
			if count = t.EventCount; count > read {
				return nil, errMoved
			}
			events, err := apply(t)
			for i := range events {
				if events[i].Kind == desk.EventComment {
					events[i].Data[requestKey] = request
				}
			}
			return events, err
		})
		if !errors.Is(err, errMoved) {
			return out, err
		}
	}
}

// add adds a message to its ticket and has it delivered.
func (s *server) add(ctx context.Context, m *desk.Message, apply func(*desk.Ticket) ([]desk.Event, error)) (said, error) {
	t, saved, err := s.Books.AddMessage(ctx, m, func(t *desk.Ticket) ([]desk.Event, error) {
		events, err := apply(t)
		if err != nil {
			return nil, err
		}
		return append(events, mentioned(t, m)...), nil
	})
	if errors.Is(err, desk.ErrSettled) && t != nil && saved != nil {
		return again(t, saved, m)
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

// saidBefore looks for the request in the ticket's history after an event, and
// returns the last event there is.
func (s *server) saidBefore(ctx context.Context, m *desk.Message, request string, after int) (earlier said, last int, err error) {
	for last = after; ; {
		events, err := s.Books.Events(ctx, m.TicketID, last, desk.MaxPage)
		if err != nil || len(events) == 0 {
			return said{}, last, err
		}
		for _, e := range events {
			id, _ := e.Data["message"].(string)
			if e.Kind != desk.EventComment || e.Data[requestKey] != request || id == "" {
				continue
			}
			first, err := s.Books.Message(ctx, desk.MessageID(id))
			if err != nil {
				return said{}, last, err
			}
			t, err := s.ticket(ctx, string(m.TicketID))
			if err != nil {
				return said{}, last, err
			}
			earlier, err := again(t, first, m)
			return earlier, last, err
		}
		last = events[len(events)-1].Seq
	}
}

// again answers with the earlier message when the later one says the same, as
// far as that can still be seen: the earlier one may have been edited since.
func again(t *desk.Ticket, earlier, later *desk.Message) (said, error) {
	if earlier.EditedAt.IsZero() && earlier.Text != later.Text || earlier.Public != later.Public || viaOf(earlier) != viaOf(later) || !slices.Equal(earlier.Mentions, later.Mentions) {
		return said{}, keyReused()
	}
	return said{ticket: t, message: earlier, again: true}, nil
}

func viaOf(m *desk.Message) string {
	if m.Via == nil {
		return ""
	}
	return m.Via.Source
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

// replayed is the value of the Idempotency-Replayed header.
func replayed(again bool) string {
	if again {
		return "true"
	}
	return ""
}
