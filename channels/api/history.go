package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// eventView is one line of a ticket's history.
type eventView struct {
	ID       desk.EventID   `json:"id"`
	TicketID desk.TicketID  `json:"ticketId"`
	Seq      int            `json:"seq" doc:"Counts from 1 without gaps. Of an old ticket the first that is left stands for all before it."`
	Kind     string         `json:"kind" example:"ticket:status:changed"`
	Actor    desk.Actor     `json:"actor"`
	At       time.Time      `json:"at"`
	Data     map[string]any `json:"data"`
}

// receiptView is what became of an accepted message.
type receiptView struct {
	Receipt    desk.ReceiptID `json:"receipt"`
	State      desk.State     `json:"state" enum:"accepted,filed,duplicate,dropped,held,failed" doc:"accepted: on its way. filed: on its ticket. duplicate: there already. dropped, held and failed carry a reason."`
	Reason     string         `json:"reason,omitempty"`
	Ticket     *ticketRef     `json:"ticket,omitempty" doc:"The ticket it is on."`
	MessageID  desk.MessageID `json:"messageId,omitempty"`
	Source     string         `json:"source" doc:"The configured source it came by." example:"api"`
	AcceptedAt time.Time      `json:"acceptedAt"`
	SettledAt  *time.Time     `json:"settledAt"`
	Attempts   int            `json:"attempts"`
	Trail      []desk.Note    `json:"trail" doc:"Every decision of every stage, in words."`
}

type ticketRef struct {
	UID    desk.TicketID `json:"uid"`
	Number int64         `json:"number,omitempty"`
	URL    string        `json:"url" example:"/v1/tickets/01K2Z7M3V0C9P4S8T6A1B2C3D4"`
}

type eventsInput struct {
	Which
	Paging
}

type eventsOutput struct{ Body page[eventView] }

type receiptInput struct {
	Receipt string `path:"receipt" maxLength:"40" doc:"The receipt of a 202."`
}

type receiptOutput struct{ Body receiptView }

func (s *server) routeHistory() {
	route(s, huma.Operation{
		OperationID: "listEvents", Method: http.MethodGet, Path: "/v1/tickets/{id}/events", Tags: []string{"tickets"},
		Summary: "Read the history of a ticket", Description: "Oldest first: who did what, when.",
	}, desk.ReadTickets, s.events)
	route(s, huma.Operation{
		OperationID: "getReceipt", Method: http.MethodGet, Path: "/v1/intake/{receipt}", Tags: []string{"intake"},
		Summary: "Ask what became of a message", Description: "For every message of every channel: its state, its ticket and every decision on the way.",
	}, desk.ReadIntake, s.receipt)
}

func (s *server) events(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	limit, err := s.size(in.Paging)
	if err != nil {
		return nil, err
	}
	after := 0
	if in.Cursor != "" {
		if after, err = strconv.Atoi(in.Cursor); err != nil || after < 0 || after > 1<<31-1 {
			return nil, desk.Invalidf("cursor", "is not a cursor of this list")
		}
	}
	t, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	events, err := s.Books.Events(ctx, t.ID, after, limit)
	if err != nil {
		return nil, err
	}
	next := ""
	if n := len(events); n > 0 && events[n-1].Seq < t.EventCount {
		next = strconv.Itoa(events[n-1].Seq)
	}
	views := make([]eventView, len(events))
	for i, e := range events {
		views[i] = eventView{ID: e.ID, TicketID: e.TicketID, Seq: e.Seq, Kind: e.Kind, Actor: e.Actor, At: e.At.UTC(), Data: e.Data}
		if e.Data == nil {
			views[i].Data = map[string]any{}
		}
	}
	return &eventsOutput{pageOf(views, next)}, nil
}

func (s *server) receipt(ctx context.Context, in *receiptInput) (*receiptOutput, error) {
	err := desk.ErrNotFound
	var r desk.Receipt
	if desk.IsID(in.Receipt) {
		r, err = s.Books.Receipt(ctx, desk.ReceiptID(strings.ToUpper(in.Receipt)))
	}
	if errors.Is(err, desk.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, "there is no such receipt", FieldError{Field: "receipt", In: "path", Message: "names no message"})
	}
	if err != nil {
		return nil, err
	}
	return &receiptOutput{s.receiptOf(ctx, r)}, nil
}

func (s *server) receiptOf(ctx context.Context, r desk.Receipt) receiptView {
	v := receiptView{Receipt: r.ID, State: r.State, Reason: r.Reason, MessageID: r.MessageID, Source: r.Source, AcceptedAt: r.AcceptedAt.UTC(),
		SettledAt: timeOrNull(r.SettledAt), Attempts: r.Attempts, Trail: r.Trail}
	if v.Trail == nil {
		v.Trail = []desk.Note{}
	}
	if r.TicketID != "" {
		v.Ticket = &ticketRef{UID: r.TicketID, URL: "/v1/tickets/" + string(r.TicketID)}
		if t, err := s.Books.Ticket(ctx, string(r.TicketID)); err == nil { // a deleted ticket keeps its uid
			v.Ticket.Number = t.Number
		}
	}
	return v
}
