package slack

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// origin is what is known of a message beside its own words.
type origin struct {
	source desk.Source
	team   string // the workspace the app is in
	bot    string // our bot user
	room   string // the channel's name, when it was asked
	event  string // event_id
	at     time.Time
	raw    desk.BlobRef
	kept   []desk.Kept // the bytes of raw, unless they are a blob
	names  func(id string) string
	who    person
	staff  bool
	shared bool
	files  []desk.Attachment
	links  []string // Markdown of files kept elsewhere
	damage []string
}

// address is the Thread.Address of a message: where an answer goes. Without a
// ThreadTS it begins a thread; without a Channel it goes to the User directly.
type address struct {
	Team     string `json:"team,omitempty"`
	Channel  string `json:"channel,omitempty"`
	ThreadTS string `json:"threadTs,omitempty"`
	User     string `json:"user,omitempty"`
}

// key names a message: workspace, channel and timestamp, which together are
// unique and the same in every event, thread and answer.
func key(team, channel, ts string) string { return team + ":" + channel + ":" + ts }

// fingerprint says who, when and what, of what is the same in every event about
// a message: the text as Slack sent it, without files, which not every event has.
func fingerprint(team string, m *message) string {
	return desk.Fingerprint("slack", team, string(m.Channel), string(m.TS), m.handle(), string(m.Text))
}

// handle is who wrote a message: a user, or an app.
func (m *message) handle() string { return desk.Clean(cmp.Or(string(m.User), string(m.BotID))) }

// draftFrom turns a message that counts into a draft. It is pure.
//
// Identity: the external ID is [key]; a message that comes as message and as
// app_mention, or twice, is one. Thread: the key is that of the message the
// thread begins with. Handles are user IDs alone: the workspace of an author is
// not in every event, and IDs differ between workspaces.
func draftFrom(d decision, o origin) *desk.Draft {
	m := d.msg
	x := &desk.Draft{
		Source: o.source.Name, Channel: desk.Slack, Scope: o.source.Scope(),
		ExternalID:  key(o.team, string(m.Channel), string(m.TS)),
		Fingerprint: fingerprint(o.team, m),
		Thread:      thread(o.team, m),
		From:        desk.Party{Name: cmp.Or(o.who.Name, desk.Clean(string(m.Username)), desk.Clean(string(m.BotProfile.Name))), Handle: m.handle()},
		Profile:     o.who.profile(o.team),
		Text:        text(m, o),
		SentAt:      when(m.TS), ReceivedAt: o.at,
		Attachments: o.files, Raw: o.raw, Kept: o.kept, Damage: o.damage, Auto: d.auto,
		Headers: headers(d, o),
	}
	if d.group && !m.reply() {
		x.Group = key(o.team, string(m.Channel), x.From.Handle)
		x.Window = d.rule.window
	}
	if d.verdict == toTicket {
		x.Subject = markup.Title(x.Text)
	}
	if d.rule.team != "" || o.staff {
		x.Ask = &desk.Ask{TeamID: d.rule.team}
		if o.staff {
			x.Ask.Actor = desk.Actor{Kind: desk.ByAgent, ID: x.From.Handle, Name: x.From.Name}
		}
	}
	return x
}

// changeFrom turns an edit or a delete into a draft that acts on the message it
// is about. It is pure.
func changeFrom(d decision, o origin) *desk.Draft {
	m := d.msg
	x := &desk.Draft{
		Source: o.source.Name, Channel: desk.Slack, Scope: o.source.Scope(),
		ExternalID: cmp.Or(desk.Clean(desk.Cut(o.event, 200)), "sha256:"+o.raw.Digest),
		Target:     key(o.team, string(m.Channel), string(m.TS)),
		Thread:     thread(o.team, m),
		From:       desk.Party{Name: o.who.Name, Handle: m.handle()},
		SentAt:     when(m.Edited.TS), ReceivedAt: o.at, Raw: o.raw, Kept: o.kept, Headers: headers(d, o),
	}
	if d.verdict == toDelete {
		x.Act = desk.ActDelete
		x.Fingerprint = desk.Fingerprint("slack", "delete", x.Target)
		return x
	}
	x.Act, x.Text = desk.ActEdit, text(m, o)
	x.Fingerprint = desk.Fingerprint("slack", "edit", x.Target, string(m.Edited.TS), string(m.Text))
	return x
}

func thread(team string, m *message) desk.Thread {
	return desk.Thread{Key: key(team, string(m.Channel), m.root()),
		Address: address{Team: team, Channel: string(m.Channel), ThreadTS: m.root()}.json(), Plain: true}
}

func (a address) json() json.RawMessage {
	b, err := json.Marshal(a)
	if err != nil { // strings always marshal
		panic(err)
	}
	return b
}

// headers are what rules can look at and people can ask for.
func headers(d decision, o origin) map[string]string {
	h := map[string]string{"slack-decision": d.why()}
	put := func(name, value string) {
		if value = desk.Clean(desk.Cut(value, 500)); value != "" {
			h[name] = value
		}
	}
	put("slack-team", o.team)
	put("slack-channel", string(d.msg.Channel))
	put("slack-channel-name", o.room)
	put("slack-event", o.event)
	put("slack-subtype", string(d.msg.Subtype))
	put("slack-mode", d.rule.mode)
	if home := cmp.Or(o.who.Home, d.msg.home()); home != o.team {
		put("slack-author-team", home)
	}
	if o.shared {
		put("slack-shared", "true")
	}
	if o.staff {
		put("slack-staff", "true")
	}
	return h
}

// text is what was said, as Markdown: the words without the mention of the bot
// in front, quoted messages, cards of apps, links of files kept elsewhere.
func text(m *message, o origin) string {
	parts := []string{unmention(string(m.Text), o.bot)}
	if strings.TrimSpace(parts[0]) == "" && len(m.Attachments) == 0 {
		parts[0] = unmention(blockText(m.Blocks), o.bot)
	}
	for _, a := range m.Attachments {
		parts = append(parts, a.words(m.BotID != ""))
	}
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, markup.FromMrkdwn(p, o.names))
		}
	}
	return desk.Clean(strings.Join(append(out, o.links...), "\n\n"))
}

// words are what an attachment adds: a forwarded message as a quote, an app's
// card as it reads. A preview of a link adds nothing.
func (a attachment) words(bot bool) string {
	if a.IsShare || a.IsMessage {
		body := cmp.Or(string(a.Text), string(a.Fallback))
		if a.Author != "" {
			body = "*" + string(a.Author) + "*:\n" + body
		}
		return "&gt; " + strings.ReplaceAll(body, "\n", "\n&gt; ")
	}
	if a.FromURL != "" || !bot {
		return ""
	}
	title := string(a.Title)
	if title != "" && a.TitleLink != "" && !strings.ContainsAny(string(a.TitleLink), "<>|") {
		title = "<" + string(a.TitleLink) + "|" + title + ">"
	}
	var lines []string
	for _, s := range []string{string(a.Pretext), title, string(a.Text)} {
		if s != "" {
			lines = append(lines, s)
		}
	}
	if len(lines) == 0 {
		return string(a.Fallback)
	}
	return strings.Join(lines, "\n")
}

var leading = regexp.MustCompile(`^\s*<@([A-Z0-9]+)(\|[^>]*)?>\s*[:,]?\s*`)

// unmention takes mentions of the bot off the front: they address us and say
// nothing.
func unmention(s, bot string) string {
	for bot != "" {
		m := leading.FindStringSubmatch(s)
		if m == nil || m[1] != bot {
			break
		}
		s = s[len(m[0]):]
	}
	return s
}

// blockText collects the words of blocks, for a message that has no text.
func blockText(blocks json.RawMessage) string {
	var v any
	if len(blocks) == 0 || json.Unmarshal(blocks, &v) != nil {
		return ""
	}
	var b strings.Builder
	collect(&b, v, 0)
	return b.String()
}

// maxBlockDepth bounds how deep blocks are looked into; Slack's own are not
// deeper than eight.
const maxBlockDepth = 16

func collect(b *strings.Builder, v any, depth int) {
	if depth > maxBlockDepth {
		return
	}
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			collect(b, e, depth+1)
		}
	case map[string]any:
		switch x["type"] {
		case "user":
			if id, ok := x["user_id"].(string); ok && slackID(id) {
				b.WriteString("<@" + id + ">")
			}
		case "link":
			if u, ok := x["url"].(string); ok {
				b.WriteString("<" + u + ">")
			}
			return
		}
		if s, ok := x["text"].(string); ok {
			b.WriteString(s)
		} else {
			collect(b, x["text"], depth+1)
		}
		for _, name := range []string{"elements", "fields"} {
			collect(b, x[name], depth+1)
		}
		switch x["type"] {
		case "rich_text_section", "rich_text_preformatted", "rich_text_quote", "section", "header":
			b.WriteString("\n")
		}
	}
}

// mentioned lists the users a text names, bounded.
func mentioned(texts ...string) []string {
	var out []string
	for _, t := range texts {
		for _, m := range user.FindAllStringSubmatch(t, maxMentions) {
			out = append(out, m[1])
		}
	}
	return out[:min(len(out), maxMentions)]
}

var user = regexp.MustCompile(`<@([UW][A-Z0-9]{1,39})(?:\|[^>]*)?>`)

// maxMentions bounds how many people of one message are asked for.
const maxMentions = 20
