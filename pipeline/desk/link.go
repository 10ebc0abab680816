package desk

import (
	"slices"
	"time"
)

// LinkType says how one ticket stands to another.
type LinkType string

// The link types. PARENT reads "is the parent of", BLOCKS "blocks", DUPLICATES
// "is a duplicate of"; RELATES has no direction.
const (
	Relates    LinkType = "RELATES"
	Duplicates LinkType = "DUPLICATES"
	Blocks     LinkType = "BLOCKS"
	Parent     LinkType = "PARENT"
)

// LinkTypes lists the link types.
func LinkTypes() []LinkType { return []LinkType{Relates, Duplicates, Blocks, Parent} }

// ParseLinkType reads a link type in any case.
func ParseLinkType(s string) (LinkType, error) {
	t := LinkType(upper(s))
	if !slices.Contains(LinkTypes(), t) {
		return "", Invalidf("type", "is not a link type; known are %v", LinkTypes())
	}
	return t, nil
}

// Link ties one ticket to another. (From, To, Type) is unique, and a ticket is
// never linked to itself.
type Link struct {
	From      TicketID  `json:"from"`
	To        TicketID  `json:"to"`
	Type      LinkType  `json:"type"`
	By        Actor     `json:"by"`
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// Ordered reports whether links of the type put tickets in an order, which must
// not run in a circle.
func (t LinkType) Ordered() bool { return t != Relates }

// Inverse is the word for a link seen from its other end.
func (t LinkType) Inverse() string {
	switch t {
	case Duplicates:
		return "DUPLICATED_BY"
	case Blocks:
		return "BLOCKED_BY"
	case Parent:
		return "CHILD"
	}
	return string(t)
}
