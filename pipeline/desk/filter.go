package desk

import "time"

// TicketFilter says which tickets to list. Within a list field any value
// matches; all fields that are set must hold. The zero filter lists every
// ticket that is not deleted.
type TicketFilter struct {
	Status     []Status
	Priority   []Priority
	Type       []Type
	Team       []TeamID
	Agent      []AgentID
	Unassigned bool // no agent; together with Agent: either
	Customer   CustomerID
	Channel    []Channel
	Source     string    // name of the configured source
	Tag        string    // in any case
	Text       string    // found in title, description or number; case is ignored, on SQLite for ASCII letters only
	DueBefore  time.Time // a running clock or the due date ends before this

	CreatedAfter  time.Time // inclusive
	CreatedBefore time.Time // exclusive
	UpdatedAfter  time.Time // inclusive

	Limit  int    // 0: 50; at most 200
	Cursor string // what the page before returned as next
}

// The limits of one page of tickets.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// Page is the number of items a page of size limit has: the default for zero
// and below, never above [MaxPage].
func Page(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}
