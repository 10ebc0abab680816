package slack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// TestDecide is the table of what becomes of what, and why.
func TestDecide(t *testing.T) {
	settings := func(extra string) settings {
		s, err := load(block("signingSecret: a\nbotToken: b\n" + extra))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const bot = "UBOT00001"
	event := func(fields string) string {
		return `{"type":"event_callback","api_app_id":"AAPP00001","team_id":"T1","event":{"type":"message","channel":"C1","user":"U1","ts":"1700000000.000100",` + fields + `}}`
	}
	hi, answer := event(`"text":"hi"`), event(`"text":"hi","thread_ts":"1690000000.000100"`)
	mention := event(`"text":"hi <@UBOT00001> there"`)
	mentionIn := event(`"text":"hi <@UBOT00001>","thread_ts":"1690000000.000100"`)
	reaction := func(name string) string {
		return `{"type":"event_callback","team_id":"T1","event":{"type":"reaction_added","user":"U1","reaction":"` + name + `","item":{"type":"message","channel":"C1","ts":"1700000000.000100"}}}`
	}
	for i, c := range []struct {
		settings string
		event    string
		staff    bool
		want     verdict
		why      string
	}{
		{"", hi, false, toTicket, "within 2m0s"},
		{"window: 0s", hi, false, toTicket, "mode every"},
		{"", hi, true, toNobody, "our own people"},
		{"", answer, false, toTicket, "answer in a thread"},
		{"", answer, true, toThread, "when the thread belongs to a ticket"},
		{"mode: thread", hi, false, toTicket, "opens a ticket"},
		{"mode: thread", answer, false, toTicket, "answer in a thread"},
		{"mode: mention", hi, false, toNobody, "does not mention"},
		{"mode: mention", mention, false, toTicket, "mentions the bot"},
		{"mode: mention", mention, true, toTicket, "mentions the bot"},
		{"mode: mention", mentionIn, false, toTicket, "mentions the bot"},
		{"mode: mention", answer, false, toThread, "when the thread"},
		{"mode: emoji", hi, false, toNobody, "nobody reacted"},
		{"mode: emoji", mention, false, toNobody, "nobody reacted"},
		{"mode: emoji", answer, false, toThread, "when the thread"},
		{"mode: none", hi, false, toNobody, "no message opens"},
		{"mode: none", answer, false, toThread, "when the thread"},
		{"mode: none\nchannels: [{id: C1, mode: thread}]", hi, false, toTicket, "mode thread"},
		{"mode: none\nchannels: [{name: room, mode: thread}]", hi, false, toTicket, "mode thread"},
		{"mode: none", event(`"text":"hi","channel_type":"im"`), false, toTicket, "mode every"},
		{"mode: none\nchannels: [{id: C1, mode: none}]", event(`"text":"hi","channel_type":"im"`), false, toNobody, "mode none"},
		{"appID: AOTHER", hi, false, toKeep, "another app"},
		{"teamID: T2", hi, false, toKeep, "another workspace"},
		{"teamID: T1", hi, false, toTicket, ""},
		{"", event(`"text":"x","app_id":"AAPP00001","bot_id":"B1"`), false, toNobody, "our own app"},
		{"", strings.Replace(hi, `"U1"`, `"UBOT00001"`, 1), false, toNobody, "our own app"},
		{"", strings.Replace(hi, `"U1"`, `"USLACKBOT"`, 1), false, toNobody, "Slackbot"},
		{"", event(`"text":"x","subtype":"bot_message","bot_id":"B2"`), false, toNobody, "not among the bots"},
		{"bots: [B2]", event(`"text":"x","subtype":"bot_message","bot_id":"B2"`), false, toTicket, ""},
		{"", event(`"text":"x","subtype":"channel_join"`), false, toNobody, "Slack wrote it"},
		{"", event(`"text":"x","hidden":true`), false, toNobody, "hidden"},
		{"", event(`"subtype":"me_message","text":"waves"`), false, toTicket, ""},
		{"", event(`"subtype":"message_changed","message":{"user":"U1","ts":"1700000000.1","text":"b"},"previous_message":{"user":"U1","ts":"1700000000.1","text":"a"}`), false, toEdit, "changed it"},
		{"", event(`"subtype":"message_changed","message":{"user":"U1","ts":"1700000000.1","text":"a","thread_ts":"1"},"previous_message":{"user":"U1","ts":"1700000000.1","text":"a"}`), false, toNobody, "preview"},
		{"", event(`"subtype":"message_changed","message":{"bot_id":"B9","app_id":"AAPP00001","ts":"1700000000.1","text":"b"},"previous_message":{"ts":"1700000000.1","text":"a"}`), false, toNobody, "our own app"},
		{"", event(`"subtype":"message_deleted","deleted_ts":"1700000000.1","previous_message":{"user":"U1","ts":"1700000000.1","text":"a"}`), false, toDelete, "deleted"},
		{"", event(`"subtype":"message_deleted","deleted_ts":"1700000000.1"`), false, toDelete, "deleted"},
		{"", reaction("ticket"), false, toCreate, ":ticket:"},
		{"", reaction("ticket::skin-tone-2"), false, toCreate, ":ticket:"},
		{"emoji: {create: bug}", reaction("ticket"), false, toNobody, "means nothing"},
		{"", reaction("eyes"), true, toStatus, "IN_PROGRESS"},
		{"", reaction("white_check_mark"), true, toStatus, "RESOLVED"},
		{"", reaction("eyes"), false, toNobody, "only our own people"},
		{"emoji: {statuses: {tada: CLOSED}}", reaction("tada"), true, toStatus, "CLOSED"},
		{"emoji: {statuses: {tada: CLOSED}}", reaction("eyes"), true, toNobody, "means nothing"},
		{"", `{"type":"event_callback","event":{"type":"reaction_removed"}}`, false, toNobody, "nothing for a ticket"},
		{"", `{"type":"event_callback","event":{"type":"app_uninstalled"}}`, false, toNotice, "removed from the workspace"},
		{"", `{"type":"event_callback","event":{"type":"tokens_revoked"}}`, false, toNotice, "removed from the workspace"},
		{"", `{"type":"event_callback","event":{"type":"new_thing_2031"}}`, false, toNotice, "not known here"},
		{"", `{"type":"event_callback","event":{}}`, false, toKeep, "no type"},
		{"teamID: T2", `{"type":"event_callback","team_id":"T1","event":{"type":"app_uninstalled"}}`, false, toNotice, "another workspace"},
		{"teamID: T2", `{"type":"event_callback","team_id":"T1","event":{"type":"new_thing_2031"}}`, false, toNotice, "another workspace"},
		{"teamID: T2", `{"type":"event_callback","team_id":"T1","event":{"type":"pin_added"}}`, false, toNobody, "nothing for a ticket"},
		{"teamID: T2", reaction("ticket"), false, toKeep, "another workspace"},
		{"teamID: T2", reaction("eyes"), false, toKeep, "another workspace"},
		{"teamID: T2", reaction("tada"), false, toNobody, "means nothing"},
	} {
		e, _, err := decode([]byte(c.event))
		if err != nil {
			t.Fatal(err)
		}
		d := decide(settings(c.settings), &e, facts{room: "room", bot: bot, staff: c.staff})
		if d.verdict != c.want || !strings.Contains(strings.Join(d.reasons, "; "), c.why) || len(d.reasons) == 0 {
			t.Errorf("%d (%s) %s: %s %q, want %s because of %q", i, c.settings, c.event, d.verdict, d.reasons, c.want, c.why)
		}
	}
}

func TestInspect(t *testing.T) {
	w := newTown(t, plan{block: "mode: mention"})
	_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "just talking"})
	got := w.a.Inspect(t.Context(), d.Body)
	if !slices.Equal(got, []string{"the channel is in mode mention", "it does not mention the bot", "verdict: ignored"}) {
		t.Errorf("%q", got)
	}
	if got := w.a.Inspect(t.Context(), []byte("?")); len(got) != 2 || !strings.Contains(got[0], "cannot be read") || got[1] != "verdict: kept" {
		t.Errorf("%q", got)
	}
	if len(w.h.drafts()) != 0 {
		t.Error("looking changed something")
	}
}

// TestModesLive: a thread belongs to a ticket or not, asked of the desk.
func TestModesLive(t *testing.T) {
	w := newTown(t, plan{block: "mode: mention\nstaff: [" + cleo + "]"})
	root := w.say(fakeslack.Message{Channel: help, User: ada, Text: "talk"})
	w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: root.TS, Text: "more talk"})
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: root.TS, Text: "<@" + fakeslack.BotUser + "> this is a problem"})
	ds := w.h.drafts()
	if len(ds) != 3 || ds[0].Text != "this is a problem" || ds[1].Text != "talk" || ds[2].Text != "more talk" {
		t.Fatalf("%d drafts", len(ds))
	}
	for _, d := range ds {
		if d.Thread.Key != "TACME0001:CHELP0001:"+root.TS {
			t.Errorf("thread %q", d.Thread.Key)
		}
	}
	w.say(fakeslack.Message{Channel: help, User: cleo, ThreadTS: root.TS, Text: "we are on it"})
	ds = w.h.drafts()
	if d := ds[len(ds)-1]; len(ds) != 4 || d.Ask == nil || d.Ask.Actor != (desk.Actor{Kind: desk.ByAgent, ID: cleo, Name: "Cleo"}) || d.Headers["slack-staff"] != "true" {
		t.Errorf("%d drafts, the last %+v", len(ds), d)
	}
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: root.TS, Text: "<@" + fakeslack.BotUser + "> hello?"})
	if n := len(w.s.Calls("conversations.replies")); n != 1 || len(w.h.drafts()) != 5 {
		t.Errorf("the thread was read %d times, %d drafts", n, len(w.h.drafts()))
	}
	other := w.say(fakeslack.Message{Channel: help, User: ada, Text: "other talk"})
	w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: other.TS, Text: "chatter"})
	w.yes(w.s.Edit(t.Context(), help, other.TS, "other words"))
	w.yes(w.s.Edit(t.Context(), help, root.TS, "talk indeed"))
	if ds = w.h.drafts(); len(ds) != 6 || ds[5].Act != desk.ActEdit || ds[5].Text != "talk indeed" {
		t.Errorf("%d drafts", len(ds))
	}
}

func TestChannelByName(t *testing.T) {
	w := newTown(t, plan{block: "mode: none\nchannels: [{name: help, mode: thread, team: field}]"})
	w.s.Next("conversations.info", fakeslack.Fault{Status: 500}) // then it is not known, and nothing is guessed
	_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	if !d.OK || len(d.Attempts) != 2 {
		t.Errorf("%+v", d.Attempts)
	}
	w.say(fakeslack.Message{Channel: talk, User: ada, Text: "hello"})
	x := w.one()
	if x.Ask == nil || x.Ask.TeamID != "field" || x.Headers["slack-channel-name"] != "help" {
		t.Errorf("%+v %v", x.Ask, x.Headers)
	}
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello again"})
	if n := len(w.s.Calls("conversations.info")); n != 3 {
		t.Errorf("asked %d times, want once for each channel and once for the failure", n)
	}
}

// TestSeparateSources: two workspaces are two sources.
func TestSeparateSources(t *testing.T) {
	a := newTown(t, plan{})
	b := newTown(t, plan{fake: fakeslack.Options{TeamID: "TBETA0001", SigningSecret: "another"}, source: desk.Source{Name: "beta", Channel: desk.Slack, Separate: true}})
	a.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	b.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	if x, y := a.one(), b.one(); x.Scope != "SLACK" || y.Scope != "beta" || x.Source != "acme" || y.Source != "beta" || x.ExternalID == y.ExternalID {
		t.Errorf("%s %s, %s %s", x.Scope, y.Scope, x.ExternalID, y.ExternalID)
	}
	if status := b.post("/events", []byte("{}"), nil); status != 401 {
		t.Errorf("%d", status)
	}
}

func TestSettings(t *testing.T) {
	for in, field := range map[string]string{
		"botToken: b":                      "signingSecret",
		"signingSecret: a":                 "botToken",
		"signingSecret: \"\"\nbotToken: b": "signingSecret",
		"signingSecret: a\nbotToken: b\napiURL: http://slack.com/api/":  "apiURL",
		"signingSecret: a\nbotToken: b\napiURL: nonsense":               "apiURL",
		"signingSecret: a\nbotToken: b\nmode: always":                   "mode",
		"signingSecret: a\nbotToken: b\nwindow: 48h":                    "window",
		"signingSecret: a\nbotToken: b\nchannels: [{mode: none}]":       "channels[0]",
		"signingSecret: a\nbotToken: b\nchannels: [{id: c1}]":           "channels[0].id",
		"signingSecret: a\nbotToken: b\nchannels: [{name: \"#x\"}]":     "channels[0].name",
		"signingSecret: a\nbotToken: b\nchannels: [{id: C1},{id: C1}]":  "channels[1]",
		"signingSecret: a\nbotToken: b\nchannels: [{id: C1, mode: x}]":  "channels[0].mode",
		"signingSecret: a\nbotToken: b\nemoji: {create: ':x:'}":         "emoji.create",
		"signingSecret: a\nbotToken: b\nemoji: {statuses: {ticket: A}}": "emoji.statuses",
		"signingSecret: a\nbotToken: b\nstaff: [somebody]":              "staff[0]",
		"signingSecret: a\nbotToken: b\nbodyBytes: 5":                   "bodyBytes",
		"signingSecret: a\nbotToken: b\nsignatureWindow: 24h":           "signatureWindow",
		"signingSecret: a\nbotToken: b\ncommand: ticket":                "command",
	} {
		err := Kind().Check(block(in))
		if inv := desk.Invalids(err); len(inv) != 1 || inv[0].Field != field {
			t.Errorf("%q: %v, want %s", in, err, field)
		}
	}
	s, err := load(block("signingSecret: a\nbotToken: b\napiURL: https://slack.example/api"))
	if err != nil || s.APIURL != "https://slack.example/api/" || s.Window != 2*time.Minute || len(s.Emoji.Statuses) != 2 {
		t.Errorf("%+v %v", s, err)
	}
	if err := Kind().Check(block("signingSecret: a\nbotToken: b\nunknown: 1")); err == nil || len(desk.Invalids(err)) != 0 {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestWhen(t *testing.T) {
	for in, want := range map[string]int64{"1700000000.000100": 1700000000000100, "1700000000": 1700000000000000, "1700000000.1": 1700000000100000, "": 0, "x": 0, "-5.1": 0, "99999999999999999999": 0} {
		got := when(loose(in))
		if want == 0 && !got.IsZero() || want != 0 && got.UnixMicro() != want {
			t.Errorf("%q: %s", in, fmt.Sprint(got))
		}
	}
}
