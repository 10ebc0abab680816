// Package webform takes tickets by forms: pages Switchboard hosts, the same
// pages inside other sites, and their JSON for a site's own front end.
//
// What goes in: a source's forms, declared in its settings, and what strangers
// post to them. What comes out: one [desk.Draft] for each form that was sent,
// and blobs for its files and for the whole of what was sent.
//
// What it promises. Nobody hears "thank you" before the ledger has the message;
// the same form sent twice (double click, reload) is one message. What a hidden
// field held is neither asked for nor kept, and the server alone decides what is
// hidden. Nothing of a body is kept before its token was found good. Files are
// streamed, byte for byte. Everything works without JavaScript; with it fields
// come and go, mistakes show at once and uploads show how far they are. No page
// runs a script or style that is not a file of ours (Content-Security-Policy).
// Everything is safe for concurrent use.
//
// What it may not know: the store, the queue, tickets, other channels. It has no
// Sender: a form has no way back. Its drafts carry the mail address to answer to
// as their thread's address ([Address]), so that answers can go by a source that
// sends mail.
//
// Routes, all below /forms/{source}/:
//
//	GET, POST {form}              the page
//	GET, POST, OPTIONS {form}.json  the form and what is sent, as JSON
//	GET {form}/embed.js           shows the form inside a page of an allowed origin
//	GET receipts/{token}          what became of what was sent
//	GET -/{file}                  style and script of the pages
//
// Standards: HTML (constraint validation, multipart/form-data, RFC 7578),
// WCAG 2.2 AA, Content Security Policy Level 3, CORS (Fetch), RFC 9457 problems,
// RFC 2104 (HMAC), RFC 6068 (mailto).
//
// How a form flows through: hook.go guards and answers, body.go reads (upload.go
// takes files), token.go vouches, condition.go decides what is hidden, value.go
// checks, captcha.go asks, draft.go makes the draft, purely; counts.go counts
// what was taken and what was refused. form.go compiles settings.go. To add a
// type of field: its name in form.go, its check in value.go, its control in
// templates/form.html. To add a language: one file in words/.
package webform

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Kind is the recipe of the web form channel.
func Kind() channels.Kind {
	return channels.Kind{
		Name:    "webform",
		Channel: desk.WebForm,
		Doc:     "Hosted and embeddable forms with conditions, uploads and several languages, with or without JavaScript.",
		Check: func(b channels.Block) error {
			_, err := load(b)
			return err
		},
		Open: func(c channels.Config) (channels.Adapter, error) { return open(c) },
	}
}

var _ channels.Hook = (*adapter)(nil)

// adapter is the running code of one source and its forms.
type adapter struct {
	channels.Config
	site    *site
	signer  signer
	rates   map[string]*rates // by form
	client  *http.Client      // to the CAPTCHA's verifier
	origins map[string]*http.CrossOriginProtection
	counts  counts
}

func open(c channels.Config) (*adapter, error) {
	s, err := load(c.Block)
	if err != nil {
		return nil, err
	}
	if len(c.Secret) == 0 {
		return nil, errors.New("webform: no secret to sign forms with")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Limits.TextBytes <= 0 {
		c.Limits.TextBytes = 1 << 20
	}
	c.Log = c.Log.With("source", c.Source.Name)
	a := &adapter{Config: c, site: s, signer: newSigner(c.Secret, c.Source.Name), rates: map[string]*rates{},
		client: verifier(), origins: map[string]*http.CrossOriginProtection{}}
	for _, f := range s.forms {
		a.rates[f.name] = newRates(f.spam.perIP, f.spam.perForm, c.Now)
		guard := http.NewCrossOriginProtection()
		for _, o := range f.origins {
			if err := guard.AddTrustedOrigin(o); err != nil {
				return nil, err
			}
		}
		a.origins[f.name] = guard
	}
	return a, nil
}

// Run waits for ctx: forms come to the routes.
func (a *adapter) Run(ctx context.Context) error {
	<-ctx.Done()
	a.client.CloseIdleConnections()
	return nil
}
