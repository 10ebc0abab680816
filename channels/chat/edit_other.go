package chat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"switchboard/pipeline/desk"
)

// The services that let us take a message back, and of them the one that lets us
// change its words. WhatsApp's Cloud API has neither; Twilio can forget the words
// of an SMS, but the phone has them.
var (
	_ reviser = crispReply{}
	_ reviser = chatwootReply{}
	_ reviser = intercomReply{}
)

// fixed is the error of an edit where a service has none.
func fixed(what string) error {
	return desk.Permanent(fmt.Errorf("chat: %s: the service lets nobody change what was sent; delete it and say it anew", what))
}

// crispMessage is the call on a message of ours ("Update A Message In
// Conversation", "Remove A Message In Conversation").
func crispMessage(t *talker, method string, to address, id string) (call, error) {
	website := to.more("website")
	session, fingerprint, _ := strings.Cut(id, ":")
	if !simpleID(website) || !simpleID(session) || session != orElse(to.more("session"), to.Thread) || !digits(fingerprint) {
		return call{}, lost("crisp")
	}
	s := t.settings.Send
	return call{what: "crisp: message", method: method, again: true, header: map[string]string{"X-Crisp-Tier": "plugin"}, user: s.User, pass: s.Token,
		url: s.URL + "/website/" + url.PathEscape(website) + "/conversation/" + url.PathEscape(session) + "/message/" + fingerprint}, nil
}

func (crispReply) edit(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error {
	c, err := crispMessage(t, http.MethodPatch, to, id)
	if err != nil {
		return err
	}
	text, err := onePart("crisp", []string{whatsappMarks(r.Message.Text)}, r)
	if err != nil {
		return err
	}
	_, err = t.post(ctx, c, map[string]any{"content": text})
	return err
}

func (crispReply) remove(ctx context.Context, t *talker, to address, id string, _ *desk.Reply) error {
	c, err := crispMessage(t, http.MethodDelete, to, id)
	if err != nil {
		return err
	}
	_, err = t.do(ctx, c)
	return unlessGone(err)
}

// unlessGone takes what is gone already for taken back.
func unlessGone(err error) error {
	if refusedFor(err, http.StatusNotFound, "") {
		return nil
	}
	return err
}

// edit: Chatwoot's update changes the state of a message, never its words.
func (chatwootReply) edit(context.Context, *talker, address, string, *desk.Reply) error {
	return fixed("chatwoot")
}

// remove is DELETE /api/v1/accounts/A/conversations/C/messages/M ("Delete a
// message"): its words and files go, and it stands there as deleted.
func (chatwootReply) remove(ctx context.Context, t *talker, to address, id string, _ *desk.Reply) error {
	s := t.settings.Send
	account := orElse(s.Sender, to.more("account"))
	conversation, message, _ := strings.Cut(id, ":")
	if !digits(account) || !digits(conversation) || conversation != orElse(to.more("conversation"), to.Thread) || !digits(message) {
		return lost("chatwoot")
	}
	_, err := t.do(ctx, call{what: "chatwoot: messages", method: http.MethodDelete, again: true, header: map[string]string{"api_access_token": s.Token},
		url: s.URL + "/api/v1/accounts/" + account + "/conversations/" + conversation + "/messages/" + message})
	return unlessGone(err)
}

// edit: Intercom has no call that changes a part.
func (intercomReply) edit(context.Context, *talker, address, string, *desk.Reply) error {
	return fixed("intercom")
}

// remove is POST /conversations/redact ("Redact a conversation part"). A second
// time it is refused as not redactable, which may have other reasons too: then
// the part itself says whether it is redacted.
func (intercomReply) remove(ctx context.Context, t *talker, to address, id string, _ *desk.Reply) error {
	s := t.settings.Send
	conversation := orElse(to.more("conversation"), to.Thread)
	if !simpleID(conversation) || !simpleID(id) {
		return lost("intercom")
	}
	header := map[string]string{"Authorization": "Bearer " + s.Token, "Intercom-Version": "2.11", "Accept": "application/json"}
	_, err := t.post(ctx, call{what: "intercom: redact", again: true, header: header, url: s.URL + "/conversations/redact"},
		map[string]any{"type": "conversation_part", "conversation_id": conversation, "conversation_part_id": id})
	var no *refusal
	if err = unlessGone(err); err == nil || !errors.As(err, &no) {
		return err
	}
	got, failed := t.do(ctx, call{what: "intercom: conversation", method: http.MethodGet, again: true, header: header,
		url: s.URL + "/conversations/" + url.PathEscape(conversation)})
	if failed != nil {
		return err
	}
	parts, _ := at(at(got, "conversation_parts"), "conversation_parts").([]any)
	for _, p := range parts {
		if idOf(at(p, "id")) == id && at(p, "redacted") == true {
			return nil
		}
	}
	return err
}
