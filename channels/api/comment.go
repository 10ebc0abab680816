package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// addComment is the body of POST /v1/tickets/{id}/comments.
type addComment struct {
	Content  string   `json:"content" doc:"Plain text or Markdown." example:"Investigating the login issue..."`
	IsPublic bool     `json:"isPublic,omitempty" doc:"true: the customer gets to read it. Without it the comment is an internal note: what should have stayed inside cannot be called back." example:"true"`
	Mentions []string `json:"mentions,omitempty" maxItems:"50" doc:"IDs of agents to notify, at most 50." example:"[\"user-789\"]"`
	Via      string   `json:"via,omitempty" maxLength:"200" doc:"The configured source a public comment goes out by. When the ticket's conversation is elsewhere, or nowhere yet, it begins one there with the customer, who need not have written before; from then on answers go there, and what the customer says there joins the ticket. Sources of email, Slack and Teams can begin a conversation; the customer must have an identity one of them can find." example:"support-teams"`
}

// setStatus is the body of PATCH /v1/tickets/{id}/status.
type setStatus struct {
	Status   string   `json:"status" doc:"A configured status the ticket may move to, in any case." example:"RESOLVED"`
	Comment  string   `json:"comment,omitempty" doc:"Said on the ticket in the same step." example:"Fixed in 2.1.1."`
	IsPublic bool     `json:"isPublic,omitempty" doc:"Whether the customer gets to read the comment."`
	Mentions []string `json:"mentions,omitempty" maxItems:"50" doc:"As in a comment."`
}

// messageView is a message as clients see it: a comment of ours or what the
// customer sent.
type messageView struct {
	ID          desk.MessageID   `json:"id"`
	TicketID    desk.TicketID    `json:"ticketId"`
	Content     string           `json:"content"`
	IsPublic    bool             `json:"isPublic"`
	Mentions    []string         `json:"mentions"`
	Author      desk.Actor       `json:"author"`
	Direction   desk.Direction   `json:"direction" enum:"INBOUND,OUTBOUND,INTERNAL"`
	Source      desk.Channel     `json:"source" enum:"EMAIL,SLACK,MS_TEAMS,WEB_FORM,CHAT,API,WEB,WORKFLOW"`
	Subject     string           `json:"subject,omitempty"`
	Attachments []attachmentView `json:"attachments"`
	Damage      []string         `json:"damage,omitempty" doc:"What was broken in the message as it came, and how it was read anyway."`
	SendState   *desk.SendState  `json:"sendState" doc:"How far a public comment got on its channel: queued, sending, sent, unknown or failed; null when no channel carries it." example:"queued"`
	SendError   string           `json:"sendError,omitempty" doc:"Why it did not go out, or not yet."`
	SentAt      *time.Time       `json:"sentAt"`
	Via         string           `json:"via,omitempty" doc:"The source it was to go out by."`
	EditedAt    *time.Time       `json:"editedAt" doc:"Its author changed it since; content is the latest."`
	DeletedAt   *time.Time       `json:"deletedAt" doc:"Its author took it back: subject, content and attachments are hidden."`
	Receipt     desk.ReceiptID   `json:"receipt,omitempty" doc:"The ledger's receipt of a message that came in."`
	CreatedAt   time.Time        `json:"createdAt"`
}

// messageOf is the one place where a message becomes its view.
func messageOf(m *desk.Message) messageView {
	v := messageView{ID: m.ID, TicketID: m.TicketID, Content: m.Text, IsPublic: m.Public, Mentions: m.Mentions, Author: m.Author,
		Direction: m.Direction, Source: m.Channel, Subject: m.Subject, Attachments: []attachmentView{}, Damage: m.Damage,
		SendError: m.SendError, SentAt: timeOrNull(m.SentAt), EditedAt: timeOrNull(m.EditedAt), DeletedAt: timeOrNull(m.DeletedAt),
		Receipt: m.Receipt, CreatedAt: m.CreatedAt.UTC()}
	if v.Mentions == nil {
		v.Mentions = []string{}
	}
	if m.Send != desk.SendNone {
		v.SendState = &m.Send
	}
	if m.Via != nil {
		v.Via = m.Via.Source
	}
	if v.DeletedAt != nil {
		v.Subject, v.Content = "", ""
		return v
	}
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, attachmentOf(m, a))
	}
	return v
}

type commentInput struct {
	Which
	Idempotency
	Body addComment
}

type commentOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true when an earlier request with this key made it."`
	Body     messageView
}

type commentsInput struct {
	Which
	Paging
	IsPublic bool `query:"isPublic" doc:"true: only what the customer may read."`
}

type commentsOutput struct{ Body page[messageView] }

type statusInput struct {
	Which
	Match
	Idempotency
	Body setStatus
}

type statusOutput struct {
	ETag     string `header:"ETag" doc:"The ticket's version, for If-Match."`
	Replayed string `header:"Idempotency-Replayed" doc:"true when an earlier request with this key set it."`
	Body     ticketView
}

func (s *server) routeComments() {
	route(s, huma.Operation{
		OperationID: "addComment", Method: http.MethodPost, Path: "/v1/tickets/{id}/comments", Tags: []string{"comments"}, DefaultStatus: http.StatusCreated,
		Summary: "Add a comment", Description: "An internal note, or with `isPublic: true` an answer: it is sent to the customer where the ticket's source can, and counts as the first response when an agent's key wrote it. " +
			"With `via` it is sent by another source, and may be the first word the customer gets there.",
		RequestBody: example(map[string]any{"content": "Investigating the login issue...", "isPublic": true, "mentions": []string{"user-789"}}),
	}, desk.Comment, s.comment)
	route(s, huma.Operation{
		OperationID: "listComments", Method: http.MethodGet, Path: "/v1/tickets/{id}/comments", Tags: []string{"comments"},
		Summary: "List the messages of a ticket", Description: "Oldest first: what the customer sent, answers and internal notes.",
	}, desk.ReadTickets, s.comments)
	s.routeAttachments()
	s.routeRevisions()
}

func (s *server) routeStatus() {
	route(s, huma.Operation{
		OperationID: "setStatus", Method: http.MethodPatch, Path: "/v1/tickets/{id}/status", Tags: []string{"tickets"},
		Summary: "Change the status", Description: "With a comment, both or neither. A move that is not allowed is 409 and names the moves that are.",
		RequestBody: example(map[string]any{"status": "RESOLVED", "comment": "Fixed in 2.1.1.", "isPublic": true}),
	}, desk.UpdateTickets, s.status)
}

const (
	maxMentions = 50
	maxMention  = 200
)

// message checks what is said and makes the message; content may be empty when
// the caller allows it.
func (s *server) message(ctx context.Context, c *checks, field string, t *desk.Ticket, key desk.Key, content string, public bool, mentions []string) *desk.Message {
	now, p := s.Now(), s.Policy()
	m := &desk.Message{ID: desk.NewID[desk.MessageID](now), TicketID: t.ID, Direction: desk.Internal, Public: public, Author: actor(key),
		Channel: desk.API, Source: sourceName, Scope: scopeOf(p, t), From: desk.Party{Name: key.Name},
		Text: c.text(field, content, s.Limits.TextBytes), CreatedAt: now}
	if s.Trace != nil {
		m.Trace = s.Trace(ctx)
	}
	if len(mentions) > maxMentions {
		c.wrong("mentions", "are more than %d", maxMentions)
		mentions = nil
	}
	for i, who := range mentions {
		if who = c.id(fmt.Sprintf("mentions[%d]", i), who); len(who) > maxMention {
			c.wrong(fmt.Sprintf("mentions[%d]", i), "is longer than %d bytes", maxMention)
		} else if who != "" && !slices.Contains(m.Mentions, who) {
			m.Mentions = append(m.Mentions, who)
		}
	}
	if public {
		m.Direction = desk.Outbound
		if s.sends(ctx, p, t) {
			m.Send = desk.SendQueued
		}
	}
	return m
}

// scopeOf is where the proof of delivery must thread: the scope of the
// conversation answers go to, else the ticket's own.
func scopeOf(p *desk.Policy, t *desk.Ticket) string {
	if src, ok := p.Sources[t.ThreadSource]; ok {
		return src.Scope()
	}
	return t.Scope
}

// sends reports whether an answer on a ticket leaves the house.
func (s *server) sends(ctx context.Context, p *desk.Policy, t *desk.Ticket) bool {
	if s.Sends != nil {
		return s.Sends(ctx, t)
	}
	switch p.Sources[t.Source].Channel {
	case desk.Email, desk.Slack, desk.MSTeams, desk.Chat:
		return true
	}
	return false
}

func (s *server) comment(ctx context.Context, in *commentInput) (*commentOutput, error) {
	t, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var c checks
	key := caller(ctx)
	m := s.message(ctx, &c, "content", t, key, in.Body.Content, in.Body.IsPublic, in.Body.Mentions)
	if strings.TrimSpace(m.Text) == "" {
		c.wrong("content", "is required")
	}
	if err := s.begin(ctx, &c, t, m, in.Body.Via); err != nil {
		return nil, err
	}
	r := requestOf(m.Author.ID, in.Key, "comment", in.Body)
	var did said
	if err = c.err(); err != nil {
		did, err = s.before(ctx, t.ID, r, m, err)
	} else {
		did, err = s.say(ctx, m, r, s.applying(s.Policy(), key, saying(m, desk.Change{})))
	}
	if err != nil {
		return nil, err
	}
	return &commentOutput{Replayed: replayed(did.again), Body: messageOf(did.message)}, nil
}

func (s *server) comments(ctx context.Context, in *commentsInput) (*commentsOutput, error) {
	limit, err := s.size(in.Paging)
	if err != nil {
		return nil, err
	}
	t, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ms, next, err := s.Books.Messages(ctx, t.ID, limit, in.Cursor, in.IsPublic)
	if err != nil {
		return nil, err
	}
	views := make([]messageView, len(ms))
	for i := range ms {
		views[i] = messageOf(&ms[i])
	}
	return &commentsOutput{pageOf(views, next)}, nil
}

func (s *server) status(ctx context.Context, in *statusInput) (*statusOutput, error) {
	t, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var c checks
	to, err := s.Policy().Statuses.Parse(in.Body.Status)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	m := s.message(ctx, &c, "comment", t, caller(ctx), in.Body.Comment, in.Body.IsPublic, in.Body.Mentions)
	version, err := in.version()
	r := requestOf(m.Author.ID, in.Key, "status", in.Body)
	var did said
	if err = errors.Join(c.err(), err); err != nil {
		did, err = s.before(ctx, t.ID, r, m, err)
	} else {
		did, err = s.move(ctx, t.ID, to, version, m, r)
	}
	if err != nil {
		return nil, err
	}
	out := s.changed(ctx, did.ticket)
	return &statusOutput{ETag: out.ETag, Replayed: replayed(did.again), Body: out.Body}, nil
}

// move gives a ticket a status, and says with it what there is to say.
func (s *server) move(ctx context.Context, id desk.TicketID, to desk.Status, version int64, m *desk.Message, r request) (said, error) {
	p, key, ch := s.Policy(), caller(ctx), desk.Change{Status: &to}
	if strings.TrimSpace(m.Text) == "" {
		change := func(apply func(*desk.Ticket) ([]desk.Event, error)) (said, error) {
			t, err := s.Books.Change(ctx, id, version, apply)
			return said{ticket: t}, err
		}
		if r.key == "" {
			return change(s.applying(p, key, ch))
		}
		apply := s.applying(p, key, ch)
		return s.once(ctx, id, r, nil, func(t *desk.Ticket) ([]desk.Event, error) {
			events, err := apply(t)
			if err == nil && len(events) == 0 { // the request must be known again: later it would change something
				events = []desk.Event{t.Unchanged(actor(key), s.Now())}
			}
			return events, err
		}, change)
	}
	apply := s.applying(p, key, saying(m, ch))
	return s.say(ctx, m, r, func(t *desk.Ticket) ([]desk.Event, error) {
		if version != 0 && t.Version != version {
			return nil, desk.ErrConflict
		}
		return apply(t)
	})
}
