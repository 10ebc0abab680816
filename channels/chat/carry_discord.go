package chat

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// discordBot is POST /channels/ID/messages. The nonce makes Discord answer with
// the message that is there already when the same piece of the same reply comes
// again within minutes.
type discordBot struct{}

func (discordBot) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	channel := to.more("channel")
	if !digits(channel) {
		return "", lost("discord")
	}
	all := pieces{t: t}
	for i, part := range discordParts(to, r) {
		body := discordBody(to, part)
		body["nonce"], body["enforce_nonce"] = discordNonce(r.Message.ID, i), true
		if err := all.send(ctx, func() (string, error) {
			got, err := t.post(ctx, discordCall(t, "", channel, ""), body)
			return idOf(at(got, "id")), err
		}); err != nil {
			return "", err
		}
	}
	return all.first, nil
}

// discordNonce names a piece of a reply; Discord takes 25 characters.
func discordNonce(id desk.MessageID, piece int) string {
	s := strings.ReplaceAll(string(id), "-", "")
	if piece == 0 {
		return desk.Cut(s, 25)
	}
	return desk.Cut(s, 20) + "." + strconv.Itoa(piece)
}

// discordParts is the text of a reply in as many messages as it takes.
func discordParts(to address, r *desk.Reply) []string {
	text := r.Message.Text
	if who := to.more("user"); digits(who) {
		text = "<@" + who + "> " + text
	}
	return markup.Split(text, 1900) // of 2000
}

func discordBody(to address, part string) map[string]any {
	if who := to.more("user"); digits(who) {
		return map[string]any{"content": part, "allowed_mentions": map[string]any{"users": []string{who}}}
	}
	return map[string]any{"content": part, "allowed_mentions": map[string]any{"parse": []string{}}}
}

func discordCall(t *talker, method, channel, id string) call {
	at := "/channels/" + channel + "/messages"
	if id != "" {
		at += "/" + id
	}
	return call{what: "discord: messages", method: method, url: t.settings.Send.URL + at, again: method != "",
		header: map[string]string{"Authorization": "Bot " + t.settings.Send.Token}}
}

// edit is PATCH /channels/ID/messages/ID.
func (discordBot) edit(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error {
	channel := to.more("channel")
	if !digits(channel) || !digits(id) {
		return lost("discord")
	}
	text, err := onePart("discord", discordParts(to, r), r)
	if err != nil {
		return err
	}
	_, err = t.post(ctx, discordCall(t, http.MethodPatch, channel, id), discordBody(to, text))
	return err
}

// remove is DELETE /channels/ID/messages/ID.
func (discordBot) remove(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error {
	channel := to.more("channel")
	if !digits(channel) || !digits(id) {
		return lost("discord")
	}
	_, err := t.do(ctx, discordCall(t, http.MethodDelete, channel, id))
	if err != nil && !refusedFor(err, http.StatusNotFound, "unknown message") {
		return err
	}
	return othersStay("discord", len(discordParts(to, r)))
}
