// Package chat takes messages from anything that can call a webhook, and
// answers into the same conversation: chat services by a preset, inbound mail
// by the JSON or form a mail service posts, and every other sender by a mapping
// written in the config.
//
// What goes in: a signed POST with JSON or a form at /hooks/chat/SOURCE, and
// [desk.Reply]s. What comes out: [desk.Draft]s to the Sink, blobs for the raw
// request and files, and requests to the service as [desk.Proof]s.
//
// What it promises. A request is verified on its raw bytes before anything of it
// is read (mailgun signs a field of the form, which is all that is read of it
// before); without a scheme a source does not open. The sender hears 2xx only
// when what it brought is in the ledger or is nothing for a ticket, 401 for a
// bad signature, 400 for what the mapping finds no message in, 503 when it shall
// come again. The same message sent again has the same external ID and
// fingerprint. A mapping cannot loop inside a loop, run patterns or call
// anything but the functions listed in functions.go. Files are fetched only from
// hosts the preset or the config names, over https, never from a private
// address; one that cannot be had is Damage, never a lost message. Drafts are in
// the order of the request. Everything is safe for concurrent use.
//
// What it may not know: the store, the queue, tickets, other channels. Of
// channels/email it uses the reader of mails alone.
//
// Standards: "Standard Webhooks" 1.0 (signatures in and out), RFC 8259 (JSON),
// RFC 7578 (multipart forms), RFC 8032 (Ed25519), and the webhook pages of the
// vendors named in preset.go.
//
// How a request flows through: hook.go reads it within its limits, verify.go
// checks it, body.go decodes it, mapping.go finds the messages by expressions
// (guard.go, functions.go), files.go collects their files, draft.go makes the
// drafts. send.go is the way back,
// edit.go changes what was sent where the service allows it. sample.go runs the captured samples of the
// config through the same mapping. To add a vendor: a preset in a preset_*.go
// file, a line in the table in preset.go, and a way of sending in carry_*.go
// when it takes answers.
package chat

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Kind is the recipe of the chat channel.
func Kind() channels.Kind {
	return channels.Kind{
		Name:    "chat",
		Channel: desk.Chat,
		Doc:     "Takes any signed JSON or form webhook by a preset or a mapping: Telegram, WhatsApp, Twilio, Intercom, Crisp, Chatwoot, Discord, inbound mail, your own.",
		Check: func(b channels.Block) error {
			s, err := load(b)
			if err != nil {
				return err
			}
			return s.runSamples()
		},
		Open: open,
	}
}

var (
	_ channels.Hook   = (*adapter)(nil)
	_ channels.Sender = (*talker)(nil)
)

// adapter is the running code of one source that only listens.
type adapter struct {
	channels.Config
	settings settings
	files    *http.Client // fetches, from strangers' addresses
	media    *http.Client // fetches, from the configured service
	counts   counts
}

// talker is a source that answers too.
type talker struct {
	*adapter
	http  *http.Client
	pace  pace
	sleep func(context.Context, time.Duration) error // between two tries of a piece
}

func open(c channels.Config) (channels.Adapter, error) {
	s, err := load(c.Block)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = c.Log.With("source", c.Source.Name)
	a := &adapter{Config: c, settings: s,
		files: &http.Client{Transport: guarded(), CheckRedirect: s.onlyAllowed},
		media: &http.Client{Transport: plain(), CheckRedirect: noRedirect}}
	if s.carry == nil {
		return a, nil
	}
	t := &talker{adapter: a, sleep: channels.Sleep, http: &http.Client{Timeout: s.Send.Timeout, Transport: plain(), CheckRedirect: noRedirect}}
	if r, can := s.carry.(reviser); can {
		return &editor{talker: t, reviser: r}, nil
	}
	return t, nil
}

// Run waits for ctx: the other side calls us.
func (a *adapter) Run(ctx context.Context) error {
	<-ctx.Done()
	a.files.CloseIdleConnections()
	a.media.CloseIdleConnections()
	return nil
}
