package msteams

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// origin is what is known of an activity beside what it says.
type origin struct {
	source  desk.Source
	window  time.Duration
	at      time.Time
	raw     desk.BlobRef
	html    desk.BlobRef
	kept    []desk.Kept // bytes of these two that are no blobs
	files   []desk.Attachment
	damage  []string
	profile *desk.Profile
}

// address is the Thread.Address of a Teams message: the conversation reference
// an answer needs ("Conversation reference" of the Bot Connector API). Each
// message brings it anew, because the service URL may change.
type address struct {
	ServiceURL   string   `json:"serviceUrl"`
	ChannelID    string   `json:"channelId,omitempty"`
	Conversation string   `json:"conversation"` // of a channel with ";messageid=", which is its thread
	Type         string   `json:"type,omitempty"`
	Tenant       string   `json:"tenant,omitempty"`
	Bot          identity `json:"bot,omitzero"`
	User         identity `json:"user,omitzero"`
	ReplyTo      string   `json:"replyTo,omitempty"` // an activity; empty: just say it there
}

// identity is a ChannelAccount.
type identity struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	AAD  string `json:"aadObjectId,omitempty"`
}

// The kinds of conversation, as conversationType has them.
const (
	typePersonal = "personal"
	typeChannel  = "channel"
)

// act says what a message activity does; ok is false when it is none.
func (a *activity) act() (act desk.Act, ok bool) {
	switch a.Type {
	case "message":
		return "", true
	case "messageUpdate":
		if a.ChannelData.EventType == "undeleteMessage" {
			return desk.ActRestore, true
		}
		return desk.ActEdit, true
	case "messageDelete":
		return desk.ActDelete, true
	}
	return "", false
}

// draftFrom turns a message activity into a draft. It is pure.
//
// Identity: activity IDs are unique in a conversation, so the external ID is the
// conversation and the activity ID; an edit, delete or undelete, which bears the
// ID of its message, adds what it is and when. The fingerprint leaves out what a
// redelivery may change: addresses of files and whether they could be fetched.
// Thread: the conversation; in a channel the root message belongs to it.
func draftFrom(a *activity, o origin) *desk.Draft {
	act, _ := a.act()
	base := baseConversation(string(a.Conversation.ID))
	d := &desk.Draft{
		Source: o.source.Name, Channel: desk.MSTeams, Scope: o.source.Scope(),
		From: a.sender(), SentAt: a.at(), ReceivedAt: o.at,
		Attachments: o.files, HTML: o.html, Raw: o.raw, Kept: o.kept, Profile: o.profile,
		Headers: a.headers(), Damage: slices.Concat(o.damage, a.odd),
	}
	text, quotes := a.words()
	d.Text = text
	d.ExternalID = externalID(base, string(a.ID))
	switch {
	case a.ID == "" || base == "":
		d.ExternalID = "sha256:" + o.raw.Digest
		if act != "" {
			d.Damage = append(d.Damage, "it changes a message and does not say which")
			act = ""
		}
	case act != "":
		d.Act, d.Target = act, d.ExternalID
		d.ExternalID = fmt.Sprintf("%s#%s@%s", d.Target, act, a.moment(o))
		if act == desk.ActDelete {
			d.Text, d.HTML = "", desk.BlobRef{}
		}
	}
	if act == "" {
		d.Subject = markup.Title(d.Text)
	}
	d.Thread = a.thread(d)
	if o.window > 0 && act == "" && a.Conversation.Type != typeChannel && base != "" {
		d.Group, d.Window, d.Thread.Key = base, o.window, d.ExternalID
		if a.ReplyToID != "" {
			quotes = append(quotes, string(a.ReplyToID))
		}
		for _, q := range quotes {
			if ref := externalID(base, q); ref != d.ExternalID && !slices.Contains(d.References, ref) {
				d.References = append(d.References, ref)
			}
		}
	}
	d.Auto = a.auto(o.source)
	if was, _ := a.act(); was == desk.ActDelete && act == "" { // no word is left of it
		d.Auto = desk.Auto{Kind: desk.AutoUnread, Reason: "it deletes a message and does not say which"}
	}
	d.Fingerprint = a.fingerprint(d)
	return d
}

// externalID is how a message of Teams is known to us.
func externalID(base, id string) string { return base + "/" + id }

// baseConversation is the conversation without the thread in it.
func baseConversation(id string) string {
	base, _, _ := strings.Cut(id, ";messageid=")
	return base
}

// moment tells two edits of one message apart.
func (a *activity) moment(o origin) string {
	if at := a.at(); !at.IsZero() {
		return at.Format(time.RFC3339Nano)
	}
	return o.raw.Digest
}

func (a *activity) sender() desk.Party {
	handle := string(a.From.AADObjectID)
	if handle == "" {
		handle = string(a.From.ID)
	}
	return desk.Party{Name: string(a.From.Name), Handle: strings.TrimSpace(handle)}
}

// thread is the conversation and how to answer in it. In a channel the
// conversation carries the root message; where it does not, the root is the
// message answered, or this one.
func (a *activity) thread(d *desk.Draft) desk.Thread {
	full := string(a.Conversation.ID)
	if a.Conversation.Type == typeChannel && full != "" && full == baseConversation(full) {
		root := a.ReplyToID
		if root == "" {
			root = a.ID
		}
		if root != "" {
			full += ";messageid=" + string(root)
		}
	}
	to := address{
		ServiceURL: string(a.ServiceURL), ChannelID: string(a.ChannelID), Conversation: full,
		Type: string(a.Conversation.Type), Tenant: a.tenant(),
		Bot:     identity{ID: string(a.Recipient.ID), Name: string(a.Recipient.Name)},
		User:    identity{ID: string(a.From.ID), Name: string(a.From.Name), AAD: string(a.From.AADObjectID)},
		ReplyTo: string(a.ID),
	}
	if d.Act == desk.ActDelete {
		to.ReplyTo = "" // nobody answers what is gone
	}
	if full == "" {
		return desk.Thread{Key: d.ExternalID}
	}
	return desk.Thread{Key: full, Address: to.json()}
}

// json is the form in which an address is kept.
func (to address) json() []byte {
	raw, err := json.Marshal(to)
	if err != nil { // strings always marshal
		panic(err)
	}
	return raw
}

// headers are what rules may want to look at. "mentioned" is yes or no outside
// of personal chats: with resource-specific consent a bot hears every message of
// a team, and a rule may drop what opens a ticket without calling the bot.
func (a *activity) headers() map[string]string {
	h := map[string]string{
		"tenant": a.tenant(), "conversation": baseConversation(string(a.Conversation.ID)),
		"conversation-type": string(a.Conversation.Type), "conversation-name": string(a.Conversation.Name),
		"team": string(a.ChannelData.Team.ID), "team-name": string(a.ChannelData.Team.Name),
		"channel": string(a.ChannelData.Channel.ID), "channel-name": string(a.ChannelData.Channel.Name),
		"mentioned":  a.mentionsBot(),
		"importance": string(a.Importance), "locale": string(a.Locale), "event": string(a.ChannelData.EventType),
	}
	for k, v := range h {
		if v == "" {
			delete(h, k)
		}
	}
	return h
}

// auto knows our own messages and those of other bots (whose IDs begin with
// "28:" in Teams).
func (a *activity) auto(source desk.Source) desk.Auto {
	from := string(a.From.ID)
	switch {
	case from != "" && from == string(a.Recipient.ID), slices.Contains(source.Addresses, from):
		return desk.Auto{Kind: desk.AutoOwn, Reason: "from is the bot itself"}
	case strings.HasPrefix(from, "28:"), a.From.Role == "bot":
		return desk.Auto{Kind: desk.AutoGenerated, Reason: "from is a bot"}
	}
	return desk.Auto{}
}

func (a *activity) fingerprint(d *desk.Draft) string {
	parts := []string{"msteams", d.From.Handle, d.ExternalID, string(a.Text), a.html()}
	for _, f := range a.Attachments {
		parts = append(parts, string(f.ContentType), string(f.Name))
	}
	if sets(a.Value) {
		parts = append(parts, string(a.Value))
	}
	return desk.Fingerprint(parts...)
}
