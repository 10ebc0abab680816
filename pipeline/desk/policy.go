package desk

import (
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/hours"
	"switchboard/pipeline/match"
)

// Policy is every rule of the house, compiled: what the config says about
// teams, rules, routes, SLAs and words. It is built once, never mutated, and
// safe to share.
type Policy struct {
	Sources     map[string]Source
	Teams       []Team
	Agents      []Agent
	Calendars   map[string]*hours.Calendar
	SLAs        []SLA
	Rules       []Rule
	Routes      []Route
	Statuses    Statuses
	Types       Types
	Fields      []Field
	DefaultTeam TeamID
	Threading   Threading
	// ServiceLevels give a customer's or account's service level a priority.
	ServiceLevels map[string]Priority
	// PublicDomains are mail domains that belong to nobody's company.
	PublicDomains []string
}

// NewPolicy returns the policy of an installation without a config: one team,
// "support", open around the clock, and no rules.
func NewPolicy() *Policy {
	return &Policy{
		Sources:     map[string]Source{},
		Teams:       []Team{{ID: "support", Name: "Support", Strategy: Manual}},
		Calendars:   map[string]*hours.Calendar{},
		Statuses:    DefaultStatuses(),
		Types:       DefaultTypes(),
		DefaultTeam: "support",
		Threading:   DefaultThreading(),
	}
}

// Threading are the limits of joining a message to a ticket.
type Threading struct {
	MaxAge       time.Duration `json:"maxAge" yaml:"maxAge"`             // older tickets are not joined by References or subject
	ReopenWithin time.Duration `json:"reopenWithin" yaml:"reopenWithin"` // a reply to a closed ticket later than this opens a new one
	MaxRefs      int           `json:"maxRefs" yaml:"maxRefs"`           // references looked at
}

// DefaultThreading returns 365 days, 30 days and 32 references.
func DefaultThreading() Threading {
	const day = 24 * time.Hour
	return Threading{MaxAge: 365 * day, ReopenWithin: 30 * day, MaxRefs: 32}
}

// Strategy is how a team picks the agent of a new ticket.
type Strategy string

// The strategies.
const (
	Manual     Strategy = "manual"
	RoundRobin Strategy = "round_robin"
)

// Team is the group a ticket is routed to.
type Team struct {
	ID       TeamID    `json:"id" yaml:"id"`
	Name     string    `json:"name" yaml:"name"`
	Members  []AgentID `json:"members,omitempty" yaml:"members"`
	Calendar string    `json:"calendar,omitempty" yaml:"calendar"`
	Strategy Strategy  `json:"strategy,omitempty" yaml:"strategy"`
}

// Agent is a member of the staff.
type Agent struct {
	ID    AgentID `json:"id" yaml:"id"`
	Name  string  `json:"name" yaml:"name"`
	Email string  `json:"email,omitempty" yaml:"email"`
	Away  bool    `json:"away,omitempty" yaml:"away"` // skipped by round robin
}

// Trigger says when a rule is evaluated.
type Trigger string

// The triggers.
const (
	OnCreated Trigger = "created" // the message opens a ticket; the default
	OnReply   Trigger = "reply"   // the message joins a ticket
	OnAny     Trigger = "any"
)

// Rule is a condition and actions. Rules run in order; each sees what the ones
// before it did.
type Rule struct {
	Name string
	On   Trigger
	When *match.Program // nil: always
	Then Action
	Stop bool // no later rule is evaluated when this one matched
}

// RepliesRead reports whether a rule for messages that join a ticket reads a name
// of conditions.
func (p *Policy) RepliesRead(name string) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return (r.On == OnReply || r.On == OnAny) && r.When != nil && r.When.Reads(name)
	})
}

// Action is what a matching rule does. Zero fields do nothing.
type Action struct {
	Priority Priority       `json:"priority,omitempty" yaml:"priority"`
	Type     Type           `json:"type,omitempty" yaml:"type"`
	Status   Status         `json:"status,omitempty" yaml:"status"`
	Team     TeamID         `json:"team,omitempty" yaml:"team"`
	Agent    AgentID        `json:"agent,omitempty" yaml:"agent"`
	Tags     []string       `json:"tags,omitempty" yaml:"tags"`
	Untag    []string       `json:"untag,omitempty" yaml:"untag"`
	Fields   map[string]any `json:"fields,omitempty" yaml:"fields"`
	Escalate int            `json:"escalate,omitempty" yaml:"escalate"` // raises the escalation level to this
	Drop     string         `json:"drop,omitempty" yaml:"drop"`         // end here, with this reason
	Hold     string         `json:"hold,omitempty" yaml:"hold"`         // wait for a person, with this reason
}

// Route sends new tickets to a team. The first whose condition matches wins.
type Route struct {
	Name string
	When *match.Program // nil: always
	Team TeamID
}

// SLA is a promise in business time.
type SLA struct {
	Name     string
	When     *match.Program // nil: always
	Calendar string         // "" means the team's calendar
	Targets  []Target
	PauseOn  []Category // clocks other than first response pause in these
}

// Target is how long a metric may take, by priority.
type Target struct {
	Metric  Metric
	Default time.Duration // 0: only the priorities listed have a target
	By      map[Priority]time.Duration
}

// For returns the target of a priority and false when there is none.
func (t Target) For(p Priority) (time.Duration, bool) {
	if d, ok := t.By[p]; ok {
		return d, d > 0
	}
	return t.Default, t.Default > 0
}

// Team finds a team by ID.
func (p *Policy) Team(id TeamID) (Team, bool) {
	for _, t := range p.Teams {
		if t.ID == id {
			return t, true
		}
	}
	return Team{}, false
}

// Agent finds an agent by ID.
func (p *Policy) Agent(id AgentID) (Agent, bool) {
	for _, a := range p.Agents {
		if a.ID == id {
			return a, true
		}
	}
	return Agent{}, false
}

// SLA finds an SLA by name.
func (p *Policy) SLA(name string) (SLA, bool) {
	for _, s := range p.SLAs {
		if s.Name == name {
			return s, true
		}
	}
	return SLA{}, false
}

var always = hours.Always(time.UTC)

// Calendar finds a calendar by name; an unknown or empty name is around the
// clock, in UTC.
func (p *Policy) Calendar(name string) *hours.Calendar {
	if c, ok := p.Calendars[name]; ok {
		return c
	}
	return always
}

// CalendarFor is the calendar an SLA counts in for a team's ticket.
func (p *Policy) CalendarFor(s SLA, team TeamID) *hours.Calendar {
	if s.Calendar != "" {
		return p.Calendar(s.Calendar)
	}
	t, _ := p.Team(team)
	return p.Calendar(t.Calendar)
}

// Public reports whether a mail domain is a public provider's.
func (p *Policy) Public(domain string) bool { return slices.Contains(p.PublicDomains, domain) }

// Own reports whether a handle is one of our own addresses on a channel.
func (p *Policy) Own(c Channel, handle string) bool {
	for _, s := range p.Sources {
		if s.Channel != c {
			continue
		}
		for _, a := range s.Addresses {
			if strings.EqualFold(a, handle) {
				return true
			}
		}
	}
	return false
}
