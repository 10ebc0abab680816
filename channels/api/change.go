package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// updateTicket is the body of PATCH /v1/tickets/{id}: what is left out stays
// (RFC 7396 for customFields).
type updateTicket struct {
	Title        opt[string]         `json:"title,omitempty" maxLength:"500" doc:"At most 500 characters." example:"Unable to access account on iOS"`
	Description  opt[string]         `json:"description,omitempty"`
	Status       opt[string]         `json:"status,omitempty" doc:"A configured status the ticket may move to, in any case." example:"IN_PROGRESS"`
	Priority     opt[string]         `json:"priority,omitempty" example:"URGENT"`
	Type         opt[string]         `json:"type,omitempty" example:"PROBLEM"`
	TeamID       opt[string]         `json:"teamId,omitempty" doc:"A known team; null takes the ticket off its team."`
	AgentID      opt[string]         `json:"agentId,omitempty" doc:"A configured agent, or any when the key may create names; null unassigns."`
	Tags         opt[[]string]       `json:"tags,omitempty" maxItems:"50" doc:"Replaces all tags; null removes them."`
	DueDate      opt[time.Time]      `json:"dueDate,omitempty" doc:"RFC 3339; null clears it."`
	CustomFields opt[map[string]any] `json:"customFields,omitempty" doc:"Merged into what is there; a null value removes its field."`
	Escalation   opt[int]            `json:"escalationLevel,omitempty" minimum:"0" maximum:"100" doc:"0 is not escalated."`
	AddHandling  opt[int64]          `json:"addHandlingTime,omitempty" minimum:"1" maximum:"31536000" doc:"Seconds of work to add to handlingTime."`
	Version      opt[int64]          `json:"version,omitempty" minimum:"1" doc:"The version the change was made on; 409 when the ticket has moved on."`
}

// assignTicket is the body of POST /v1/tickets/{id}/assign.
type assignTicket struct {
	AgentID opt[string] `json:"agentId,omitempty" doc:"A configured agent, or any when the key may create names; null or empty unassigns." example:"ann"`
	TeamID  opt[string] `json:"teamId,omitempty" doc:"A known team; null or empty takes the ticket off its team." example:"team-456"`
}

// maxCustom bounds how many custom fields a ticket gathers by many changes.
const maxCustom = 200

// change turns the body into data for [desk.Ticket.Apply]. It is pure.
func (b *updateTicket) change(p *desk.Policy, textLimit int) (desk.Change, error) {
	var c checks
	for _, f := range []struct {
		name string
		null bool
	}{{"title", b.Title.null}, {"status", b.Status.null}, {"priority", b.Priority.null}, {"type", b.Type.null},
		{"customFields", b.CustomFields.null}, {"escalationLevel", b.Escalation.null}, {"addHandlingTime", b.AddHandling.null}, {"version", b.Version.null}} {
		if f.null {
			c.wrong(f.name, "cannot be null")
		}
	}
	ch := desk.Change{
		Status: reparsed(&c, b.Status, p.Statuses.Parse), Priority: reparsed(&c, b.Priority, desk.ParsePriority),
		Type: reparsed(&c, b.Type, p.Types.Parse), Team: idOf[desk.TeamID](&c, "teamId", b.TeamID),
		Agent: idOf[desk.AgentID](&c, "agentId", b.AgentID), ClearDue: b.DueDate.null,
		CustomFields: c.fields(p, b.CustomFields.value, false), Escalation: b.Escalation.pointer(),
		AddHandling: time.Duration(b.AddHandling.value) * time.Second,
	}
	if ch.Title = b.Title.pointer(); ch.Title != nil {
		if *ch.Title = c.title(*ch.Title); *ch.Title == "" && !b.Title.null {
			c.wrong("title", "is empty")
		}
	}
	if ch.Description = b.Description.pointer(); ch.Description != nil {
		*ch.Description = c.text("description", *ch.Description, textLimit)
	}
	if ch.Tags = b.Tags.pointer(); ch.Tags != nil {
		*ch.Tags = c.tags(*ch.Tags)
	}
	if b.DueDate.said && !b.DueDate.null {
		ch.DueDate = c.due(&b.DueDate.value)
	}
	return ch, c.err()
}

// reparsed reads an enumeration of a change; empty is as wrong as unknown.
func reparsed[T ~string](c *checks, o opt[string], parse func(string) (T, error)) *T {
	if !o.said || o.null {
		return nil
	}
	v, err := parse(o.value)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	return &v
}

func idOf[T ~string](c *checks, field string, o opt[string]) *T {
	if !o.said {
		return nil
	}
	v := T(c.id(field, o.value))
	return &v
}

type updateInput struct {
	Which
	Match
	Body updateTicket
}

type assignInput struct {
	Which
	Match
	Body assignTicket
}

type deleteInput struct {
	Which
	Match
}

func (s *server) routeChanges() {
	route(s, huma.Operation{
		OperationID: "updateTicket", Method: http.MethodPatch, Path: "/v1/tickets/{id}", Tags: []string{"tickets"},
		Summary: "Change a ticket", Description: "What the body leaves out stays as it is. A status move that is not allowed is 409 and names the moves that are.",
		RequestBody: example(map[string]any{"priority": "URGENT", "tags": []string{"mobile-app", "login", "vip"}, "customFields": map[string]any{"appVersion": "2.1.1"}, "version": 1}),
	}, desk.UpdateTickets, s.update)
	route(s, huma.Operation{
		OperationID: "deleteTicket", Method: http.MethodDelete, Path: "/v1/tickets/{id}", Tags: []string{"tickets"},
		Summary: "Delete a ticket", Description: "The ticket disappears from every list; its history is kept in the books.",
	}, desk.DeleteTickets, s.delete)
	route(s, huma.Operation{
		OperationID: "assignTicket", Method: http.MethodPost, Path: "/v1/tickets/{id}/assign", Tags: []string{"tickets"}, DefaultStatus: http.StatusOK,
		Summary: "Assign a ticket", Description: "To an agent, a team or both.",
		RequestBody: example(map[string]any{"agentId": "ann", "teamId": "team-456"}),
	}, desk.UpdateTickets, s.assign)
	s.routeStatus()
}

func (s *server) update(ctx context.Context, in *updateInput) (*ticketOutput, error) {
	p := s.Policy()
	ch, err := in.Body.change(p, s.Limits.TextBytes)
	if err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	if in.Body.Version.said {
		version = in.Body.Version.value
	}
	return s.apply(ctx, p, in.ID, version, ch)
}

func (s *server) assign(ctx context.Context, in *assignInput) (*ticketOutput, error) {
	if !in.Body.AgentID.said && !in.Body.TeamID.said {
		return nil, desk.Invalidf("agentId", "is required, unless there is a teamId")
	}
	var c checks
	ch := desk.Change{Team: idOf[desk.TeamID](&c, "teamId", in.Body.TeamID), Agent: idOf[desk.AgentID](&c, "agentId", in.Body.AgentID)}
	if err := c.err(); err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return s.apply(ctx, s.Policy(), in.ID, version, ch)
}

func (s *server) delete(ctx context.Context, in *deleteInput) (*struct{}, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	_, err = s.change(ctx, s.Policy(), in.ID, version, desk.Change{Delete: true})
	return nil, err
}

// apply changes a ticket and answers with it.
func (s *server) apply(ctx context.Context, p *desk.Policy, id string, version int64, ch desk.Change) (*ticketOutput, error) {
	t, err := s.change(ctx, p, id, version, ch)
	if err != nil {
		return nil, err
	}
	return s.changed(ctx, t), nil
}

func (s *server) change(ctx context.Context, p *desk.Policy, id string, version int64, ch desk.Change) (*desk.Ticket, error) {
	t, err := s.ticket(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.assignable(ctx, p, t, ch); err != nil {
		return nil, err
	}
	return s.Books.Change(ctx, t.ID, version, s.applying(p, caller(ctx), ch))
}

// applying makes the change on the ticket as it is when its row is locked.
func (s *server) applying(p *desk.Policy, key desk.Key, ch desk.Change) func(*desk.Ticket) ([]desk.Event, error) {
	ch.At, ch.By = s.Now(), actor(key)
	return func(t *desk.Ticket) ([]desk.Event, error) {
		ch := ch
		ch.AssignedBy = byHand(t, ch)
		events, err := t.Apply(p, ch)
		if err == nil && len(t.Custom) > maxCustom {
			err = desk.Invalidf("customFields", "would be more than %d", maxCustom)
		}
		return events, err
	}
}

// byHand says who put the ticket on its new desk.
func byHand(t *desk.Ticket, ch desk.Change) *desk.AssignedBy {
	by := t.AssignedBy
	who := ch.By.Name
	if who == "" {
		who = ch.By.ID
	}
	if ch.Team != nil && *ch.Team != t.TeamID {
		by.Route, by.Rule = "", "by hand: "+who
	}
	if ch.Agent != nil && *ch.Agent != t.AgentID {
		by.Agent = "by hand: " + who
		if *ch.Agent == "" {
			by.Agent = ""
		}
	}
	return &by
}

// assignable checks the team and agent a change names. A team is made on first
// use by new tickets only.
func (s *server) assignable(ctx context.Context, p *desk.Policy, t *desk.Ticket, ch desk.Change) error {
	var c checks
	if ch.Team != nil && *ch.Team != t.TeamID {
		known, err := s.hasTeam(ctx, p, *ch.Team)
		if err != nil {
			return err
		}
		if !known {
			c.wrong("teamId", "is not a known team")
		}
	}
	if ch.Agent != nil && *ch.Agent != t.AgentID && !hasAgent(p, *ch.Agent) && !caller(ctx).Role.May(desk.CreateNames) {
		c.wrong("agentId", "is not a configured agent")
	}
	return c.err()
}

// version reads an If-Match header: our own ETag, or * and nothing for any
// version (RFC 9110 section 13.1.1).
func (m Match) version() (int64, error) {
	if m.IfMatch == "" || m.IfMatch == "*" {
		return 0, nil
	}
	v, err := strconv.ParseInt(strings.Trim(m.IfMatch, `"`), 10, 64)
	if err != nil || v < 1 || !strings.HasPrefix(m.IfMatch, `"`) {
		return 0, newProblem(http.StatusUnprocessableEntity, "", FieldError{Field: "If-Match", In: "header", Message: `must be one ETag of this ticket, such as "3"`})
	}
	return v, nil
}
