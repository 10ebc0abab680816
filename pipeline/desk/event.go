package desk

import "time"

// The kinds of event a ticket's history holds.
const (
	EventCreated        = "ticket:created"
	EventDeleted        = "ticket:deleted"
	EventUpdated        = "ticket:updated" // title, description, due date, customer
	EventStatus         = "ticket:status:changed"
	EventPriority       = "ticket:priority:changed"
	EventType           = "ticket:type:changed"
	EventTeam           = "ticket:team:changed"
	EventAssigned       = "ticket:assigned"
	EventTags           = "ticket:tag:updated"
	EventFields         = "ticket:custom_field:changed"
	EventEscalated      = "ticket:escalated"
	EventComment        = "ticket:comment:added"
	EventCommentUpdated = "ticket:comment:updated"  // edited or restored by its author
	EventCommentDeleted = "ticket:comment:deleted"  // hidden by its author
	EventThread         = "ticket:thread:changed"   // answers go to another conversation
	EventCommentFailed  = "ticket:comment:failed"   // it did not reach the customer
	EventCommentResent  = "ticket:comment:resent"   // after it failed, somebody had it tried again
	EventCustomer       = "ticket:customer:changed" // customers were merged or split
	EventLinked         = "ticket:linked"
	EventClock          = "ticket:sla:changed"
	EventBreached       = "ticket:sla:breached"
	EventHandling       = "ticket:time:logged"
	EventMentioned      = "user:mentioned"
	EventRetired        = "ticket:history:retired" // stands for all before it, which were kept long enough
)

// Event is one line of a ticket's history. Seq counts from 1 without gaps
// within a ticket; a history that was retired begins with one EventRetired, whose
// Seq is that of the last event it stands for.
type Event struct {
	ID       EventID        `json:"id"`
	TicketID TicketID       `json:"ticketId"`
	Seq      int            `json:"seq"`
	Kind     string         `json:"kind"`
	Actor    Actor          `json:"actor"`
	At       time.Time      `json:"at"`
	Data     map[string]any `json:"data,omitempty"`
}

// Touch says when a ticket was changed last. Changes that were decided earlier and come
// later, as those of a process that slept, do not take it back.
func (t *Ticket) Touch(at time.Time) {
	if at.After(t.UpdatedAt) {
		t.UpdatedAt = at
	}
}

// Unchanged notes in the history that somebody set what was so already.
func (t *Ticket) Unchanged(by Actor, at time.Time) Event {
	t.Touch(at)
	return t.event(EventUpdated, by, at, map[string]any{"fields": []string{}})
}

// event appends to a ticket's history; the caller keeps what it returns.
func (t *Ticket) event(kind string, by Actor, at time.Time, data map[string]any) Event {
	t.EventCount++
	return Event{ID: NewID[EventID](at), TicketID: t.ID, Seq: t.EventCount, Kind: kind, Actor: by, At: at, Data: data}
}
