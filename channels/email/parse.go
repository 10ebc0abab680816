package email

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"

	"switchboard/channels"
	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

const (
	unreadableText = "(this mail could not be read; the original is attached)"

	headBytes = 64 << 10         // of a mail, looked at by ourselves
	parseTime = 60 * time.Second // for one mail, then it counts as unreadable
)

// Parse keeps the raw bytes of one mail as a blob, reads them and makes the
// draft: what `switchboard parse` prints, and what a replay of an old mail with
// a newer parser makes. An error means that r, the blobs or the context failed;
// a mail that cannot be read is a draft that says so.
func Parse(ctx context.Context, r io.Reader, blobs channels.Blobs, source desk.Source, secret []byte, receivedAt time.Time) (*desk.Draft, error) {
	p := parser{source: source, secret: secret, blobs: blobs}
	raw, err := blobs.Put(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("email: keep the raw mail: %w", err)
	}
	return p.stored(ctx, raw, receivedAt, nil)
}

// parser makes drafts of one source's mails. It holds no state and is safe for
// concurrent use.
type parser struct {
	source desk.Source
	secret []byte
	blobs  channels.Blobs
	limits letter.Limits

	attachments int   // the most files of a draft; 0: all
	keepBytes   int64 // what is no larger goes with the draft, not into a blob
}

func (p parser) keeper() *keeper { return &keeper{blobs: p.blobs, most: p.keepBytes} }

// stored makes the draft of a mail that is a blob already. A zero time is
// replaced by what the mail's topmost Received field says.
func (p parser) stored(ctx context.Context, raw desk.BlobRef, at time.Time, damage []string) (*desk.Draft, error) {
	r, err := p.blobs.Open(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("email: open the raw mail: %w", err)
	}
	defer r.Close()
	return p.draft(ctx, r, raw, p.keeper(), at, damage)
}

// draft makes the draft of the mail whose bytes are r and whose blob is raw. What
// k kept goes with it.
func (p parser) draft(ctx context.Context, r io.Reader, raw desk.BlobRef, k *keeper, at time.Time, damage []string) (*desk.Draft, error) {
	in := &reading{r: r}
	o := origin{source: p.source, secret: p.secret, raw: raw, blobs: map[string]desk.BlobRef{}, damage: damage}
	var putErr error
	limited, clock := startClock(ctx, parseTime)
	put := func(_ context.Context, _, _ string, part io.Reader) (string, int64, error) {
		defer clock.pause()()
		ref, err := k.read(ctx, part)
		if err != nil {
			putErr = err
			return "", 0, err
		}
		o.blobs[ref.Digest] = ref
		return ref.Digest, ref.Size, nil
	}

	l, err := readLetter(limited, in, p.limits, put)
	if clock.stop() && err != nil {
		err, putErr = fmt.Errorf("it takes longer than %s", parseTime), nil
	}
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("email: %w", context.Cause(ctx))
	case in.err != nil:
		return nil, fmt.Errorf("email: read the raw mail: %w", in.err)
	case putErr != nil && !errors.Is(putErr, desk.ErrInvalid) && !desk.IsPermanent(putErr):
		return nil, fmt.Errorf("email: keep a part of the mail: %w", putErr)
	case err != nil:
		l, o.unparsed = sketch(in.head.Bytes()), true
		o.damage = append(o.damage, "the mail could not be read: "+err.Error())
		o.blobs = map[string]desk.BlobRef{}
	}
	o.loop = field(in.head.Bytes(), LoopHeader)
	if o.at = at; at.IsZero() {
		o.at = receivedAt(in.head.Bytes())
	}
	d := draftFrom(l, o)
	if most := p.attachments; most > 0 && len(d.Attachments) > most {
		d.Damage = append(d.Damage, fmt.Sprintf("the mail has %d files, more than limits.attachments (%d); the rest is in the original", len(d.Attachments), most))
		d.Attachments = d.Attachments[:most]
	}
	d.Kept = k.of(d)
	return d, nil
}

// readLetter is letter.Read, which promises never to panic; a mailbox must not
// stop on the day it does.
func readLetter(ctx context.Context, r io.Reader, limits letter.Limits, put letter.Sink) (l *letter.Letter, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return letter.Read(ctx, r, limits, put)
}

// reading passes bytes on and remembers the header among them and what went
// wrong.
type reading struct {
	r    io.Reader
	head bytes.Buffer
	past bool // the header is over
	err  error
}

func (in *reading) Read(b []byte) (int, error) {
	n, err := in.r.Read(b)
	if left := headBytes - in.head.Len(); left > 0 && !in.past {
		begun := b[:min(n, left)]
		if in.head.Len() == 0 { // as a rule the first read has it all
			in.head.Write(headerOf(begun))
			in.past = in.head.Len() < len(begun)
		} else {
			in.head.Write(begun)
			head := headerOf(in.head.Bytes())
			in.past = len(head) < in.head.Len()
			in.head.Truncate(len(head))
		}
	}
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// As in a letter: words of a header, and what a store looks up by it, whose index
// takes no more than a few kilobytes.
const (
	sketchWords = 16 << 10
	sketchKey   = 998
)

// sketch reads the few header fields a person needs from a mail that could not
// be read otherwise.
func sketch(head []byte) *letter.Letter {
	words := &mime.WordDecoder{}
	word := func(s string) string {
		if d, err := words.DecodeHeader(s); err == nil {
			s = d
		}
		return desk.Cut(desk.Clean(s), sketchWords)
	}
	key := func(s string) string { return desk.Cut(desk.Clean(s), sketchKey) }
	l := &letter.Letter{Subject: word(field(head, "Subject")), MessageID: key(strings.Trim(field(head, "Message-ID"), "<> "))}
	from := field(head, "From")
	if a, err := netmail.ParseAddress(from); err == nil {
		l.From = []letter.Address{{Name: word(a.Name), Addr: key(a.Address)}}
	} else if addr := addressIn(from); addr != "" {
		l.From = []letter.Address{{Addr: key(addr)}}
	}
	if at, err := netmail.ParseDate(field(head, "Date")); err == nil && at.UTC().Year() <= 9999 {
		l.Date = at
	}
	return l
}

// field finds the first value of a header field, unfolded, "" if there is none.
func field(head []byte, name string) string {
	r := bufio.NewReader(bytes.NewReader(head))
	var value string
	found := false
	for {
		line, err := r.ReadString('\n')
		text := strings.TrimRight(line, "\r\n")
		switch folded := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t"); {
		case text == "":
			return textproto.TrimString(value)
		case folded && found:
			value += " " + strings.TrimSpace(text)
		case found:
			return textproto.TrimString(value)
		default:
			if key, v, ok := strings.Cut(text, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
				value, found = v, true
			}
		}
		if err != nil {
			return textproto.TrimString(value)
		}
	}
}

// receivedAt reads when the last server took the mail (RFC 5321 4.4), zero if
// that cannot be told.
func receivedAt(head []byte) time.Time {
	received := field(head, "Received")
	if i := strings.LastIndexByte(received, ';'); i >= 0 {
		if at, err := netmail.ParseDate(strings.TrimSpace(received[i+1:])); err == nil {
			return at
		}
	}
	return time.Time{}
}
