package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"switchboard/pipeline/desk"
)

// request is what a request with an Idempotency-Key is known by: digests of the
// key and of what was asked. The zero request has no key.
type request struct{ key, body string }

// requestOf makes it of a body and the operation it was sent to.
func requestOf(author, idem, operation string, body any) request {
	if idem == "" {
		return request{}
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("api: hash: %v", err)) // plain data of our own
	}
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:16])
	}
	return request{key: digest(author + ":" + idem), body: digest(operation + "\x00" + string(data))}
}

// requestKey and requestBody are where an event keeps the request that made it.
// The message's external ID alone would not do: it becomes the channel's own once
// the comment is delivered.
const (
	requestKey  = "request"
	requestBody = "requestBody"
)

// mark writes the request onto what it did: the comment, else the first change.
func (r request) mark(events []desk.Event) {
	if len(events) == 0 {
		return
	}
	e := &events[max(0, slices.IndexFunc(events, func(e desk.Event) bool { return e.Kind == desk.EventComment }))]
	if e.Data == nil {
		e.Data = map[string]any{}
	}
	e.Data[requestKey], e.Data[requestBody] = r.key, r.body
}

// errMoved ends a change that found the ticket's history longer than what was
// looked through.
var errMoved = errors.New("the history went on")

// once does what a request asks of a ticket, unless an earlier one with its key
// did. m is what it says, nil when it says nothing. Whoever looked before the
// other was there and changes the ticket after it meets nobody: so a ticket is
// changed only when its history was looked through to its end, which is told
// under the ticket's lock.
func (s *server) once(ctx context.Context, id desk.TicketID, r request, m *desk.Message, apply func(*desk.Ticket) ([]desk.Event, error),
	do func(apply func(*desk.Ticket) ([]desk.Event, error)) (said, error)) (said, error) {
	for read, count := 0, 0; ; {
		earlier, last, err := s.saidBefore(ctx, id, r, m, read)
		if err != nil || earlier.again {
			return earlier, err
		}
		read = max(last, count)
		out, err := do(func(t *desk.Ticket) ([]desk.Event, error) {
			if count = t.EventCount; count > read {
				return nil, errMoved
			}
			events, err := apply(t)
			r.mark(events)
			return events, err
		})
		if !errors.Is(err, errMoved) {
			return out, err
		}
	}
}

// before answers a request that is wrong by now with what an earlier one with its
// key did, and the error when there was none: a source, a status or an identity
// that it names may be gone since.
func (s *server) before(ctx context.Context, id desk.TicketID, r request, m *desk.Message, wrong error) (said, error) {
	if r.key == "" {
		return said{}, wrong
	}
	earlier, _, err := s.saidBefore(ctx, id, r, m, 0)
	if err == nil && !earlier.again {
		err = wrong
	}
	return earlier, err
}

// saidBefore looks for the request in the ticket's history after an event, and
// returns the last event there is.
func (s *server) saidBefore(ctx context.Context, id desk.TicketID, r request, m *desk.Message, after int) (earlier said, last int, err error) {
	for last = after; ; {
		events, err := s.Books.Events(ctx, id, last, desk.MaxPage)
		if err != nil || len(events) == 0 {
			return said{}, last, err
		}
		if i := slices.IndexFunc(events, func(e desk.Event) bool { return e.Data[requestKey] == r.key }); i >= 0 {
			earlier, err := s.didBefore(ctx, events[i], r, m)
			return earlier, last, err
		}
		last = events[len(events)-1].Seq
	}
}

// didBefore answers with what the request did whose mark an event has.
func (s *server) didBefore(ctx context.Context, e desk.Event, r request, m *desk.Message) (said, error) {
	body, marked := e.Data[requestBody].(string)
	if marked && body != r.body {
		return said{}, keyReused()
	}
	t, err := s.ticket(ctx, string(e.TicketID))
	if err != nil {
		return said{}, err
	}
	message, _ := e.Data["message"].(string)
	if e.Kind != desk.EventComment || message == "" {
		return said{ticket: t, again: true}, nil
	}
	first, err := s.Books.Message(ctx, desk.MessageID(message))
	if err != nil {
		return said{}, err
	}
	if !marked {
		return again(t, first, m)
	}
	return said{ticket: t, message: first, again: true}, nil
}

// again answers with the earlier message, of which no digest of its request is
// kept, when the later one says the same as far as that can still be seen: the
// earlier one may have been edited since.
func again(t *desk.Ticket, earlier, later *desk.Message) (said, error) {
	if later == nil || earlier.EditedAt.IsZero() && earlier.Text != later.Text || earlier.Public != later.Public || viaOf(earlier) != viaOf(later) ||
		!slices.Equal(earlier.Mentions, later.Mentions) {
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

// replayed is the value of the Idempotency-Replayed header.
func replayed(again bool) string {
	if again {
		return "true"
	}
	return ""
}
