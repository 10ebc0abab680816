// Package letter reads the mails that real mailboxes hold.
//
// What goes in: the bytes of one mail, as an io.Reader, and a Sink that keeps
// attachments. What comes out: a *Letter, made of plain strings and of the
// references the Sink gave back.
//
// What it promises. Read never panics and never refuses a mail for being
// badly formed: every fault it steps over becomes a sentence in
// Letter.Damage. An error means only that the reader, the Sink or the context
// failed. Every string in a Letter is valid UTF-8 without NUL. Parts arrive at
// the Sink one at a time, in the order of the mail, as streams: apart from the
// text, which Limits bounds, no part is held in memory. Functions here keep no
// state between calls and may be used by many goroutines at once.
//
// What it may not know: tickets, threads, mailboxes, where bytes are kept. It
// imports nothing of ours but channels/markup, which knows what HTML costs.
//
// Standards: RFC 5322 (messages), RFC 2045 to 2049 and 2231 (MIME), RFC 3676
// (format=flowed), RFC 3834 (automatic answers), RFC 3464 (delivery reports),
// RFC 5965 (complaints), [MS-OXTNEF] (winmail.dat).
//
// How a mail flows through: source.go cuts it into lines and knows the open
// boundaries; repair.go turns a header block into one that go-message accepts;
// message.ReadWithOptions reads it; walk.go visits the parts within the limits;
// text.go chooses the body; auto.go says whether a machine wrote it. To add a
// further kind of part, add one case to (*reader).leaf and one file with its
// reader; to add a sign of automatic mail, add one line to the table in auto.go.
package letter

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A Letter is one mail, read. All strings are valid UTF-8 without NUL.
type Letter struct {
	MessageID  string   `json:"messageId,omitempty"`  // without angle brackets; "" if the mail has none
	InReplyTo  []string `json:"inReplyTo,omitempty"`  // IDs without angle brackets
	References []string `json:"references,omitempty"` // IDs, oldest first; of a long list the first and the nearest

	From        []Address `json:"from,omitempty"`
	Sender      []Address `json:"sender,omitempty"`
	ReplyTo     []Address `json:"replyTo,omitempty"`
	To          []Address `json:"to,omitempty"`
	Cc          []Address `json:"cc,omitempty"`
	ReturnPath  []Address `json:"returnPath,omitempty"`  // empty for <> as well; Headers["return-path"] tells them apart
	DeliveredTo []Address `json:"deliveredTo,omitempty"` // Delivered-To, X-Original-To and Envelope-To, in the order of the mail

	Subject string    `json:"subject,omitempty"`
	Date    time.Time `json:"date,omitzero"` // as the sender wrote it, with its zone; zero if absent or unreadable

	Text        string       `json:"text,omitempty"` // the plain body, or the HTML body as Markdown; lines end in LF
	HTML        string       `json:"html,omitempty"` // the Sink's reference to the HTML body, raw and uncleaned; "" if none
	Attachments []Attachment `json:"attachments,omitempty"`

	Headers map[string]string `json:"headers,omitempty"` // the fields of KeptHeaders that are present, first value of each, by lower-case name
	Auto    Auto              `json:"auto,omitzero"`     // whether a machine wrote it
	Damage  []string          `json:"damage,omitempty"`  // faults stepped over, in plain words, at most 50
}

// An Address is one mailbox of an address header. Addr keeps the local part as
// it came and has its domain in lower case; it is empty where the mail gives
// only a name.
type Address struct {
	Name string `json:"name,omitempty"`
	Addr string `json:"addr,omitempty"`
}

// An Attachment is a part kept by the Sink.
type Attachment struct {
	Name        string `json:"name"`                // file name without folders, never empty
	ContentType string `json:"contentType"`         // lower-case type/subtype
	ContentID   string `json:"contentId,omitempty"` // without angle brackets
	Inline      bool   `json:"inline,omitempty"`    // shown inside the body rather than below it
	Size        int64  `json:"size"`                // decoded bytes
	SHA256      string `json:"sha256"`              // of the decoded bytes, lower-case hex
	Ref         string `json:"ref,omitempty"`       // what the Sink returned
}

// A Sink keeps the bytes of r under a name of its own choosing and returns it.
// The name and content type are the sender's claims. Read calls it from one
// goroutine, never twice at once; what it leaves unread is skipped. An error
// ends Read.
type Sink func(ctx context.Context, name, contentType string, r io.Reader) (ref string, size int64, err error)

// Read reads one mail. The error is nil however broken the mail is; it tells
// of a failing r, put or ctx only, and then the Letter holds what was read so
// far. A nil put counts and digests attachments and keeps nothing.
func Read(ctx context.Context, r io.Reader, limits Limits, put Sink) (*Letter, error) {
	if put == nil {
		put = discard
	}
	table := benches.Get().(*bench)
	src := &source{ctx: ctx, br: table.br, fresh: true}
	table.br.Reset(src.guard(r))
	defer func() {
		table.br.Reset(nil)
		benches.Put(table)
	}()

	w := &reader{ctx: ctx, src: src, limits: limits.withDefaults(), put: put, letter: &Letter{}, bench: table}
	w.textLeft = w.limits.TextBytes
	err := w.message()
	if src.failed != nil {
		err = src.failed
	}
	if err != nil {
		return w.letter, fmt.Errorf("letter: %w", err)
	}
	return w.letter, nil
}

// A bench is the memory one call of Read works on; it is used again.
type bench struct {
	br     *bufio.Reader // over the mail
	lines  *bufio.Reader // over the body of the present part
	fields *bufio.Reader // over the present header block
	header []byte        // the present header block, as found
	clean  []byte        // the same, repaired
	text   bytes.Buffer  // the present text part, undecoded
}

var benches = sync.Pool{New: func() any {
	return &bench{br: bufio.NewReaderSize(nil, 32<<10), lines: bufio.NewReaderSize(nil, 4<<10), fields: bufio.NewReaderSize(nil, 4<<10)}
}}

func discard(_ context.Context, _, _ string, r io.Reader) (string, int64, error) {
	n, err := io.Copy(io.Discard, r)
	return "", n, err
}

const maxDamage = 50

// damage notes a fault once.
func (w *reader) damage(format string, args ...any) {
	note := clean(fmt.Sprintf(format, args...))
	if len(w.letter.Damage) >= maxDamage {
		return
	}
	for _, d := range w.letter.Damage {
		if d == note {
			return
		}
	}
	w.letter.Damage = append(w.letter.Damage, note)
}

// clean makes s valid UTF-8 without NUL.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return s
}
