package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// Which names a ticket in a path.
type Which struct {
	ID string `path:"id" maxLength:"40" doc:"The ticket's uid or number." example:"1042"`
}

// Match is the If-Match header.
type Match struct {
	IfMatch string `header:"If-Match" maxLength:"40" doc:"The ETag the change was made on; 409 when the ticket has moved on." example:"\"3\""`
}

// Paging is where a list goes on, and how far.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" doc:"Items of the page; the server has a maximum, 100 unless configured." example:"50"`
	Cursor string `query:"cursor" maxLength:"500" doc:"nextCursor of the page before."`
}

// size is the number of items asked for.
func (s *server) size(p Paging) (int, error) {
	if p.Limit > s.Limits.PageLimit {
		return 0, desk.Invalidf("limit", "is more than %d", s.Limits.PageLimit)
	}
	if p.Limit == 0 {
		return min(desk.DefaultPage, s.Limits.PageLimit), nil
	}
	return p.Limit, nil
}

type listInput struct {
	Paging
	Status        []string  `query:"status" doc:"Statuses, any of them, in any case." example:"NEW,OPEN"`
	Priority      []string  `query:"priority" doc:"Priorities, any of them." example:"HIGH,URGENT"`
	Type          []string  `query:"type" doc:"Types, any of them."`
	TeamID        []string  `query:"teamId" doc:"Teams, any of them."`
	AgentID       []string  `query:"agentId" doc:"Assignees, any of them; none: unassigned."`
	CustomerID    string    `query:"customerId" maxLength:"200" doc:"The customer, by your ID or our uid." example:"cust-123"`
	Source        []string  `query:"source" doc:"Media, any of them." example:"EMAIL"`
	Tag           string    `query:"tag" maxLength:"100" doc:"One tag, in any case."`
	CreatedAfter  time.Time `query:"createdAfter" doc:"RFC 3339, inclusive."`
	CreatedBefore time.Time `query:"createdBefore" doc:"RFC 3339, exclusive."`
}

type ticketOutput struct {
	ETag string `header:"ETag" doc:"The ticket's version, for If-Match."`
	Body ticketView
}

type listOutput struct{ Body page[ticketView] }

func (s *server) routeRead() {
	route(s, huma.Operation{
		OperationID: "listTickets", Method: http.MethodGet, Path: "/v1/tickets", Tags: []string{"tickets"},
		Summary: "List tickets", Description: "Newest first. Within one filter any value matches; all filters must hold.",
	}, desk.ReadTickets, s.list)
	route(s, huma.Operation{
		OperationID: "getTicket", Method: http.MethodGet, Path: "/v1/tickets/{id}", Tags: []string{"tickets"}, Summary: "Get a ticket",
	}, desk.ReadTickets, func(ctx context.Context, in *Which) (*ticketOutput, error) {
		t, err := s.ticket(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return s.answer(ctx, t)
	})
}

// ticket finds the ticket of a path.
func (s *server) ticket(ctx context.Context, id string) (*desk.Ticket, error) {
	t, err := s.lookup(ctx, id)
	if errors.Is(err, desk.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, "there is no such ticket", FieldError{Field: "id", In: "path", Message: "names no ticket"})
	}
	return t, err
}

// lookup asks the books only for what has the form of a uid or number.
func (s *server) lookup(ctx context.Context, id string) (*desk.Ticket, error) {
	if desk.IsID(id) {
		return s.Books.Ticket(ctx, strings.ToUpper(id))
	}
	if len(id) == 0 || len(id) > 18 || id[0] == '0' || strings.Trim(id, "0123456789") != "" {
		return nil, desk.ErrNotFound
	}
	return s.Books.Ticket(ctx, id)
}

func (s *server) answer(ctx context.Context, t *desk.Ticket) (*ticketOutput, error) {
	view, err := s.full(ctx, t)
	if err != nil {
		return nil, err
	}
	return &ticketOutput{ETag: etag(t.Version), Body: view}, nil
}

// changed answers with a ticket that a request just changed. The change is made,
// whatever the books say now: who hears of an error makes it again. So what cannot
// be read is left out, the customer and the links.
func (s *server) changed(ctx context.Context, t *desk.Ticket) *ticketOutput {
	out, err := s.answer(ctx, t)
	if err != nil {
		s.problem(ctx, "show a changed ticket", err)
		out = &ticketOutput{ETag: etag(t.Version), Body: ticketOf(s.Policy(), t, nil)}
	}
	return out
}

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

func (s *server) list(ctx context.Context, in *listInput) (*listOutput, error) {
	p := s.Policy()
	f, err := s.filter(p, in)
	if err != nil {
		return nil, err
	}
	if in.CustomerID != "" {
		r, err := s.customer(ctx, in.CustomerID)
		if err != nil {
			return nil, err
		}
		if !r.Found {
			return &listOutput{pageOf[ticketView](nil, "")}, nil
		}
		f.Customer = r.Customer.ID
	}
	tickets, next, err := s.Books.Tickets(ctx, f)
	if err != nil {
		return nil, err
	}
	views, err := s.views(ctx, p, tickets...)
	return &listOutput{pageOf(views, next)}, err
}

func (s *server) filter(p *desk.Policy, in *listInput) (desk.TicketFilter, error) {
	var c checks
	f := desk.TicketFilter{
		Status:   parsedAll(&c, "status", in.Status, p.Statuses.Parse),
		Priority: parsedAll(&c, "priority", in.Priority, desk.ParsePriority),
		Type:     parsedAll(&c, "type", in.Type, p.Types.Parse),
		Channel:  parsedAll(&c, "source", in.Source, desk.ParseChannel),
		Team:     parsedAll(&c, "teamId", in.TeamID, func(x string) (desk.TeamID, error) { return desk.TeamID(c.id("teamId", x)), nil }),
		Tag:      c.id("tag", in.Tag), CreatedAfter: c.instant("createdAfter", in.CreatedAfter), CreatedBefore: c.instant("createdBefore", in.CreatedBefore), Cursor: in.Cursor,
	}
	in.CustomerID = c.id("customerId", in.CustomerID)
	for _, id := range in.AgentID {
		if strings.EqualFold(id, "none") {
			f.Unassigned = true
		} else if id = c.id("agentId", id); id != "" {
			f.Agent = append(f.Agent, desk.AgentID(id))
		}
	}
	limit, err := s.size(in.Paging)
	f.Limit = limit
	return f, errors.Join(c.err(), err)
}

// instant keeps a filter within the years that every store compares alike; the
// zero instant is no filter.
func (c *checks) instant(field string, t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		c.wrong(field, "must lie between the years 1 and 9999")
	}
	return t
}

// maxAny bounds the values of one filter.
const maxAny = 50

func parsedAll[T ~string](c *checks, field string, values []string, parse func(string) (T, error)) []T {
	if len(values) > maxAny {
		c.wrong(field, "has more than %d values", maxAny)
		return nil
	}
	var out []T
	for _, v := range values {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		if t := parsed(c, v, parse); t != "" {
			out = append(out, t)
		}
	}
	return out
}
