package desk

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Change is what happens to an existing ticket: fields set, words said. It is
// data, so that it can be applied to the row as it is when the row is locked,
// whatever happened since the change was thought of. Nil and zero fields change
// nothing.
type Change struct {
	At           time.Time
	By           Actor
	Title        *string
	Description  *string
	Status       *Status
	Priority     *Priority
	Type         *Type
	Team         *TeamID
	Agent        *AgentID // "" unassigns
	DueDate      *time.Time
	ClearDue     bool
	Tags         *[]string // replaces all
	AddTags      []string
	RemoveTags   []string
	CustomFields map[string]any // merged; a nil value removes
	Escalation   *int
	AddHandling  time.Duration
	Customer     *CustomerID
	AssignedBy   *AssignedBy
	Said         *Said
	Delete       bool
}

// Said is a message that joined the ticket.
type Said struct {
	Message MessageID
	By      ActorKind
	Public  bool
	Auto    bool // a machine wrote it: it reopens nothing and answers nothing
	Joins   []string
}

// Apply makes the change on the ticket and returns the events it adds to its
// history, in order. A field that cannot be honoured is an *Invalid (an illegal
// status move also wraps ErrMove) and leaves the ticket in an undefined state:
// throw it away. Setting what is already so adds no event. A clock that ran out
// and was not marked yet is marked before the change stops, pauses or retargets it.
func (t *Ticket) Apply(p *Policy, c Change) ([]Event, error) {
	a := applying{t: t, p: p, c: c}
	if t.DeletedAt != nil {
		return nil, ErrNotFound
	}
	a.plain()
	a.people()
	a.tags()
	a.fields()
	a.said()
	if c.Status != nil {
		a.status(*c.Status)
	}
	if c.Delete {
		at := c.At
		t.DeletedAt = &at
		for i := range t.Clocks {
			t.Clocks[i].cancel(at)
		}
		a.add(EventDeleted, nil)
	}
	if len(a.events) > 0 {
		t.Touch(c.At)
	}
	return a.events, errors.Join(a.errs...)
}

type applying struct {
	t      *Ticket
	p      *Policy
	c      Change
	events []Event
	errs   []error
}

func (a *applying) add(kind string, data map[string]any) {
	a.events = append(a.events, a.t.event(kind, a.c.By, a.c.At, data))
}

func (a *applying) changed(kind string, from, to any) {
	a.add(kind, map[string]any{"from": from, "to": to})
}

func (a *applying) plain() {
	t, c := a.t, a.c
	var what []string
	if c.Title != nil && *c.Title != t.Title {
		t.Title = *c.Title
		what = append(what, "title")
	}
	if c.Description != nil && *c.Description != t.Description {
		t.Description = *c.Description
		what = append(what, "description")
	}
	if c.ClearDue && t.DueDate != nil {
		t.DueDate = nil
		what = append(what, "dueDate")
	}
	if c.DueDate != nil && (t.DueDate == nil || !t.DueDate.Equal(*c.DueDate)) {
		due := *c.DueDate
		t.DueDate = &due
		what = append(what, "dueDate")
	}
	if c.Customer != nil && *c.Customer != t.CustomerID {
		t.CustomerID = *c.Customer
		what = append(what, "customer")
	}
	if len(what) > 0 {
		a.add(EventUpdated, map[string]any{"fields": what})
	}
	if c.Type != nil && *c.Type != t.Type {
		from := t.Type
		t.Type = *c.Type
		a.changed(EventType, from, t.Type)
	}
	if c.Priority != nil && *c.Priority != t.Priority {
		from := t.Priority
		t.Priority = *c.Priority
		a.changed(EventPriority, from, t.Priority)
		a.retarget()
	}
	if c.Escalation != nil && *c.Escalation != t.Escalation {
		from := t.Escalation
		t.Escalation = *c.Escalation
		a.changed(EventEscalated, from, t.Escalation)
	}
	if c.AddHandling > 0 {
		t.Handling += int64(c.AddHandling / time.Second)
		a.add(EventHandling, map[string]any{"seconds": int64(c.AddHandling / time.Second), "total": t.Handling})
	}
}

func (a *applying) people() {
	t, c := a.t, a.c
	if c.Team != nil && *c.Team != t.TeamID {
		from := t.TeamID
		t.TeamID = *c.Team
		a.changed(EventTeam, from, t.TeamID)
	}
	if c.Agent != nil && *c.Agent != t.AgentID {
		from := t.AgentID
		t.AgentID = *c.Agent
		a.changed(EventAssigned, from, t.AgentID)
	}
	if c.AssignedBy != nil {
		t.AssignedBy = *c.AssignedBy
	}
}

func (a *applying) tags() {
	t, c := a.t, a.c
	next := slices.Clone(t.Tags)
	if c.Tags != nil {
		next = nil
		next = AddTags(next, *c.Tags...)
	}
	next = AddTags(next, c.AddTags...)
	next = RemoveTags(next, c.RemoveTags...)
	if !slices.Equal(next, t.Tags) {
		from := t.Tags
		t.Tags = next
		a.changed(EventTags, from, next)
	}
}

// AddTags appends tags, trimmed, without empty ones and without doubles in any
// case; the first spelling stays.
func AddTags(to []string, tags ...string) []string {
	for _, tag := range tags {
		tag = strings.TrimSpace(tag)
		if tag != "" && !hasFold(to, tag) {
			to = append(to, tag)
		}
	}
	return to
}

// RemoveTags returns the tags without those named, in any case.
func RemoveTags(from []string, tags ...string) []string {
	return slices.DeleteFunc(from, func(tag string) bool { return hasFold(tags, tag) })
}

func hasFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}

func (a *applying) fields() {
	t, c := a.t, a.c
	if len(c.CustomFields) == 0 {
		return
	}
	next := maps.Clone(t.Custom)
	if next == nil {
		next = map[string]any{}
	}
	var names []string
	for name, v := range c.CustomFields {
		old, had := next[name]
		if v == nil {
			delete(next, name)
		} else {
			next[name] = v
		}
		if had != (v != nil) || had && !equalJSON(old, v) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		t.Custom = next
		a.add(EventFields, map[string]any{"fields": names})
	}
}

// said lets a message that joined the ticket take effect.
func (a *applying) said() {
	t, s := a.t, a.c.Said
	if s == nil {
		return
	}
	at := a.c.At
	t.MessageCount++
	t.Join(s.Joins...)
	a.add(EventComment, map[string]any{"message": s.Message, "public": s.Public})
	if s.Auto {
		return
	}
	switch {
	case s.By == ByCustomer:
		t.LastCustomerAt = &at
		if a.c.Status == nil {
			switch a.p.Statuses.Category(t.Status) {
			case CategoryPending, CategoryResolved, CategoryClosed:
				a.status(a.p.Statuses.Default(CategoryOpen))
			}
		}
		a.startNextResponse()
	case s.By == ByAgent && s.Public:
		t.LastAgentAt = &at
		if t.FirstResponseAt == nil {
			t.FirstResponseAt = &at
		}
		a.stop(FirstResponse, NextResponse)
		if a.c.Status == nil && a.p.Statuses.Category(t.Status) == CategoryNew {
			a.status(a.p.Statuses.Default(CategoryOpen))
		}
	}
}

func (a *applying) status(to Status) {
	t, s := a.t, a.p.Statuses
	if to == "" || to == t.Status {
		return
	}
	if err := s.Move(t.Status, to); err != nil {
		a.errs = append(a.errs, err)
		return
	}
	from, at := t.Status, a.c.At
	was, is := s.Category(from), s.Category(to)
	t.PreviousStatus, t.Status = from, to
	a.changed(EventStatus, from, to)
	switch {
	case is.Done() && !was.Done():
		t.ResolvedAt = &at
		a.stop(Resolution)
		a.cancel(FirstResponse, NextResponse)
	case was.Done() && !is.Done():
		t.ReopenCount++
		t.ResolvedAt, t.ClosedAt = nil, nil
		a.restartResolution()
	}
	if is == CategoryClosed {
		t.ClosedAt = &at
	}
	a.pauseOrResume(is)
}
