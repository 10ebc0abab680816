package desk

import "slices"

// Channel is the medium a message came by. On the wire it is upper case with
// underscores and read case-insensitively.
type Channel string

// The channels Switchboard knows.
const (
	Email    Channel = "EMAIL"
	Slack    Channel = "SLACK"
	MSTeams  Channel = "MS_TEAMS"
	WebForm  Channel = "WEB_FORM"
	Chat     Channel = "CHAT"
	API      Channel = "API"
	Web      Channel = "WEB"
	Workflow Channel = "WORKFLOW"
)

// Channels lists every channel in the order of the documentation.
func Channels() []Channel {
	return []Channel{Email, Slack, MSTeams, WebForm, Chat, API, Web, Workflow}
}

// ParseChannel reads a channel name in any case. An unknown one is an *Invalid
// for the field "source".
func ParseChannel(s string) (Channel, error) {
	c := Channel(upper(s))
	if !slices.Contains(Channels(), c) {
		return "", Invalidf("source", "is not a known channel; known are %v", Channels())
	}
	return c, nil
}

// Source is one configured instance of a channel.
type Source struct {
	Name    string  `json:"name" yaml:"name"`
	Channel Channel `json:"channel" yaml:"channel"`
	// Separate keeps this source's conversations apart from other sources of
	// the same channel: a mail to two separate mailboxes is two tickets.
	Separate bool `json:"separate,omitempty" yaml:"separate"`
	// Team is where tickets of this source go when no route says otherwise.
	Team TeamID `json:"team,omitempty" yaml:"team"`
	// Queue is which workers take up its messages: normal (also when empty),
	// urgent or bulk.
	Queue string `json:"queue,omitempty" yaml:"queue"`
	// Addresses are our own handles on this source, for example the mailbox's
	// mail addresses; a message from one of them is our own.
	Addresses []string `json:"addresses,omitempty" yaml:"addresses"`
}

// Scope is the space in which external IDs and thread keys mean the same
// thing: the channel, or the source alone when it is separate.
func (s Source) Scope() string {
	if s.Separate {
		return s.Name
	}
	return string(s.Channel)
}
