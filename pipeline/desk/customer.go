package desk

import (
	"log/slog"
	"maps"
	"strings"
	"time"
)

// Customer is the record of a person who asks. The role they play on a ticket
// is requester.
type Customer struct {
	ID           CustomerID     `json:"uid"`
	ExternalID   string         `json:"externalId,omitempty"` // the ID another system knows them by
	Name         string         `json:"name,omitempty"`
	Email        string         `json:"email,omitempty"`
	Phone        string         `json:"phone,omitempty"`
	AccountID    AccountID      `json:"accountId,omitempty"`
	ServiceLevel string         `json:"serviceLevel,omitempty"`
	VIP          bool           `json:"vip,omitempty"`
	Language     string         `json:"language,omitempty"`
	TimeZone     string         `json:"timeZone,omitempty"`
	Preferences  map[string]any `json:"preferences,omitempty"`
	CreatedAt    time.Time      `json:"createdAt"`
	UpdatedAt    time.Time      `json:"updatedAt"`
}

// Fill takes over from another record what this one lacks, and reports whether
// that was anything. IDs, times and what is known stay.
func (c *Customer) Fill(from Customer) bool {
	filled := false
	set := func(field *string, value string) {
		if *field == "" && value != "" {
			*field, filled = value, true
		}
	}
	set(&c.Name, from.Name)
	set(&c.Email, from.Email)
	set(&c.Phone, from.Phone)
	set(&c.ServiceLevel, from.ServiceLevel)
	set(&c.Language, from.Language)
	set(&c.TimeZone, from.TimeZone)
	set((*string)(&c.AccountID), string(from.AccountID))
	if from.VIP && !c.VIP {
		c.VIP, filled = true, true
	}
	if len(from.Preferences) > 0 {
		both := maps.Clone(from.Preferences)
		maps.Copy(both, c.Preferences)
		filled = filled || len(both) > len(c.Preferences)
		c.Preferences = both
	}
	return filled
}

// LogValue shows only the ID.
func (c Customer) LogValue() slog.Value { return slog.StringValue(string(c.ID)) }

// Identity is one handle of a customer on a channel. (Kind, Handle) is unique:
// two people never share one.
type Identity struct {
	Kind       string     `json:"kind"`   // "email", "slack", ... the space of the handle
	Handle     string     `json:"handle"` // see [Handle]
	CustomerID CustomerID `json:"customerId"`
	Verified   bool       `json:"verified,omitempty"`
}

// LogValue hides the handle.
func (i Identity) LogValue() slog.Value { return slog.StringValue(i.Kind) }

// IdentityKind is the space of handles a channel's messages come from: mail
// addresses for every channel that identifies people by mail.
func IdentityKind(c Channel) string {
	switch c {
	case Email, API, Web, WebForm, Workflow:
		return "email"
	}
	return strings.ToLower(string(c))
}

// Handle is the form in which a handle is compared and stored: for mail
// addresses lower case (the local part too: no mailbox we know of differs by
// case, and people type it either way), else as it came.
func Handle(kind, s string) string {
	s = strings.TrimSpace(s)
	if kind == "email" {
		return strings.ToLower(s)
	}
	return s
}

// Account is a customer's company.
type Account struct {
	ID           AccountID `json:"uid"`
	Name         string    `json:"name"`
	Domain       string    `json:"domain,omitempty"` // unique when set, lower case
	ServiceLevel string    `json:"serviceLevel,omitempty"`
	CreatedAt    time.Time `json:"createdAt"`
}

// Requester is what the books know about a handle: who it is and their
// company. Found is false when the handle is new.
type Requester struct {
	Customer Customer
	Account  Account
	Found    bool
}

// Domain returns the part of a mail address after the last @, lower case.
func Domain(addr string) string {
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		return strings.ToLower(strings.TrimSpace(addr[i+1:]))
	}
	return ""
}
