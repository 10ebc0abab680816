package chat

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// callback posts a reply to an address of the config, signed by "Standard
// Webhooks" 1.0. The webhook-id is the ID of our message, the same in every try.
type callback struct{}

// Callback is the body that is posted.
type Callback struct {
	Type        string         `json:"type"` // "message.reply"
	MessageID   string         `json:"messageId"`
	TicketID    string         `json:"ticketId"`
	Thread      string         `json:"thread"`    // the conversation, as the mapping named it
	InReplyTo   string         `json:"inReplyTo"` // the message answered, as the mapping named it
	To          string         `json:"to"`        // who wrote that
	Address     any            `json:"address,omitempty"`
	Text        string         `json:"text"`  // Markdown
	Plain       string         `json:"plain"` // without any markup
	HTML        string         `json:"html"`  // safe
	Attachments []CallbackFile `json:"attachments,omitempty"`
	At          time.Time      `json:"at"`
}

// CallbackFile names a file of the reply; its bytes are not sent.
type CallbackFile struct {
	Name        string `json:"name"`
	ContentType string `json:"contentType"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
}

func (callback) carry(ctx context.Context, t *talker, to address, r *desk.Reply) (string, error) {
	m := &r.Message
	out := Callback{Type: "message.reply", MessageID: string(m.ID), TicketID: string(m.TicketID), Thread: to.Thread, InReplyTo: to.ID, To: to.From,
		Address: to.More, Text: m.Text, Plain: markup.ToPlain(m.Text), HTML: markup.ToHTML(m.Text), At: m.CreatedAt.UTC()}
	for _, a := range m.Attachments {
		out.Attachments = append(out.Attachments, CallbackFile{a.Name, a.ContentType, a.Blob.Size, a.Blob.Digest})
	}
	b, err := json.Marshal(out)
	if err != nil {
		return "", desk.Permanent(err)
	}
	stamp := strconv.FormatInt(t.Now().Unix(), 10)
	key, err := webhookKey(t.settings.Send.Secret)
	if err != nil {
		return "", desk.Permanent(err)
	}
	sig := "v1," + base64.StdEncoding.EncodeToString(sum("sha256", string(key), string(m.ID), ".", stamp, ".", string(b)))
	answer, err := t.do(ctx, call{what: "callback", url: t.settings.Send.URL, kind: "application/json", body: b, again: true,
		header: map[string]string{"Webhook-Id": string(m.ID), "Webhook-Timestamp": stamp, "Webhook-Signature": sig}})
	if err != nil {
		return "", err
	}
	return idOf(at(answer, "id")), nil
}
