package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

// createTicket is the body of POST /v1/tickets.
type createTicket struct {
	Title          string         `json:"title,omitempty" maxLength:"500" doc:"One line, at most 500 characters. Required unless there is a description." example:"Unable to access account"`
	Description    string         `json:"description,omitempty" doc:"Plain text or Markdown." example:"Customer reported login issues on mobile app"`
	Type           string         `json:"type,omitempty" doc:"A configured type, in any case." example:"INCIDENT"`
	Priority       string         `json:"priority,omitempty" doc:"LOW, MEDIUM, HIGH or URGENT, in any case. Without it the rules decide." example:"HIGH"`
	Status         string         `json:"status,omitempty" doc:"A configured status, in any case; NEW without it." example:"NEW"`
	Source         string         `json:"source,omitempty" doc:"The medium to show: EMAIL, SLACK, MS_TEAMS, WEB_FORM, CHAT, API, WEB or WORKFLOW, in any case; API without it." example:"EMAIL"`
	CustomerID     string         `json:"customerId,omitempty" doc:"The ID your systems know the customer by, or our uid. An unknown one becomes the ID of who has the requester's address and no other ID, else it makes a customer, when the key may create names." example:"cust-123"`
	TeamID         string         `json:"teamId,omitempty" doc:"The team; without it the routes decide. An unknown one is made when the key may create names." example:"team-456"`
	AgentID        string         `json:"agentId,omitempty" doc:"A configured agent; without it the team's strategy decides. An unknown one is taken as it is when the key may create names." example:"ann"`
	Tags           []string       `json:"tags,omitempty" maxItems:"50" doc:"At most 50, each at most 100 bytes."`
	DueDate        *time.Time     `json:"dueDate,omitempty" doc:"RFC 3339."`
	CustomFields   map[string]any `json:"customFields,omitempty" doc:"Business-specific fields: configured ones are checked, others are kept as they come."`
	Requester      *requester     `json:"requester,omitempty" doc:"Who asks, when customerId does not say it."`
	RequestorEmail string         `json:"requestorEmail,omitempty" doc:"The same as requester.email."`
}

// requester is who asks, by their mail address.
type requester struct {
	Email string `json:"email" example:"sam@example.com"`
	Name  string `json:"name,omitempty" example:"Sam Doe"`
}

// The limits of fields that no config names.
const (
	maxTitle = 500 // characters
	maxTags  = 50
	maxTag   = 100 // bytes
	maxID    = 200 // bytes
)

// ask turns the body into what the line understands. It is pure; every wrong
// field is named in one error.
func (b *createTicket) ask(p *desk.Policy, textLimit int) (desk.Ask, desk.Party, error) {
	var c checks
	a := desk.Ask{
		Title:        c.title(b.Title),
		Description:  c.text("description", b.Description, textLimit),
		CustomerID:   c.id("customerId", b.CustomerID),
		TeamID:       desk.TeamID(c.id("teamId", b.TeamID)),
		AgentID:      desk.AgentID(c.id("agentId", b.AgentID)),
		Tags:         c.tags(b.Tags),
		CustomFields: c.fields(p, b.CustomFields, true),
	}
	if a.Title == "" && strings.TrimSpace(a.Description) == "" {
		c.wrong("title", "is required, unless there is a description")
	}
	a.Status = parsed(&c, b.Status, p.Statuses.Parse)
	a.Priority = parsed(&c, b.Priority, desk.ParsePriority)
	a.Type = parsed(&c, b.Type, p.Types.Parse)
	a.Channel = parsed(&c, b.Source, desk.ParseChannel)
	a.DueDate = c.due(b.DueDate)
	return a, c.from(b), c.err()
}

// hashOf digests what a create asks for, so that spelling, order and blanks of
// the JSON do not matter.
func hashOf(a desk.Ask, from desk.Party) string {
	a.Actor, a.RequestHash = desk.Actor{}, ""
	data, err := json.Marshal(struct {
		Ask  desk.Ask
		From desk.Party
	}{a, from})
	if err != nil {
		panic(fmt.Sprintf("api: hash: %v", err)) // plain data of our own
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// checks collects what is wrong with the fields of a body and cleans the rest.
type checks struct{ errs []error }

func (c *checks) wrong(field, format string, args ...any) {
	c.errs = append(c.errs, desk.Invalidf(field, format, args...))
}

func (c *checks) err() error { return errors.Join(c.errs...) }

// parsed reads an enumeration that may be left out.
func parsed[T ~string](c *checks, s string, parse func(string) (T, error)) T {
	if s == "" {
		return ""
	}
	v, err := parse(s)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	return v
}

// title is one line: line breaks and control characters become blanks.
func (c *checks) title(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, desk.Clean(s)))
	if utf8.RuneCountInString(s) > maxTitle {
		c.wrong("title", "is longer than %d characters", maxTitle)
	}
	return s
}

func (c *checks) text(field, s string, limit int) string {
	s = desk.Clean(s)
	if len(s) > limit {
		c.wrong(field, "is longer than %d bytes", limit)
	}
	return s
}

// id is a name of another system: short and printable. In a query it may be any
// bytes.
func (c *checks) id(field, s string) string {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) {
		c.wrong(field, "is not UTF-8")
		return ""
	}
	if len(s) > maxID {
		c.wrong(field, "is longer than %d bytes", maxID)
		return ""
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.wrong(field, "has characters that cannot be printed")
		return ""
	}
	return s
}

func (c *checks) tags(tags []string) []string {
	if len(tags) > maxTags {
		c.wrong("tags", "are more than %d", maxTags)
		return nil
	}
	out := []string{}
	for i, t := range tags {
		if t = strings.TrimSpace(desk.Clean(t)); len(t) > maxTag {
			c.wrong(fmt.Sprintf("tags[%d]", i), "is longer than %d bytes", maxTag)
		}
		out = desk.AddTags(out, t)
	}
	return out
}

func (c *checks) fields(p *desk.Policy, f map[string]any, creating bool) map[string]any {
	desk.CleanAll(f)
	if err := p.CheckFields(f, creating); err != nil {
		c.errs = append(c.errs, err)
	}
	return f
}

// due keeps a due date within the years every store and clock can hold.
func (c *checks) due(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC().Truncate(time.Microsecond)
	if u.Year() < 1970 || u.Year() > 9999 {
		c.wrong("dueDate", "must lie between the years 1970 and 9999")
		return nil
	}
	return &u
}

func (c *checks) from(b *createTicket) desk.Party {
	email, name, field := b.RequestorEmail, "", "requestorEmail"
	if b.Requester != nil {
		name = strings.TrimSpace(desk.Clean(b.Requester.Name))
		if b.Requester.Email != "" {
			email, field = b.Requester.Email, "requester.email"
		}
	}
	if len(name) > maxID {
		c.wrong("requester.name", "is longer than %d bytes", maxID)
	}
	if email = strings.TrimSpace(email); email == "" {
		return desk.Party{Name: name}
	}
	return desk.Party{Name: name, Handle: c.email(field, email)}
}

// email is a bare address (RFC 5322 section 3.4.1), its domain in lower case.
func (c *checks) email(field, s string) string {
	a, err := mail.ParseAddress(s)
	at := strings.LastIndexByte(s, '@')
	if err != nil || a.Address != s || len(s) > 254 || at < 1 || strings.ContainsFunc(s, unicode.IsControl) {
		c.wrong(field, "is not a mail address")
		return ""
	}
	return s[:at] + strings.ToLower(s[at:])
}
