package api

import (
	"context"
	"slices"
	"time"

	"switchboard/pipeline/desk"
)

// ticketView is a ticket as clients see it, everywhere the same.
type ticketView struct {
	UID             desk.TicketID   `json:"uid" doc:"The ticket's own identifier." example:"01K2Z7M3V0C9P4S8T6A1B2C3D4"`
	Number          int64           `json:"number" doc:"The human-readable number." example:"1042"`
	Title           string          `json:"title"`
	Description     string          `json:"description"`
	Status          desk.Status     `json:"status" doc:"A configured status." example:"NEW"`
	Priority        desk.Priority   `json:"priority" enum:"LOW,MEDIUM,HIGH,URGENT"`
	Type            desk.Type       `json:"type" doc:"A configured type." example:"INCIDENT"`
	Source          desk.Channel    `json:"source" enum:"EMAIL,SLACK,MS_TEAMS,WEB_FORM,CHAT,API,WEB,WORKFLOW" doc:"The medium it came by."`
	SourceName      string          `json:"sourceName" doc:"The configured source it came by." example:"support-mail"`
	Tags            []string        `json:"tags"`
	DueDate         *time.Time      `json:"dueDate" doc:"A due date somebody set; the SLA's are in tracking."`
	CustomerID      *string         `json:"customerId" doc:"The ID your systems know the customer by, else the customer's uid; null when nobody asked." example:"cust-123"`
	Customer        *customerView   `json:"customer,omitempty" doc:"Left out when nobody asked, and after a change when it cannot be read."`
	TeamID          *desk.TeamID    `json:"teamId" example:"team-456"`
	Team            *teamView       `json:"team,omitempty"`
	AgentID         *desk.AgentID   `json:"agentId" doc:"The assignee; null when unassigned."`
	Agent           *agentView      `json:"agent,omitempty"`
	AssignedBy      desk.AssignedBy `json:"assignedBy" doc:"What put the ticket on its desk: the route, the rule, how the agent was chosen."`
	EscalationLevel int             `json:"escalationLevel"`
	HandlingTime    int64           `json:"handlingTime" doc:"Seconds of work logged."`
	CustomFields    map[string]any  `json:"customFields"`
	Tracking        trackingView    `json:"tracking"`
	Links           []linkView      `json:"links,omitzero" doc:"Linked tickets; left out in lists, and after a change when they cannot be read."`
	MergedInto      desk.TicketID   `json:"mergedInto,omitempty"`
	CreatedAt       time.Time       `json:"createdAt"`
	UpdatedAt       time.Time       `json:"updatedAt"`
	Version         int64           `json:"version" doc:"Grows with every change; send it back to refuse a change made on old data." example:"1"`
}

// customerView is who asks: contact information, company, preferences, service
// level.
type customerView struct {
	UID          desk.CustomerID `json:"uid"`
	ExternalID   string          `json:"externalId,omitempty" example:"cust-123"`
	Name         string          `json:"name,omitempty"`
	Email        string          `json:"email,omitempty"`
	Phone        string          `json:"phone,omitempty"`
	ServiceLevel string          `json:"serviceLevel,omitempty"`
	VIP          bool            `json:"vip"`
	Language     string          `json:"language,omitempty"`
	TimeZone     string          `json:"timeZone,omitempty"`
	Preferences  map[string]any  `json:"preferences,omitempty"`
	Account      *accountView    `json:"account,omitempty"`
}

type accountView struct {
	UID          desk.AccountID `json:"uid"`
	Name         string         `json:"name"`
	Domain       string         `json:"domain,omitempty"`
	ServiceLevel string         `json:"serviceLevel,omitempty"`
}

type teamView struct {
	ID   desk.TeamID `json:"id" example:"team-456"`
	Name string      `json:"name"`
}

type agentView struct {
	ID    desk.AgentID `json:"id"`
	Name  string       `json:"name"`
	Email string       `json:"email,omitempty"`
}

// trackingView is what was measured.
type trackingView struct {
	FirstResponse  *clockView  `json:"firstResponse,omitempty" doc:"Until the first public answer of a person. Left out when no SLA promises one."`
	NextResponse   *clockView  `json:"nextResponse,omitempty" doc:"Until the answer to the customer's latest message."`
	Resolution     *clockView  `json:"resolution,omitempty" doc:"Until the ticket is resolved."`
	FirstAnswerAt  *time.Time  `json:"firstResponseAt"`
	ResolvedAt     *time.Time  `json:"resolvedAt"`
	ClosedAt       *time.Time  `json:"closedAt"`
	ReopenCount    int         `json:"reopenCount"`
	MessageCount   int         `json:"messageCount"`
	LastCustomerAt *time.Time  `json:"lastCustomerMessageAt"`
	LastAgentAt    *time.Time  `json:"lastAgentMessageAt"`
	PreviousStatus desk.Status `json:"previousStatus,omitempty"`
}

// clockView is one running measurement, in working time of its calendar.
type clockView struct {
	State     desk.ClockState `json:"state" enum:"RUNNING,PAUSED,MET,BREACHED,CANCELLED"`
	Breached  bool            `json:"breached" doc:"It was due and not met, running or not."`
	DueAt     *time.Time      `json:"dueAt" doc:"Null while paused."`
	StartedAt time.Time       `json:"startedAt"`
	StoppedAt *time.Time      `json:"stoppedAt"`
	SLA       string          `json:"sla"`
	Calendar  string          `json:"calendar,omitempty"`
	Target    int64           `json:"targetSeconds" doc:"Seconds of working time."`
}

func clockOf(c *desk.Clock) *clockView {
	return &clockView{State: c.State, Breached: c.State == desk.ClockBreached || !c.BreachedAt.IsZero(), DueAt: timeOrNull(c.DueAt),
		StartedAt: c.StartedAt.UTC(), StoppedAt: timeOrNull(c.StoppedAt), SLA: c.SLA, Calendar: c.Calendar, Target: int64(c.Target / time.Second)}
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func trackingOf(t *desk.Ticket) trackingView {
	v := trackingView{FirstAnswerAt: t.FirstResponseAt, ResolvedAt: t.ResolvedAt, ClosedAt: t.ClosedAt, ReopenCount: t.ReopenCount,
		MessageCount: t.MessageCount, LastCustomerAt: t.LastCustomerAt, LastAgentAt: t.LastAgentAt, PreviousStatus: t.PreviousStatus}
	for i := range t.Clocks {
		c := &t.Clocks[i]
		switch c.Metric {
		case desk.FirstResponse:
			v.FirstResponse = clockOf(c)
		case desk.NextResponse:
			if c.Begun() {
				v.NextResponse = clockOf(c)
			}
		case desk.Resolution:
			v.Resolution = clockOf(c)
		}
	}
	return v
}

func customerOf(r desk.Requester) *customerView {
	c := r.Customer
	v := &customerView{UID: c.ID, ExternalID: c.ExternalID, Name: c.Name, Email: c.Email, Phone: c.Phone, ServiceLevel: c.ServiceLevel,
		VIP: c.VIP, Language: c.Language, TimeZone: c.TimeZone, Preferences: c.Preferences}
	if r.Account.ID != "" {
		v.Account = &accountView{UID: r.Account.ID, Name: r.Account.Name, Domain: r.Account.Domain, ServiceLevel: r.Account.ServiceLevel}
	}
	return v
}

// ticketOf is the one place where a ticket becomes its view. who is nil when
// the customer is not known.
func ticketOf(p *desk.Policy, t *desk.Ticket, who *customerView) ticketView {
	v := ticketView{UID: t.ID, Number: t.Number, Title: t.Title, Description: t.Description, Status: t.Status, Priority: t.Priority,
		Type: t.Type, Source: t.Channel, SourceName: t.Source, Tags: t.Tags, DueDate: t.DueDate, AssignedBy: t.AssignedBy,
		EscalationLevel: t.Escalation, HandlingTime: t.Handling, CustomFields: t.Custom, Tracking: trackingOf(t), MergedInto: t.MergedInto,
		CreatedAt: t.CreatedAt.UTC(), UpdatedAt: t.UpdatedAt.UTC(), Version: t.Version}
	if v.Tags == nil {
		v.Tags = []string{}
	}
	if v.CustomFields == nil {
		v.CustomFields = map[string]any{}
	}
	if t.CustomerID != "" {
		id := string(t.CustomerID)
		if who != nil && who.ExternalID != "" {
			id = who.ExternalID
		}
		v.CustomerID, v.Customer = &id, who
	}
	if t.TeamID != "" {
		v.TeamID, v.Team = &t.TeamID, &teamView{ID: t.TeamID, Name: string(t.TeamID)}
		if team, ok := p.Team(t.TeamID); ok && team.Name != "" {
			v.Team.Name = team.Name
		}
	}
	if t.AgentID != "" {
		v.AgentID, v.Agent = &t.AgentID, &agentView{ID: t.AgentID, Name: string(t.AgentID)}
		if a, ok := p.Agent(t.AgentID); ok {
			v.Agent.Name, v.Agent.Email = a.Name, a.Email
		}
	}
	return v
}

// page is one page of a list.
type page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"nextCursor" doc:"Send it as cursor to get the next page; null on the last page."`
}

func pageOf[T any](items []T, next string) page[T] {
	p := page[T]{Items: items}
	if items == nil {
		p.Items = []T{}
	}
	if next != "" {
		p.NextCursor = &next
	}
	return p
}

// views turns tickets into their views, with their customers.
func (s *server) views(ctx context.Context, p *desk.Policy, tickets ...*desk.Ticket) ([]ticketView, error) {
	var ids []desk.CustomerID
	for _, t := range tickets {
		if t.CustomerID != "" && !slices.Contains(ids, t.CustomerID) {
			ids = append(ids, t.CustomerID)
		}
	}
	var who map[desk.CustomerID]desk.Requester
	if len(ids) > 0 {
		var err error
		if who, err = s.Books.Customers(ctx, ids); err != nil {
			return nil, err
		}
	}
	out := make([]ticketView, len(tickets))
	for i, t := range tickets {
		var c *customerView
		if r, ok := who[t.CustomerID]; ok {
			c = customerOf(r)
		}
		out[i] = ticketOf(p, t, c)
	}
	return out, nil
}

// full is the view of one ticket, with its links.
func (s *server) full(ctx context.Context, t *desk.Ticket) (ticketView, error) {
	views, err := s.views(ctx, s.Policy(), t)
	if err != nil {
		return ticketView{}, err
	}
	links, err := s.Books.Links(ctx, t.ID)
	views[0].Links = linksOf(t.ID, links)
	return views[0], err
}
