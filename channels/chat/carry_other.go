package chat

import (
	"context"
	"net/url"
	"strings"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// twilioSMS is POST /Accounts/SID/Messages.json, a form.
type twilioSMS struct{}

func (twilioSMS) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	s := t.settings.Send
	from, who := orElse(s.Sender, to.more("from")), to.more("to")
	if from == "" || who == "" {
		return "", lost("twilio")
	}
	all := pieces{t: t}
	for _, part := range markup.Split(markup.ToPlain(r.Message.Text), 1500) { // of 1600
		if err := all.send(ctx, func() (string, error) {
			got, err := t.do(ctx, call{what: "twilio: Messages", url: s.URL + "/Accounts/" + url.PathEscape(s.User) + "/Messages.json",
				kind: "application/x-www-form-urlencoded", body: []byte(url.Values{"To": {who}, "From": {from}, "Body": {part}}.Encode()), user: s.User, pass: s.Token})
			return idOf(at(got, "sid")), err
		}); err != nil {
			return "", err
		}
	}
	return all.first, nil
}

// intercomReply is POST /conversations/ID/reply.
type intercomReply struct{}

func (intercomReply) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	s := t.settings.Send
	id := orElse(to.more("conversation"), to.Thread)
	if !simpleID(id) {
		return "", lost("intercom")
	}
	got, err := t.post(ctx, call{what: "intercom: reply", url: s.URL + "/conversations/" + url.PathEscape(id) + "/reply",
		header: map[string]string{"Authorization": "Bearer " + s.Token, "Intercom-Version": "2.11", "Accept": "application/json"}},
		map[string]any{"message_type": "comment", "type": "admin", "admin_id": s.Sender, "body": markup.ToHTML(r.Message.Text)})
	if err != nil {
		return "", err
	}
	return idOf(at(at(at(at(got, "conversation_parts"), "conversation_parts"), -1), "id")), nil
}

// simpleID reports whether an ID may be part of an address.
func simpleID(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// crispReply is POST /website/W/conversation/S/message.
type crispReply struct{}

func (crispReply) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	s := t.settings.Send
	website, session := to.more("website"), orElse(to.more("session"), to.Thread)
	if !simpleID(website) || !simpleID(session) {
		return "", lost("crisp")
	}
	got, err := t.post(ctx, call{what: "crisp: message", url: s.URL + "/website/" + url.PathEscape(website) + "/conversation/" + url.PathEscape(session) + "/message",
		header: map[string]string{"X-Crisp-Tier": "plugin"}, user: s.User, pass: s.Token},
		map[string]any{"type": "text", "from": "operator", "origin": "chat", "content": whatsappMarks(r.Message.Text)})
	if err != nil {
		return "", err
	}
	return within(session, idOf(at(at(got, "data"), "fingerprint"))), nil
}

// chatwootReply is POST /api/v1/accounts/A/conversations/C/messages; its notation
// is Markdown.
type chatwootReply struct{}

func (chatwootReply) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	s := t.settings.Send
	account, id := orElse(s.Sender, to.more("account")), orElse(to.more("conversation"), to.Thread)
	if !digits(account) || !digits(id) {
		return "", lost("chatwoot")
	}
	got, err := t.post(ctx, call{what: "chatwoot: messages", url: s.URL + "/api/v1/accounts/" + account + "/conversations/" + id + "/messages",
		header: map[string]string{"api_access_token": s.Token}},
		map[string]any{"content": r.Message.Text, "message_type": "outgoing", "private": false, "content_type": "text"})
	if err != nil {
		return "", err
	}
	return within(id, idOf(at(got, "id"))), nil
}

// within is the ID of a message by its conversation; "" when the service named
// none.
func within(conversation, id string) string {
	if id == "" {
		return ""
	}
	return conversation + ":" + id
}
