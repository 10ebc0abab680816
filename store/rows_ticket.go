package store

import (
	"cmp"
	"encoding/json"
	"time"

	"switchboard/pipeline/desk"
)

// ticketRow is a row of tickets. What lists filter and sort by has a column of
// its own; the rest is JSON.
type ticketRow struct {
	ID              string `gorm:"primaryKey"`
	Number          int64
	Title           string
	Description     string
	Status          string
	Priority        string
	Type            string
	Channel         string
	Source          string
	Scope           string
	Tags            string
	DueDate         *time.Time
	CustomerID      string
	TeamID          string
	AgentID         string
	AssignedBy      string
	Escalation      int
	Handling        int64
	Custom          string
	Participants    string
	Clocks          string
	NextDueAt       *time.Time
	PreviousStatus  string
	FirstResponseAt *time.Time
	ResolvedAt      *time.Time
	ClosedAt        *time.Time
	ReopenCount     int
	MessageCount    int
	LastCustomerAt  *time.Time
	LastAgentAt     *time.Time
	MergedInto      string
	EventCount      int
	ThreadSource    string
	ThreadKey       string
	ThreadAddress   string
	CreatedAt       time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt       time.Time `gorm:"autoUpdateTime:false"`
	DeletedAt       *time.Time
	Version         int64
	Described       string // the message that has the description; see describe.go

	words  string // of that message, once they were fetched
	worded bool   // the description is to be written too
}

func (ticketRow) TableName() string { return "tickets" }

// ticketChanges are the columns of a ticket that can change, but for its words:
// see rewriteTickets.
const ticketChanges = `title status priority type tags due_date
	customer_id team_id agent_id assigned_by escalation handling custom participants clocks next_due_at
	previous_status first_response_at resolved_at closed_at reopen_count message_count last_customer_at
	last_agent_at merged_into event_count thread_source thread_key thread_address updated_at deleted_at version`

// newTicketRow leaves the thread columns empty: they are not the ticket's own.
func newTicketRow(t *desk.Ticket) (ticketRow, error) {
	var p packer
	row := ticketRow{
		ID: string(t.ID), Number: t.Number, Title: desk.Clean(t.Title), Description: desk.Clean(t.Description), Status: string(t.Status),
		Priority: string(t.Priority), Type: string(t.Type), Channel: string(t.Channel), Source: t.Source, Scope: t.Scope,
		Tags: p.texts(t.Tags), DueDate: microAt(t.DueDate), CustomerID: string(t.CustomerID), TeamID: string(t.TeamID),
		AgentID: string(t.AgentID), AssignedBy: p.assignedBy(t.AssignedBy), Escalation: t.Escalation, Handling: t.Handling,
		Custom: p.fields(t.Custom), Participants: p.texts(t.Participants), Clocks: p.clocks(t.Clocks), NextDueAt: nextDue(t),
		PreviousStatus: string(t.PreviousStatus), FirstResponseAt: microAt(t.FirstResponseAt), ResolvedAt: microAt(t.ResolvedAt),
		ClosedAt: microAt(t.ClosedAt), ReopenCount: t.ReopenCount, MessageCount: t.MessageCount,
		LastCustomerAt: microAt(t.LastCustomerAt), LastAgentAt: microAt(t.LastAgentAt), MergedInto: string(t.MergedInto),
		EventCount: t.EventCount, CreatedAt: micro(t.CreatedAt), UpdatedAt: micro(t.UpdatedAt), DeletedAt: microAt(t.DeletedAt),
		Version: t.Version,
	}
	return row, p.err
}

// nextDue is the earliest due instant among the clocks that run and are not
// marked as breached yet: what the sweep looks for.
func nextDue(t *desk.Ticket) *time.Time {
	var due time.Time
	for _, c := range t.Clocks {
		if c.State == desk.ClockRunning && c.BreachedAt.IsZero() && !c.DueAt.IsZero() && (due.IsZero() || c.DueAt.Before(due)) {
			due = c.DueAt
		}
	}
	if t.DeletedAt != nil {
		return nil
	}
	return microp(due)
}

// desk is the ticket with the words it has in its row and those that were fetched.
func (r *ticketRow) desk() (*desk.Ticket, error) {
	var u unpacker
	t := &desk.Ticket{
		ID: desk.TicketID(r.ID), Number: r.Number, Title: r.Title, Description: cmp.Or(r.Description, r.words), Status: desk.Status(r.Status),
		Priority: desk.Priority(r.Priority), Type: desk.Type(r.Type), Channel: desk.Channel(r.Channel), Source: r.Source, Scope: r.Scope,
		DueDate: timeAt(r.DueDate), CustomerID: desk.CustomerID(r.CustomerID), TeamID: desk.TeamID(r.TeamID),
		AgentID: desk.AgentID(r.AgentID), Escalation: r.Escalation, Handling: r.Handling, PreviousStatus: desk.Status(r.PreviousStatus),
		FirstResponseAt: timeAt(r.FirstResponseAt), ResolvedAt: timeAt(r.ResolvedAt), ClosedAt: timeAt(r.ClosedAt),
		ReopenCount: r.ReopenCount, MessageCount: r.MessageCount, LastCustomerAt: timeAt(r.LastCustomerAt),
		LastAgentAt: timeAt(r.LastAgentAt), MergedInto: desk.TicketID(r.MergedInto), EventCount: r.EventCount,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), DeletedAt: timeAt(r.DeletedAt), Version: r.Version,
		ThreadSource: r.ThreadSource,
	}
	u.texts(r.Tags, &t.Tags)
	u.assignedBy(r.AssignedBy, &t.AssignedBy)
	u.fields(r.Custom, &t.Custom)
	u.texts(r.Participants, &t.Participants)
	u.clocks(r.Clocks, &t.Clocks)
	return t, u.err
}

// thread is where an answer to the ticket goes.
func (r *ticketRow) thread() desk.Thread {
	t := desk.Thread{Key: r.ThreadKey}
	if r.ThreadAddress != "" {
		t.Address = json.RawMessage(r.ThreadAddress)
	}
	return t
}

// setThread makes th, of a source, the place where answers go; a zero thread
// changes nothing.
func (r *ticketRow) setThread(source string, th desk.Thread) {
	if th.Key == "" && len(th.Address) == 0 {
		return
	}
	r.ThreadSource, r.ThreadKey, r.ThreadAddress = source, desk.Clean(th.Key), desk.Clean(string(th.Address))
}

// eventRow is a row of events.
type eventRow struct {
	ID       string
	TicketID string `gorm:"primaryKey"`
	Seq      int    `gorm:"primaryKey;autoIncrement:false"`
	Kind     string
	Actor    string
	At       time.Time
	Data     string
}

func (eventRow) TableName() string { return "events" }

func newEventRow(e *desk.Event) (eventRow, error) {
	var p packer
	row := eventRow{ID: string(e.ID), TicketID: string(e.TicketID), Seq: e.Seq, Kind: e.Kind, Actor: p.actor(e.Actor),
		At: micro(e.At), Data: p.fields(e.Data)}
	return row, p.err
}

func (r *eventRow) desk() (desk.Event, error) {
	var u unpacker
	e := desk.Event{ID: desk.EventID(r.ID), TicketID: desk.TicketID(r.TicketID), Seq: r.Seq, Kind: r.Kind, At: r.At.UTC()}
	u.actor(r.Actor, &e.Actor)
	u.fields(r.Data, &e.Data)
	return e, u.err
}
