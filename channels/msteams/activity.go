package msteams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// maxDepth bounds how deep the JSON of an activity may be nested; cards go to
// about twenty.
const maxDepth = 100

// maxID bounds an ID; together they must fit a database's index.
const maxID = 500

// activity is what we read of a Bot Framework activity. The library's own type
// fails on forms that occur (value or channelData that is no object, times
// without a zone), so this one takes every field in whatever form it has: a
// wrong type leaves the field empty and is noted.
type activity struct {
	Type         loose        `json:"type"`
	ID           loose        `json:"id"`
	Timestamp    loose        `json:"timestamp"`
	ServiceURL   loose        `json:"serviceUrl"`
	ChannelID    loose        `json:"channelId"`
	From         account      `json:"from"`
	Recipient    account      `json:"recipient"`
	Conversation conversation `json:"conversation"`
	Text         loose        `json:"text"`
	TextFormat   loose        `json:"textFormat"`
	Locale       loose        `json:"locale"`
	Importance   loose        `json:"importance"`
	ReplyToID    loose        `json:"replyToId"`
	Name         loose        `json:"name"`
	Action       loose        `json:"action"`
	Attachments  []attachment `json:"attachments"`
	Entities     []entity     `json:"entities"`
	ChannelData  channelData  `json:"channelData"`

	MembersAdded   []account `json:"membersAdded"`
	MembersRemoved []account `json:"membersRemoved"`

	Value json.RawMessage `json:"value"`

	odd []string // what had a form it should not have
}

type account struct {
	ID          loose `json:"id"`
	Name        loose `json:"name"`
	AADObjectID loose `json:"aadObjectId"`
	Role        loose `json:"role"`
}

type conversation struct {
	ID       loose `json:"id"`
	Name     loose `json:"name"`
	Type     loose `json:"conversationType"`
	TenantID loose `json:"tenantId"`
}

type attachment struct {
	ContentType loose           `json:"contentType"`
	ContentURL  loose           `json:"contentUrl"`
	Name        loose           `json:"name"`
	Content     json.RawMessage `json:"content"`
}

type entity struct {
	Type      loose   `json:"type"`
	Text      loose   `json:"text"`
	Mentioned account `json:"mentioned"`
}

// channelData is what only Teams says.
type channelData struct {
	EventType loose `json:"eventType"`
	Tenant    named `json:"tenant"`
	Team      named `json:"team"`
	Channel   named `json:"channel"`
}

type named struct {
	ID   loose `json:"id"`
	Name loose `json:"name"`
}

// loose is a text that may come as a number or a boolean; of anything else it is
// empty. It is clean (see [desk.Clean]).
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	*l = ""
	if len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null" {
		return nil
	}
	if b[0] != '"' {
		*l = loose(desk.Clean(string(b)))
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*l = loose(desk.Clean(s))
	return nil
}

// parseActivity reads an activity. It fails, with an *desk.Invalid, only on what
// is no JSON object, is nested too deep, or has no type.
func parseActivity(raw []byte) (*activity, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if depth(raw) > maxDepth {
		return nil, desk.Invalidf("", "the activity is nested too deep")
	}
	a := &activity{}
	err := json.Unmarshal(raw, a)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "": // the decoder went on after it
		a.odd = append(a.odd, fmt.Sprintf("%s was a JSON %s and was left out", desk.Clean(wrong.Field), strings.Fields(wrong.Value + " ?")[0]))
	case err != nil:
		return nil, desk.Invalidf("", "the body is not an activity in JSON")
	}
	if a.Type == "" {
		return nil, desk.Invalidf("type", "is missing")
	}
	for _, id := range []*loose{&a.ID, &a.ReplyToID, &a.Conversation.ID, &a.From.ID, &a.From.AADObjectID, &a.Recipient.ID} {
		if len(*id) > maxID {
			*id = ""
			a.odd = append(a.odd, "an ID of more than 500 bytes was left out")
		}
	}
	return a, nil
}

// depth is how deep brackets are nested outside of strings.
func depth(raw []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// tenant is whose conversation it is.
func (a *activity) tenant() string {
	if a.Conversation.TenantID != "" {
		return string(a.Conversation.TenantID)
	}
	return string(a.ChannelData.Tenant.ID)
}

// at reads the activity's time; the zero time if it says none that can be read.
func (a *activity) at() time.Time {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, string(a.Timestamp)); err == nil && t.Year() > 2000 && t.Year() < 9999 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// forLibrary is the activity in the form the library parses: only the fields
// that its authentication looks at, which are the ones we act on.
func (a *activity) forLibrary() []byte {
	out, err := json.Marshal(map[string]any{
		"type": string(a.Type), "id": string(a.ID), "serviceUrl": string(a.ServiceURL), "channelId": string(a.ChannelID),
		"conversation": map[string]any{"id": string(a.Conversation.ID), "tenantId": a.tenant()},
		"from":         map[string]any{"id": string(a.From.ID)}, "recipient": map[string]any{"id": string(a.Recipient.ID)},
	})
	if err != nil { // strings and maps of strings always marshal
		panic(err)
	}
	return out
}

// sets reports whether raw is JSON that says something.
func sets(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "{}", "[]", `""`:
		return false
	}
	return true
}
