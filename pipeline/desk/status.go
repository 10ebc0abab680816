package desk

import (
	"fmt"
	"slices"
	"strings"
)

// Category is one of the fixed phases every configured status belongs to.
type Category string

// The categories, in the order of a ticket's life.
const (
	CategoryNew      Category = "new"
	CategoryOpen     Category = "open"
	CategoryPending  Category = "pending"
	CategoryOnHold   Category = "on_hold"
	CategoryResolved Category = "resolved"
	CategoryClosed   Category = "closed"
)

// Categories lists the categories in order.
func Categories() []Category {
	return []Category{CategoryNew, CategoryOpen, CategoryPending, CategoryOnHold, CategoryResolved, CategoryClosed}
}

// Done reports whether a ticket in this category is finished: the resolution
// clock has stopped.
func (c Category) Done() bool { return c == CategoryResolved || c == CategoryClosed }

// Status is a configured status name, upper case with underscores.
type Status string

// The statuses every installation has unless its config lists others.
const (
	StatusNew        Status = "NEW"
	StatusOpen       Status = "OPEN"
	StatusInProgress Status = "IN_PROGRESS"
	StatusPending    Status = "PENDING"
	StatusOnHold     Status = "ON_HOLD"
	StatusResolved   Status = "RESOLVED"
	StatusClosed     Status = "CLOSED"
)

// StatusDef is a configured status.
type StatusDef struct {
	Name     Status   `json:"name" yaml:"name"`
	Category Category `json:"category" yaml:"category"`
}

// Statuses is the ordered list of configured statuses. The first of a category
// is that category's default.
type Statuses []StatusDef

// DefaultStatuses returns the built-in list.
func DefaultStatuses() Statuses {
	return Statuses{
		{StatusNew, CategoryNew}, {StatusOpen, CategoryOpen}, {StatusInProgress, CategoryOpen},
		{StatusPending, CategoryPending}, {StatusOnHold, CategoryOnHold},
		{StatusResolved, CategoryResolved}, {StatusClosed, CategoryClosed},
	}
}

// Parse reads a status name in any case.
func (s Statuses) Parse(name string) (Status, error) {
	want := Status(upper(name))
	for _, d := range s {
		if d.Name == want {
			return want, nil
		}
	}
	return "", Invalidf("status", "is not a configured status; known are %s", s)
}

// String lists the names, for messages.
func (s Statuses) String() string {
	names := make([]string, len(s))
	for i, d := range s {
		names[i] = string(d.Name)
	}
	return strings.Join(names, ", ")
}

// Category returns the category of a status; an unknown one (removed from the
// config since) counts as open, so that its tickets stay visible.
func (s Statuses) Category(name Status) Category {
	for _, d := range s {
		if d.Name == name {
			return d.Category
		}
	}
	return CategoryOpen
}

// Default returns the first status of a category, or "" when none is
// configured.
func (s Statuses) Default(c Category) Status {
	for _, d := range s {
		if d.Category == c {
			return d.Name
		}
	}
	return ""
}

// moves says which category may follow which. A ticket never becomes new
// again; finished tickets only reopen, or go on from resolved to closed.
var moves = map[Category][]Category{
	CategoryNew:      {CategoryNew, CategoryOpen, CategoryPending, CategoryOnHold, CategoryResolved, CategoryClosed},
	CategoryOpen:     {CategoryOpen, CategoryPending, CategoryOnHold, CategoryResolved, CategoryClosed},
	CategoryPending:  {CategoryOpen, CategoryPending, CategoryOnHold, CategoryResolved, CategoryClosed},
	CategoryOnHold:   {CategoryOpen, CategoryPending, CategoryOnHold, CategoryResolved, CategoryClosed},
	CategoryResolved: {CategoryOpen, CategoryResolved, CategoryClosed},
	CategoryClosed:   {CategoryOpen, CategoryClosed},
}

// Move checks a status move. An illegal one wraps ErrMove and ErrInvalid and
// says which moves there are.
func (s Statuses) Move(from, to Status) error {
	a, b := s.Category(from), s.Category(to)
	if from == to || slices.Contains(moves[a], b) {
		return nil
	}
	var can []string
	for _, d := range s {
		if d.Name != from && slices.Contains(moves[a], d.Category) {
			can = append(can, string(d.Name))
		}
	}
	return fmt.Errorf("%w: %w", ErrMove,
		Invalidf("status", "a ticket that is %s cannot become %s; it can become %s", from, to, strings.Join(can, ", ")))
}
