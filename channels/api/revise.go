package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// editComment is the body of PATCH /v1/tickets/{id}/comments/{messageId}.
type editComment struct {
	Content string `json:"content" doc:"Plain text or Markdown; replaces what is there." example:"Investigating the login issue, more soon."`
}

// WhichMessage names a comment in a path.
type WhichMessage struct {
	Which
	MessageID string `path:"messageId" maxLength:"40" doc:"The comment." example:"01K2Z7M3V0C9P4S8T6A1B2C3D4"`
}

type editInput struct {
	WhichMessage
	Body editComment
}

type editOutput struct{ Body messageView }

func (s *server) routeRevisions() {
	route(s, huma.Operation{
		OperationID: "editComment", Method: http.MethodPatch, Path: "/v1/tickets/{id}/comments/{messageId}", Tags: []string{"comments"},
		Summary:     "Edit a comment",
		Description: "Its author may, and an admin. The words it had are kept in the books. What the customer has already is changed on their side where the channel can.",
		RequestBody: example(map[string]any{"content": "Investigating the login issue, more soon."}),
	}, desk.Comment, s.edit)
	route(s, huma.Operation{
		OperationID: "deleteComment", Method: http.MethodDelete, Path: "/v1/tickets/{id}/comments/{messageId}", Tags: []string{"comments"},
		Summary:     "Delete a comment",
		Description: "Its author may, and an admin. What was not sent yet is not sent; what the customer has already is taken back where the channel can. The entry stays, without its words.",
	}, desk.Comment, s.unsay)
}

func (s *server) edit(ctx context.Context, in *editInput) (*editOutput, error) {
	t, m, err := s.own(ctx, in.WhichMessage)
	if err != nil {
		return nil, err
	}
	var c checks
	text := c.text("content", in.Body.Content, s.Limits.TextBytes)
	if strings.TrimSpace(text) == "" {
		c.wrong("content", "is required")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if m, err = s.revise(ctx, t.ID, desk.Revision{Message: m.ID, Act: desk.ActEdit, Text: text}); err != nil {
		return nil, err
	}
	return &editOutput{messageOf(m)}, nil
}

func (s *server) unsay(ctx context.Context, in *WhichMessage) (*struct{}, error) {
	t, m, err := s.own(ctx, *in)
	if err != nil || !m.DeletedAt.IsZero() {
		return nil, err
	}
	_, err = s.revise(ctx, t.ID, desk.Revision{Message: m.ID, Act: desk.ActDelete})
	return nil, err
}

func (s *server) revise(ctx context.Context, id desk.TicketID, r desk.Revision) (*desk.Message, error) {
	key := caller(ctx)
	r.At = s.moment()
	m, err := s.Books.Revise(ctx, id, r, actor(key), func(m *desk.Message) error { return mayRevise(key, m) })
	if errors.Is(err, desk.ErrConflict) {
		return nil, newProblem(http.StatusConflict, "the comment is deleted")
	}
	if err != nil {
		return nil, err
	}
	s.deliver(m)
	return m, nil
}

// own finds the comment of a path that the key may change.
func (s *server) own(ctx context.Context, in WhichMessage) (*desk.Ticket, *desk.Message, error) {
	t, m, err := s.spoken(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	return t, m, mayRevise(caller(ctx), m)
}

// spoken finds the comment of a path: a message of that very ticket.
func (s *server) spoken(ctx context.Context, in WhichMessage) (*desk.Ticket, *desk.Message, error) {
	t, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, nil, err
	}
	err = desk.ErrNotFound
	var m *desk.Message
	if desk.IsID(in.MessageID) {
		m, err = s.Books.Message(ctx, desk.MessageID(strings.ToUpper(in.MessageID)))
	}
	if errors.Is(err, desk.ErrNotFound) || err == nil && m.TicketID != t.ID {
		return nil, nil, newProblem(http.StatusNotFound, "there is no such comment on this ticket",
			FieldError{Field: "messageId", In: "path", Message: "names no comment of this ticket"})
	}
	return t, m, err
}

// mayRevise refuses what a customer said and what somebody else wrote.
func mayRevise(key desk.Key, m *desk.Message) error {
	switch {
	case m.Direction == desk.Inbound:
		return newProblem(http.StatusForbidden, "what a customer said is theirs to change")
	case m.Author.ID != string(key.ID) && key.Role != desk.RoleAdmin:
		return newProblem(http.StatusForbidden, "only its author and an admin may change a comment")
	}
	return nil
}
