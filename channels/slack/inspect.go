package slack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// Inspector answers "why did this message (not) become a ticket". An opened
// source is one.
type Inspector interface {
	// Inspect says, in words and in order, what an event (the JSON Slack sent)
	// is taken for and why. It changes nothing.
	Inspect(ctx context.Context, event []byte) []string
	// Counts are how often each thing happened since the source was opened.
	Counts() map[string]int64
}

// verdict is what becomes of an event.
type verdict string

// The verdicts.
const (
	toTicket verdict = "message"   // it opens a ticket or joins one
	toThread verdict = "follow-up" // it counts when its thread belongs to a ticket
	toEdit   verdict = "edit"
	toDelete verdict = "delete"
	toCreate verdict = "reaction" // a ticket is made of the message reacted to
	toStatus verdict = "status"   // a reaction sets a status
	toNobody verdict = "ignored"  // none of our business
	toKeep   verdict = "kept"     // it may be a message and is not understood: a person looks at its row
	toNotice verdict = "notice"   // it tells of something that is no message: its row says so
)

// decision is a verdict with its reasons.
type decision struct {
	verdict verdict
	reasons []string
	msg     *message // the message it is about
	rule    rule
	group   bool // joins what the same person said within the window
	asks    bool // counts only when its message or thread belongs to a ticket
	auto    desk.Auto
	status  desk.Status
	doubt   bool // it would be another if Slack could be asked who acts
}

func (d *decision) because(format string, args ...any) *decision {
	d.reasons = append(d.reasons, fmt.Sprintf(format, args...))
	return d
}

// why is all reasons in one line.
func (d *decision) why() string { return desk.Clean(strings.Join(d.reasons, "; ")) }

func (d *decision) to(v verdict) decision { d.verdict = v; return *d }

// facts are what must be known beside the event.
type facts struct {
	room  string // the channel's name, "" when it does not matter
	bot   string // our bot user
	staff bool   // whoever acts is one of our own people
	doubt bool   // staff is false because Slack could not be asked
}

// decide says what becomes of an event. It is pure.
func decide(s settings, e *envelope, f facts) decision {
	d := &decision{msg: &e.Event.message}
	t := string(e.Event.Type)
	strange := stranger(s, e)
	if strange != "" {
		d.because("%s", strange)
	}
	switch {
	case t == "reaction_added" && (strange == "" || !s.means(e.Event.Reaction)):
		return decideReaction(s, e, f, d)
	case t == "message", t == "app_mention", t == "reaction_added":
		if strange != "" {
			return d.to(toKeep)
		}
		return decideMessage(s, e, f, d)
	case t == "":
		return d.because("it has no type").to(toKeep)
	case slices.Contains(quiet, t):
		return d.because("%s says nothing for a ticket", t).to(toNobody)
	case strange != "":
		return d.to(toNotice)
	case t == "app_uninstalled", t == "tokens_revoked":
		return d.because("the app was removed from the workspace: nothing comes in and nothing goes out any more").to(toNotice)
	}
	return d.because("events of this type are not known here").to(toNotice)
}

// stranger says why an event is not for this source, or "".
func stranger(s settings, e *envelope) string {
	app, team := string(e.AppID), e.team()
	switch {
	case s.AppID != "" && app != "" && app != s.AppID:
		return "it is for another app"
	case s.TeamID != "" && team != "" && team != s.TeamID:
		return "it is of another workspace"
	case team != "" && !slackID(team):
		return "its workspace has no proper ID"
	}
	return ""
}

// quiet are events apps often subscribe to and we have no use for.
var quiet = []string{"reaction_removed", "member_joined_channel", "member_left_channel", "app_home_opened",
	"file_shared", "file_created", "file_public", "file_change", "channel_created", "channel_rename", "channel_archive",
	"channel_unarchive", "channel_deleted", "channel_left", "group_left", "im_created", "im_open", "im_close", "user_change",
	"team_join", "emoji_changed", "pin_added", "pin_removed", "link_shared"}

// chores are messages Slack itself writes into channels.
var chores = []string{"channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name", "channel_archive",
	"channel_unarchive", "channel_posting_permissions", "channel_convert_to_private", "channel_convert_to_public",
	"group_join", "group_leave", "group_topic", "group_purpose", "group_name", "group_archive", "group_unarchive",
	"pinned_item", "unpinned_item", "bot_add", "bot_remove", "reminder_add", "ekm_access_denied", "message_replied",
	"huddle_thread", "sh_room_created", "tombstone"}

func decideMessage(s settings, e *envelope, f facts, d *decision) decision {
	m := &e.Event.message
	if m.Channel == "" || !slackID(string(m.Channel)) {
		return d.because("it names no channel").to(toKeep)
	}
	d.rule = s.rule(string(m.Channel), f.room, m.ChannelType == "im")
	switch sub := string(m.Subtype); {
	case sub == "message_changed":
		return decideEdit(s, e, f, d)
	case sub == "message_deleted":
		return decideDelete(s, e, f, d)
	case slices.Contains([]string{"", "file_share", "thread_broadcast", "me_message", "bot_message"}, sub):
	case slices.Contains(chores, sub):
		return d.because("Slack wrote it (%s)", sub).to(toNobody)
	default:
		return d.because("messages of this subtype are not known here").to(toKeep)
	}
	if !stamp(m.TS) || m.ThreadTS != "" && !stamp(m.ThreadTS) || m.User == "" && m.BotID == "" {
		return d.because("it has no author or no timestamp").to(toKeep)
	}
	if why := author(s, e, f, m, d); why != "" {
		return d.because("%s", why).to(toNobody)
	}
	if e.Event.Hidden {
		return d.because("it is hidden").to(toNobody)
	}
	return decideMode(e, f, d)
}

// author says why what somebody writes never counts, or "".
func author(s settings, e *envelope, f facts, m *message, d *decision) string {
	switch {
	case m.ours(string(e.AppID), f.bot):
		d.auto = desk.Auto{Kind: desk.AutoOwn, Reason: "our own app wrote it"}
		return "our own app wrote it"
	case m.User == "USLACKBOT":
		return "Slackbot wrote it"
	case m.BotID == "" && m.Subtype != "bot_message":
		return ""
	case !slices.Contains(s.Bots, string(m.BotID)):
		return fmt.Sprintf("an app wrote it that is not among the bots of this source (%s)", m.BotID)
	}
	d.auto = desk.Auto{Kind: desk.AutoGenerated, Reason: "a bot wrote it"}
	return ""
}

// decideMode applies the mode of the channel.
func decideMode(e *envelope, f facts, d *decision) decision {
	m := d.msg
	d.because("the channel is in mode %s", d.rule.mode)
	mentioned := e.Event.Type == "app_mention" || mentions(string(m.Text), f.bot)
	if mentioned {
		d.because("it mentions the bot")
	}
	every := d.rule.mode == modeEvery || d.rule.mode == modeThread
	switch {
	case m.reply() && (every && !f.staff || d.rule.mode == modeMention && mentioned):
		return d.because("it is an answer in a thread").to(toTicket)
	case m.reply():
		d.asks = true
		return d.because("it is an answer in a thread and counts when the thread belongs to a ticket").to(toThread)
	case every && f.staff && !mentioned:
		return d.because("one of our own people said it at the top of the channel").to(toNobody)
	case d.rule.mode == modeEvery:
		d.group = d.rule.window > 0
		if d.group {
			d.because("it joins what the same person said within %s", d.rule.window)
		}
		return d.to(toTicket)
	case d.rule.mode == modeThread, d.rule.mode == modeMention && mentioned:
		return d.because("it opens a ticket").to(toTicket)
	case d.rule.mode == modeMention:
		return d.because("it does not mention the bot").to(toNobody)
	case d.rule.mode == modeEmoji:
		return d.because("nobody reacted with the emoji yet").to(toNobody)
	}
	return d.because("no message opens a ticket here").to(toNobody)
}

func decideEdit(s settings, e *envelope, f facts, d *decision) decision {
	m, was := e.Event.Inner, e.Event.Previous
	if m == nil || !stamp(m.TS) || m.ThreadTS != "" && !stamp(m.ThreadTS) {
		return d.because("the edit does not say of which message").to(toKeep)
	}
	m.Channel = e.Event.Channel
	d.msg = m
	if m.Subtype == "tombstone" { // a message with answers is not deleted but emptied
		if was == nil {
			was = m
		}
		return decideGone(s, e, f, d, was)
	}
	if why := author(s, e, f, m, d); why != "" {
		return d.because("%s", why).to(toNobody)
	}
	if was != nil && was.Text == m.Text && was.Edited.TS == m.Edited.TS && len(was.Files) == len(m.Files) {
		return d.because("only its preview or its answers changed").to(toNobody)
	}
	d.asks = d.rule.mode != modeEvery && d.rule.mode != modeThread
	return d.because("its author changed it").to(toEdit)
}

func decideDelete(s settings, e *envelope, f facts, d *decision) decision {
	was := e.Event.Previous
	if was == nil {
		was = &message{}
	}
	if was.TS == "" {
		was.TS = e.Event.DeletedTS
	}
	return decideGone(s, e, f, d, was)
}

func decideGone(s settings, e *envelope, f facts, d *decision, was *message) decision {
	if !stamp(was.TS) || was.ThreadTS != "" && !stamp(was.ThreadTS) {
		return d.because("the delete does not say of which message").to(toKeep)
	}
	was.Channel = e.Event.Channel
	d.msg = was
	if why := author(s, e, f, was, d); why != "" {
		return d.because("%s", why).to(toNobody)
	}
	d.asks = d.rule.mode != modeEvery && d.rule.mode != modeThread
	return d.because("it was deleted").to(toDelete)
}

func decideReaction(s settings, e *envelope, f facts, d *decision) decision {
	v := &e.Event
	if v.Item.Type != "message" {
		return d.because("the reaction is not to a message").to(toNobody)
	}
	if !slackID(string(v.Item.Channel)) || !stamp(v.Item.TS) || v.User == "" {
		return d.because("the reaction does not say to which message").to(toKeep)
	}
	d.rule = s.rule(string(v.Item.Channel), f.room, strings.HasPrefix(string(v.Item.Channel), "D"))
	d.msg = &message{Channel: v.Item.Channel, TS: v.Item.TS, User: v.ItemUser}
	name := emojiOf(v.Reaction)
	status, moves := s.Emoji.Statuses[name]
	switch {
	case f.bot != "" && string(v.User) == f.bot:
		return d.because("it is our own reaction").to(toNobody)
	case s.Emoji.Create != "" && name == s.Emoji.Create:
		return d.because("somebody reacted with :%s:, which makes a ticket", name).to(toCreate)
	case !moves:
		return d.because("the reaction means nothing here").to(toNobody)
	case !f.staff:
		d.doubt = f.doubt
		return d.because("only our own people set a status by reaction").to(toNobody)
	}
	d.status = status
	return d.because(":%s: sets the status %s", name, status).to(toStatus)
}

// emojiOf is the name of a reaction without its skin tone.
func emojiOf(reaction loose) string {
	name, _, _ := strings.Cut(string(reaction), "::")
	return name
}

// means reports whether a reaction makes a ticket or sets a status.
func (s settings) means(reaction loose) bool {
	name := emojiOf(reaction)
	_, moves := s.Emoji.Statuses[name]
	return moves || s.Emoji.Create != "" && name == s.Emoji.Create
}

// mentions reports whether a text names a user.
func mentions(text, user string) bool {
	return user != "" && (strings.Contains(text, "<@"+user+">") || strings.Contains(text, "<@"+user+"|"))
}

// Inspect is part of [Inspector].
func (a *adapter) Inspect(ctx context.Context, body []byte) []string {
	e, odd, err := decode(body)
	if err != nil {
		return []string{"it cannot be read: " + err.Error(), "verdict: " + string(toKeep)}
	}
	d, err := a.decide(ctx, &e)
	if err != nil {
		return []string{"it cannot be decided now: " + err.Error(), "Slack will send it again"}
	}
	if odd != "" {
		d.because("%s", odd)
	}
	return append(d.reasons, "verdict: "+string(d.verdict))
}

// Counts is part of [Inspector].
func (a *adapter) Counts() map[string]int64 {
	a.counts.mu.Lock()
	defer a.counts.mu.Unlock()
	return maps.Clone(a.counts.n)
}
