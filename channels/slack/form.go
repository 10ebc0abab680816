package slack

import (
	"cmp"
	"context"
	"errors"
	"strings"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

var errKnown = errors.New("the message is on a ticket already")

// file puts a submitted form into the ledger.
func (a *adapter) file(ctx context.Context, body []byte, i *interaction, p purpose, x answers) error {
	p.Team = cmp.Or(a.home(i), p.Team)
	raw, err := a.raw(ctx, body)
	if err != nil {
		return err
	}
	var d *desk.Draft
	if p.Kind == purposeMessage && slackID(p.Channel) && stamp(loose(p.TS)) {
		d, err = a.fromMessage(ctx, i, p, raw)
	} else {
		d, err = a.fromForm(ctx, i, p, x, raw)
	}
	if err != nil {
		return err
	}
	if d.Ask == nil {
		d.Ask = &desk.Ask{}
	}
	d.Ask.Title, d.Ask.Priority = x.title, x.priority
	_, err = a.Sink.Submit(ctx, nil, d)
	return err
}

// fromMessage makes the draft of the message the shortcut was used on. It has
// the message's own identity, so that doing it twice changes nothing.
func (a *adapter) fromMessage(ctx context.Context, i *interaction, p purpose, raw desk.Kept) (*desk.Draft, error) {
	if a.Desk != nil {
		known, err := a.Desk.Knows(ctx, a.Source.Scope(), key(p.Team, p.Channel, p.TS))
		if err != nil {
			return nil, err
		}
		if known {
			return nil, errKnown
		}
	}
	m, err := a.find(ctx, p.Channel, p.TS)
	damage := ""
	if err != nil || m == nil { // the app may not be in the channel
		m = &message{Channel: loose(p.Channel), TS: loose(p.TS), ThreadTS: loose(p.ThreadTS), User: loose(p.User), Text: loose(p.Text)}
		damage = "the message could not be read in Slack; its beginning came with the shortcut"
	}
	d := decision{verdict: toTicket, msg: m, rule: a.settings.rule(p.Channel, "", strings.HasPrefix(p.Channel, "D"))}
	d.because("somebody used the shortcut on it")
	e := &envelope{TeamID: loose(p.Team), AppID: i.AppID}
	draft, err := a.draft(ctx, e, d, raw)
	if err != nil {
		return nil, err
	}
	draft.Headers["slack-shortcut-by"] = string(i.User.ID)
	if damage != "" {
		draft.Damage = append(draft.Damage, damage)
	}
	return draft, nil
}

// fromForm makes the draft of a form nobody's message is behind. The ticket is
// announced where it was asked for, so that there is a thread to answer in.
func (a *adapter) fromForm(ctx context.Context, i *interaction, p purpose, x answers, raw desk.Kept) (*desk.Draft, error) {
	user := string(i.User.ID)
	who, _ := a.people.ask(ctx, user)
	staff := a.staff(ctx, user, p.Team, false)
	id := p.Team + ":view:" + desk.Clean(desk.Cut(string(i.View.ID), 100))
	if i.View.ID == "" {
		id = "sha256:" + raw.Ref.Digest
	}
	m := &message{Channel: loose(p.Channel), User: i.User.ID}
	d := decision{verdict: toTicket, msg: m, rule: a.settings.rule(p.Channel, "", strings.HasPrefix(p.Channel, "D"))}
	d.because("somebody filled in the form")
	draft := &desk.Draft{
		Source: a.Source.Name, Channel: desk.Slack, Scope: a.Source.Scope(), ExternalID: id,
		Fingerprint: desk.Fingerprint("slack", "form", id, user, x.title, x.description, string(x.priority)),
		Thread:      desk.Thread{Key: id, Address: address{Team: p.Team, User: user}.json()},
		From:        desk.Party{Name: who.Name, Handle: user}, Profile: who.profile(p.Team),
		Text: cmp.Or(x.description, x.title), ReceivedAt: a.Now(), Raw: raw.Ref, Kept: raw.List(),
		Headers: headers(d, origin{team: p.Team, who: who, staff: staff}),
		Ask:     &desk.Ask{TeamID: d.rule.team, Description: x.description},
	}
	if staff {
		draft.Ask.Actor = desk.Actor{Kind: desk.ByAgent, ID: user, Name: who.Name}
	}
	known, err := a.filed(ctx, id, string(i.View.ID))
	if err != nil {
		return nil, err
	}
	if known {
		return draft, nil
	}
	if at, ok := a.announce(ctx, string(i.View.ID), p, user, x); ok {
		draft.Thread = desk.Thread{Key: key(p.Team, at.channel, at.ts), Address: address{Team: p.Team, Channel: at.channel, ThreadTS: at.ts}.json()}
	}
	return draft, nil
}

// filed reports whether another process has put a form into the ledger: what it
// announced is where answers are awaited, and not a second post. The same answers
// are then what the ledger has; others are a message of their own, and answers to
// it go to the user.
func (a *adapter) filed(ctx context.Context, id, view string) (bool, error) {
	if _, here := a.views.posted(view); here || a.Desk == nil {
		return false, nil
	}
	return a.Desk.Knows(ctx, a.Source.Scope(), id)
}

// announce posts what was asked where it was asked, or to the user directly when
// we may not write there. It is posted once for a form, however often it is
// submitted. False means that there is no post; answers then go to the user.
func (a *adapter) announce(ctx context.Context, id string, p purpose, user string, x answers) (posted, bool) {
	if at, ok := a.views.posted(id); ok {
		return at, true
	}
	words := markup.ToMrkdwn("**" + plainWords.Replace(x.title) + "**")
	if x.description != "" {
		words += "\n" + slackEscape.Replace(x.description)
	}
	words += "\n_Asked by_ <@" + user + ">"
	for _, to := range []string{p.Channel, user} {
		if !slackID(to) {
			continue
		}
		channel, ts, err := a.api.PostMessageContext(ctx, to, slackgo.MsgOptionText(words, false), slackgo.MsgOptionDisableLinkUnfurl())
		if err == nil && ts != "" && channel != "" {
			at := posted{channel: channel, ts: ts}
			a.views.remember(id, at)
			return at, true
		}
		if err = classify("chat.postMessage", err, true); !desk.IsPermanent(err) {
			break // it may have arrived, or Slack is in trouble: no second post
		}
	}
	return posted{}, false
}

// plainWords keeps the words of a title from being markup.
var plainWords = strings.NewReplacer("*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "<", `\<`, `\`, `\\`, "~", `\~`)

// slackEscape is all Slack wants escaped ("Formatting message text").
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
