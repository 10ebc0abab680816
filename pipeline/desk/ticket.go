package desk

import (
	"log/slog"
	"time"
)

// Ticket is the case: what a customer wants, who works on it and by when.
type Ticket struct {
	ID          TicketID `json:"uid"`
	Number      int64    `json:"number"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Status      Status   `json:"status"`
	Priority    Priority `json:"priority"`
	Type        Type     `json:"type"`
	Channel     Channel  `json:"source"`     // the wire calls the medium "source"
	Source      string   `json:"sourceName"` // the configured source
	Scope       string   `json:"-"`
	// ThreadSource is the source whose conversation answers go to; "" while
	// there is none. The store alone sets it.
	ThreadSource string         `json:"-"`
	Tags         []string       `json:"tags"`
	DueDate      *time.Time     `json:"dueDate"`
	CustomerID   CustomerID     `json:"customerUid"`
	TeamID       TeamID         `json:"teamId"`
	AgentID      AgentID        `json:"agentId"`
	AssignedBy   AssignedBy     `json:"assignedBy"`
	Escalation   int            `json:"escalationLevel"`
	Handling     int64          `json:"handlingTime"` // seconds of work logged
	Custom       map[string]any `json:"customFields"`
	// Participants are the handles that may write on this ticket's threads:
	// the requester and everybody addressed, our own addresses left out.
	Participants []string `json:"-"`
	Clocks       []Clock  `json:"clocks"`

	PreviousStatus  Status     `json:"previousStatus,omitempty"`
	FirstResponseAt *time.Time `json:"firstResponseAt"`
	ResolvedAt      *time.Time `json:"resolvedAt"`
	ClosedAt        *time.Time `json:"closedAt"`
	ReopenCount     int        `json:"reopenCount"`
	MessageCount    int        `json:"messageCount"`
	LastCustomerAt  *time.Time `json:"lastCustomerAt"`
	LastAgentAt     *time.Time `json:"lastAgentAt"`
	MergedInto      TicketID   `json:"mergedInto,omitempty"`
	EventCount      int        `json:"-"` // events so far; the next one's Seq is one more

	CreatedAt time.Time  `json:"createdAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
	DeletedAt *time.Time `json:"deletedAt,omitempty"`
	// Version counts saved changes, for optimistic locking.
	Version int64 `json:"version"`
}

// AssignedBy names what put a ticket on its desk: the answer to "why here".
type AssignedBy struct {
	Route string `json:"route,omitempty"`
	Rule  string `json:"rule,omitempty"`
	Agent string `json:"agent,omitempty"` // how the agent was chosen, in words
}

// LogValue shows the ID and number, never what it says.
func (t *Ticket) LogValue() slog.Value {
	if t == nil {
		return slog.Value{}
	}
	return slog.GroupValue(slog.String("uid", string(t.ID)), slog.Int64("number", t.Number))
}

// NextDue returns the earliest due instant of the clocks that run, and false
// when none runs.
func (t *Ticket) NextDue() (time.Time, bool) {
	var due time.Time
	for _, c := range t.Clocks {
		if c.State == ClockRunning && (due.IsZero() || c.DueAt.Before(due)) {
			due = c.DueAt
		}
	}
	return due, !due.IsZero()
}

// maxParticipants bounds what one mail with a huge recipient list can add.
const maxParticipants = 100

// Join adds handles to the participants, without doubles and bounded.
func (t *Ticket) Join(handles ...string) {
	for _, h := range handles {
		if h != "" && len(t.Participants) < maxParticipants && !t.Has(h) {
			t.Participants = append(t.Participants, h)
		}
	}
}

// Has reports whether a handle takes part in the ticket.
func (t *Ticket) Has(handle string) bool {
	for _, p := range t.Participants {
		if p == handle {
			return true
		}
	}
	return false
}
