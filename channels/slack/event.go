package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An event as Slack sends it ("Events API"), reduced to what we use and decoded
// leniently: a field of an unexpected type is as good as absent. slack-go's
// slackevents refuses a whole event for one odd block or one new event type, and
// an event we cannot read would be sent again until Slack gives the app up.

// loose is a string that may come as a number, and is empty when it is anything
// else.
type loose string

// UnmarshalJSON never fails.
func (l *loose) UnmarshalJSON(data []byte) error {
	*l = ""
	switch {
	case len(data) == 0:
	case data[0] == '"':
		var s string
		if json.Unmarshal(data, &s) == nil {
			*l = loose(s)
		}
	case data[0] == '-' || data[0] >= '0' && data[0] <= '9':
		*l = loose(data)
	}
	return nil
}

// envelope is the outside of an event.
type envelope struct {
	Type           loose `json:"type"` // event_callback, url_verification, app_rate_limited
	Challenge      loose `json:"challenge"`
	TeamID         loose `json:"team_id"`
	ContextTeamID  loose `json:"context_team_id"`
	AppID          loose `json:"api_app_id"`
	EventID        loose `json:"event_id"`
	EventTime      loose `json:"event_time"`
	Shared         bool  `json:"is_ext_shared_channel"`
	Authorizations []struct {
		TeamID loose `json:"team_id"`
		UserID loose `json:"user_id"`
		IsBot  bool  `json:"is_bot"`
	} `json:"authorizations"`
	Minute loose `json:"minute_rate_limited"`
	Event  event `json:"event"`

	retry int // which further try of Slack's this is; see [retried]
}

// event is the inside. In a message event the message is the event itself; in an
// edit or a delete it is inside.
type event struct {
	message
	Hidden    bool     `json:"hidden"`
	DeletedTS loose    `json:"deleted_ts"`
	EventTS   loose    `json:"event_ts"`
	Inner     *message `json:"message"`
	Previous  *message `json:"previous_message"`
	Reaction  loose    `json:"reaction"`
	Item      struct {
		Type    loose `json:"type"`
		Channel loose `json:"channel"`
		TS      loose `json:"ts"`
	} `json:"item"`
	ItemUser loose `json:"item_user"`
}

// message is a message as it stands in events, threads and shortcuts.
type message struct {
	Type        loose `json:"type"`
	Subtype     loose `json:"subtype"`
	Channel     loose `json:"channel"`
	ChannelType loose `json:"channel_type"`
	TS          loose `json:"ts"`
	ThreadTS    loose `json:"thread_ts"`
	User        loose `json:"user"`
	Username    loose `json:"username"`
	BotID       loose `json:"bot_id"`
	AppID       loose `json:"app_id"`
	BotProfile  struct {
		AppID loose `json:"app_id"`
		Name  loose `json:"name"`
	} `json:"bot_profile"`
	// Where the author is at home, when it is not here (Slack Connect).
	Team       loose `json:"team"`
	UserTeam   loose `json:"user_team"`
	SourceTeam loose `json:"source_team"`

	Text        loose           `json:"text"`
	Blocks      json.RawMessage `json:"blocks"`
	Attachments []attachment    `json:"attachments"`
	Files       []file          `json:"files"`
	Edited      struct {
		TS loose `json:"ts"`
	} `json:"edited"`
	Metadata struct {
		EventType loose `json:"event_type"`
		Payload   struct {
			Message loose `json:"message"`
		} `json:"event_payload"`
	} `json:"metadata"`
}

// attachment is a quoted message, a preview or an app's card.
type attachment struct {
	Fallback  loose `json:"fallback"`
	Pretext   loose `json:"pretext"`
	Author    loose `json:"author_name"`
	Title     loose `json:"title"`
	TitleLink loose `json:"title_link"`
	Text      loose `json:"text"`
	FromURL   loose `json:"from_url"`
	IsShare   bool  `json:"is_share"`
	IsMessage bool  `json:"is_msg_unfurl"`
}

// file is a file of a message ("File object").
type file struct {
	ID          loose `json:"id"`
	Name        loose `json:"name"`
	Title       loose `json:"title"`
	Mimetype    loose `json:"mimetype"`
	Mode        loose `json:"mode"`        // hosted, snippet, external, tombstone, hidden_by_limit
	Access      loose `json:"file_access"` // check_file_info: ask for the rest (Slack Connect)
	Size        loose `json:"size"`
	Private     loose `json:"url_private"`
	Download    loose `json:"url_private_download"`
	Permalink   loose `json:"permalink"`
	ExternalURL loose `json:"external_url"`
}

// The outer types.
const (
	typeCallback    = "event_callback"
	typeVerify      = "url_verification"
	typeRateLimited = "app_rate_limited"
)

var errNotJSON = errors.New("it is not a JSON object")

// decode reads an event. It fails only on what is no JSON object; fields of the
// wrong type are told in odd and left empty.
func decode(body []byte) (e envelope, odd string, err error) {
	odd, err = lenient(body, &e)
	if err != nil {
		return envelope{}, "", err
	}
	if e.Type == "" {
		switch e.Event.Type {
		case typeRateLimited, typeVerify:
			e.Type = e.Event.Type
		case "":
		default:
			e.Type = typeCallback
		}
	}
	return e, odd, nil
}

// lenient decodes a JSON object and goes on over fields of the wrong type.
func lenient(body []byte, into any) (odd string, err error) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return "", errNotJSON
	}
	err = json.Unmarshal(body, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) { // the decoder has read all the rest
		return fmt.Sprintf("the field %s is a %s and was left out", wrong.Field, wrong.Value), nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: %v", errNotJSON, err)
	}
	return "", nil
}

// team is the workspace the app is installed in, which is ours whoever wrote:
// in a channel shared with others (Slack Connect) team_id may be theirs.
func (e *envelope) team() string {
	if len(e.Authorizations) > 0 && e.Authorizations[0].TeamID != "" {
		return string(e.Authorizations[0].TeamID)
	}
	if e.ContextTeamID != "" {
		return string(e.ContextTeamID)
	}
	return string(e.TeamID)
}

// bot is our own bot user, "" when the event does not say.
func (e *envelope) bot() string {
	for _, a := range e.Authorizations {
		if a.IsBot {
			return string(a.UserID)
		}
	}
	return ""
}

// home is the workspace of a message's author, "" when it does not say.
func (m *message) home() string {
	for _, t := range []loose{m.UserTeam, m.SourceTeam, m.Team} {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// root is the timestamp of the message that begins the thread.
func (m *message) root() string {
	if m.ThreadTS != "" {
		return string(m.ThreadTS)
	}
	return string(m.TS)
}

// reply reports whether the message stands inside a thread.
func (m *message) reply() bool { return m.ThreadTS != "" && m.ThreadTS != m.TS }

// ours reports whether our own app wrote it.
func (m *message) ours(app, bot string) bool {
	return app != "" && (string(m.AppID) == app || string(m.BotProfile.AppID) == app) ||
		bot != "" && string(m.User) == bot
}

// when reads a timestamp such as "1712345678.000100": seconds and a counter that
// looks like microseconds. The zero time means that it is none.
func when(ts loose) time.Time {
	whole, part, _ := strings.Cut(string(ts), ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec <= 0 || sec > 1<<40 {
		return time.Time{}
	}
	micro := int64(0)
	if len(part) > 0 && len(part) <= 6 {
		micro, _ = strconv.ParseInt((part + "000000")[:6], 10, 64)
	}
	return time.Unix(sec, max(micro, 0)*1000).UTC()
}

// stamp reports whether ts has the form of a timestamp: digits with one dot. Only
// such strings become part of a key.
func stamp(ts loose) bool {
	if len(ts) == 0 || len(ts) > 40 {
		return false
	}
	return strings.Trim(string(ts), "0123456789.") == "" && strings.Count(string(ts), ".") <= 1
}
