package desk

import "slices"

// Priority is how urgent a ticket is.
type Priority string

// The priorities, lowest first.
const (
	Low    Priority = "LOW"
	Medium Priority = "MEDIUM"
	High   Priority = "HIGH"
	Urgent Priority = "URGENT"
)

// Priorities lists the priorities, lowest first.
func Priorities() []Priority { return []Priority{Low, Medium, High, Urgent} }

// ParsePriority reads a priority in any case.
func ParsePriority(s string) (Priority, error) {
	p := Priority(upper(s))
	if !slices.Contains(Priorities(), p) {
		return "", Invalidf("priority", "is not a priority; known are %v", Priorities())
	}
	return p, nil
}

// Type is the configured sort of ticket, upper case with underscores.
type Type string

// Types is the list of configured ticket types; the first is the default.
type Types []Type

// DefaultTypes returns the built-in list. Question comes first: what nobody
// classified is a question.
func DefaultTypes() Types {
	return Types{"QUESTION", "INCIDENT", "PROBLEM", "TASK", "BUG", "FEATURE_REQUEST"}
}

// Parse reads a type in any case.
func (t Types) Parse(s string) (Type, error) {
	want := Type(upper(s))
	if !slices.Contains(t, want) {
		return "", Invalidf("type", "is not a configured type; known are %v", []Type(t))
	}
	return want, nil
}
