package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// addLink is the body of POST /v1/tickets/{id}/links.
type addLink struct {
	TicketID string `json:"ticketId" maxLength:"40" doc:"The other ticket, by uid or number." example:"1043"`
	Type     string `json:"type,omitempty" doc:"RELATES (without it), DUPLICATES, BLOCKS, PARENT (is the parent of), or seen from the other end DUPLICATED_BY, BLOCKED_BY, CHILD; in any case." example:"BLOCKS"`
}

// linkView is a link as seen from one of its tickets.
type linkView struct {
	TicketID  desk.TicketID `json:"ticketId" doc:"The other ticket."`
	Type      string        `json:"type" enum:"RELATES,DUPLICATES,BLOCKS,PARENT,DUPLICATED_BY,BLOCKED_BY,CHILD" doc:"What this ticket is to the other."`
	Reason    string        `json:"reason,omitempty"`
	By        desk.Actor    `json:"by"`
	CreatedAt time.Time     `json:"createdAt"`
}

func linkOf(seenFrom desk.TicketID, l desk.Link) linkView {
	v := linkView{TicketID: l.To, Type: string(l.Type), Reason: l.Reason, By: l.By, CreatedAt: l.CreatedAt.UTC()}
	if l.To == seenFrom {
		v.TicketID, v.Type = l.From, l.Type.Inverse()
	}
	return v
}

func linksOf(seenFrom desk.TicketID, links []desk.Link) []linkView {
	views := make([]linkView, len(links))
	for i, l := range links {
		views[i] = linkOf(seenFrom, l)
	}
	return views
}

type linkInput struct {
	Which
	Body addLink
}

type linkOutput struct{ Body linkView }

type linksOutput struct{ Body page[linkView] }

func (s *server) routeLinks() {
	route(s, huma.Operation{
		OperationID: "linkTickets", Method: http.MethodPost, Path: "/v1/tickets/{id}/links", Tags: []string{"links"}, DefaultStatus: http.StatusCreated,
		Summary: "Link two tickets", Description: "A link that is there already is 409.",
		RequestBody: example(map[string]any{"ticketId": "1043", "type": "BLOCKS"}),
	}, desk.UpdateTickets, s.link)
	route(s, huma.Operation{
		OperationID: "listLinks", Method: http.MethodGet, Path: "/v1/tickets/{id}/links", Tags: []string{"links"},
		Summary: "List the links of a ticket", Description: "Both directions, in one page.",
	}, desk.ReadTickets, s.links)
}

// linkType reads a link type from either end; back says that the link starts at
// the other ticket.
func linkType(name string) (t desk.LinkType, back bool, err error) {
	if name == "" {
		return desk.Relates, false, nil
	}
	if t, err = desk.ParseLinkType(name); err == nil {
		return t, false, nil
	}
	i := slices.IndexFunc(desk.LinkTypes(), func(t desk.LinkType) bool { return strings.EqualFold(t.Inverse(), strings.TrimSpace(name)) })
	if i < 0 {
		return "", false, err
	}
	return desk.LinkTypes()[i], true, nil
}

func (s *server) link(ctx context.Context, in *linkInput) (*linkOutput, error) {
	from, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, back, err := linkType(in.Body.Type)
	if err != nil {
		return nil, err
	}
	to, err := s.lookup(ctx, strings.TrimSpace(in.Body.TicketID))
	if errors.Is(err, desk.ErrNotFound) {
		return nil, desk.Invalidf("ticketId", "names no ticket")
	}
	if err != nil {
		return nil, err
	}
	if from.ID == to.ID {
		return nil, desk.Invalidf("ticketId", "is this very ticket")
	}
	l := desk.Link{From: from.ID, To: to.ID, Type: t, By: actor(caller(ctx)), CreatedAt: s.Now().UTC().Truncate(time.Microsecond)}
	if back {
		l.From, l.To = l.To, l.From
	}
	err = s.Books.Link(ctx, l)
	if errors.Is(err, desk.ErrConflict) {
		return nil, newProblem(http.StatusConflict, "these tickets are linked like that already")
	}
	if err != nil {
		return nil, err
	}
	return &linkOutput{linkOf(from.ID, l)}, nil
}

func (s *server) links(ctx context.Context, in *Which) (*linksOutput, error) {
	t, err := s.ticket(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	links, err := s.Books.Links(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	return &linksOutput{pageOf(linksOf(t.ID, links), "")}, nil
}
