package match

import (
	"reflect"
	"slices"
	"time"
	"unicode/utf8"
)

// Env is what a condition may see of one message and its ticket. Strings are
// "" and lists are empty where a thing is not known (yet); a message that
// opens a ticket has no ticket fields but those set before the rules ran.
//
// An Env may be shared by any number of programs and goroutines as long as
// nobody changes it meanwhile.
type Env struct {
	Source  string `expr:"source"`  // the configured source, as named in config
	Channel string `expr:"channel"` // the medium: EMAIL, SLACK ...

	Subject    string            `expr:"subject"`
	Text       string            `expr:"text"`       // plain text of the message, at most MaxText bytes
	From       string            `expr:"from"`       // address of the sender
	FromName   string            `expr:"fromName"`   // display name of the sender
	FromDomain string            `expr:"fromDomain"` // what follows the @, lower case
	To         []string          `expr:"to"`         // addresses
	CC         []string          `expr:"cc"`         // addresses
	Headers    map[string]string `expr:"headers"`    // by name in lower case; see ease.go

	Priority    string         `expr:"priority"` // LOW, MEDIUM, HIGH, URGENT or as configured
	Type        string         `expr:"type"`
	Status      string         `expr:"status"`
	Title       string         `expr:"title"`       // of the ticket
	Description string         `expr:"description"` // of the ticket, at most MaxText bytes
	Tags        []string       `expr:"tags"`
	Team        string         `expr:"team"`
	Customer    Customer       `expr:"customer"`
	Account     Account        `expr:"account"`
	Fields      map[string]any `expr:"fields"` // custom fields: string, bool, number, time.Time or a list of these

	IsReply         bool      `expr:"isReply"` // continues a ticket
	IsNew           bool      `expr:"isNew"`   // opens a ticket
	Auto            bool      `expr:"auto"`    // sent by a machine (RFC 3834)
	Attachments     int       `expr:"attachments"`
	AttachmentNames []string  `expr:"attachmentNames"`
	Language        string    `expr:"language"` // BCP 47, such as "de"
	InHours         bool      `expr:"inHours"`  // received while the team was open
	Hour            int       `expr:"hour"`     // 0 to 23, in the zone of the team
	Weekday         int       `expr:"weekday"`  // 0 Sunday to 6 Saturday, in the zone of the team
	ReceivedAt      time.Time `expr:"receivedAt"`
}

// Customer is the requester as a condition sees them.
type Customer struct {
	ID            string `expr:"id"`
	Name          string `expr:"name"`
	Email         string `expr:"email"`
	Account       string `expr:"account"`       // name of their company
	AccountDomain string `expr:"accountDomain"` // its mail domain
	ServiceLevel  string `expr:"serviceLevel"`
	VIP           bool   `expr:"vip"`
}

// Account is the requester's company as a condition sees it.
type Account struct {
	ID           string `expr:"id"`
	Name         string `expr:"name"`
	Domain       string `expr:"domain"`
	ServiceLevel string `expr:"serviceLevel"`
}

// What a condition sees of an Env that holds more. Whoever fills many Envs
// from one message had better cut once, or each run copies the Env.
const (
	MaxText  = 64 << 10 // bytes of text and of description
	MaxLine  = 4 << 10  // bytes of subject and of title
	MaxItems = 500      // entries of to, cc, tags and attachmentNames
)

// cut returns the Env, or a copy within the limits. Headers and custom fields
// are bounded by whoever read them.
func (e *Env) cut() *Env {
	if len(e.Text) <= MaxText && len(e.Description) <= MaxText &&
		len(e.Subject) <= MaxLine && len(e.Title) <= MaxLine &&
		len(e.To) <= MaxItems && len(e.CC) <= MaxItems &&
		len(e.Tags) <= MaxItems && len(e.AttachmentNames) <= MaxItems {
		return e
	}
	short := *e
	short.Text, short.Description = cutText(e.Text, MaxText), cutText(e.Description, MaxText)
	short.Subject, short.Title = cutText(e.Subject, MaxLine), cutText(e.Title, MaxLine)
	for _, list := range []*[]string{&short.To, &short.CC, &short.Tags, &short.AttachmentNames} {
		*list = (*list)[:min(len(*list), MaxItems)]
	}
	return &short
}

// cutText keeps at most size bytes and no part of a character.
func cutText(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}

// Names returns everything a condition may name, sorted: variables such as
// "subject", members such as "customer.vip", and functions such as "has()".
func Names() []string {
	names := fieldNames("", reflect.TypeFor[Env]())
	for _, name := range functionNames() {
		names = append(names, name+"()")
	}
	slices.Sort(names)
	return names
}

func fieldNames(prefix string, t reflect.Type) (names []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name := prefix + field.Tag.Get("expr")
		names = append(names, name)
		if field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[time.Time]() {
			names = append(names, fieldNames(name+".", field.Type)...)
		}
	}
	return names
}
