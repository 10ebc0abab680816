// Package email reads mailboxes over IMAP and turns each mail into a draft; with
// an smtp block it also mails answers.
//
// What goes in: a source's settings and whatever its mailbox holds. What comes
// out: [desk.Draft]s to the Sink, in the order of their UIDs, with the cursor
// that says how far the folder was read; blobs for raw mails and their parts.
//
// What it promises. Every mail that is in a folder becomes a draft, once: the
// cursor moves only inside the Submit that takes the drafts before it, and only
// over mails whose bytes were all there (counted against the literal's size) or
// which a fresh SEARCH proved gone. A mail that breaks the connection again and
// again is taken in parts, with its damage told, and the rest goes on. One
// process at a time reads a source (a lease with a fencing token); another
// takes over within seconds. The mailbox is opened read-only and unchanged,
// flags included, unless moveTo is set. No exchange with a server is without a
// deadline; each source and each folder has goroutines and a connection of its
// own, so that none waits for another. Memory is bounded: two batches of at
// most 2 MB are on the way at once, larger mails go through a file.
//
// What leaves: a [desk.Reply] as a mail in its thread, text and HTML of the same
// words, under a Message-ID and, where replyTo is set, a reply address that name
// the ticket and that only we can make (sign.go). Composing is pure and the same
// reply is always the same mail; sending is at least once, see (*mailer).Send.
//
// What it may not know: the store, the queue, tickets, other channels.
//
// Standards: IMAP4rev1 and rev2 (RFC 3501, RFC 9051), IDLE (RFC 2177), MOVE
// (RFC 6851), UIDPLUS (RFC 4315), SASL PLAIN (RFC 4616) and OAUTHBEARER
// (RFC 7628), threading headers (RFC 5322 3.6.4), SMTP (RFC 5321) with STARTTLS
// (RFC 3207), AUTH (RFC 4954), SIZE (RFC 1870) and DSN (RFC 3461), automatic
// answers (RFC 3834).
//
// How a mail flows through: receive.go holds the lease and starts a folder.go
// for each folder, which connects (session.go, auth.go), searches, and runs two
// halves side by side: fetch.go and large.go bring bytes, digest.go parses them
// (parse.go, letter, draft.go) and submits. idle.go waits for more, move.go
// clears away what was filed, watchdog.go frees what hangs. To add a way to log
// in: one case in auth.go and its name in settings.go.
package email

import (
	"log/slog"
	"time"

	"switchboard/channels"
	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

// Kind is the recipe of the email channel.
func Kind() channels.Kind {
	return channels.Kind{
		Name:    "email",
		Channel: desk.Email,
		Doc:     "Reads mailboxes over IMAP; new mail arrives by IDLE, the mailbox stays as it is. Answers leave over SMTP.",
		Check: func(b channels.Block) error {
			_, err := load(b, channels.Limits{})
			return err
		},
		Open: func(c channels.Config) (channels.Adapter, error) {
			a, err := open(c)
			if err != nil {
				return nil, err
			}
			if a.settings.SMTP != nil {
				return newMailer(a), nil
			}
			return a, nil
		},
	}
}

// adapter is the running code of one mailbox account.
type adapter struct {
	channels.Config
	settings settings
	pace     pace
	parser   parser
	reading  *progress
}

func open(c channels.Config) (*adapter, error) {
	s, err := load(c.Block, c.Limits)
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
	if _, _, address := cutAddress(s.User); address && len(c.Source.Addresses) == 0 {
		c.Source.Addresses = []string{s.User} // at least this one is ours
	}
	return &adapter{Config: c, settings: s, pace: defaultPace(), reading: newProgress(s.Folders, c.Now()),
		parser: parser{source: c.Source, secret: c.Secret, blobs: c.Blobs, limits: letter.Limits{
			Depth: c.Limits.Depth, Parts: c.Limits.Parts, HeaderBytes: c.Limits.HeaderBytes, TextBytes: c.Limits.TextBytes,
			PartBytes: s.MaxMessageBytes}, attachments: c.Limits.Attachments, keepBytes: c.Limits.KeepBytes}}, nil
}

// lease is the name under which the source is held.
func (a *adapter) lease() string { return "mailbox:" + a.Source.Name }
