package chat

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"switchboard/channels"
	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

// post is a MIME message that was read.
type post struct {
	letter *letter.Letter
	blobs  map[string]desk.BlobRef
}

// readMail reads the MIME message of a record, keeping its parts, and puts what
// it says over what the request says. A nil put keeps nothing. An error is of
// our own blobs or the context.
func (r *record) readMail(ctx context.Context, limits channels.Limits, put func(context.Context, io.Reader) (desk.BlobRef, error)) (*post, error) {
	if r.Mail == "" {
		return nil, nil
	}
	p := &post{blobs: map[string]desk.BlobRef{}}
	var keep letter.Sink
	if put != nil {
		keep = func(ctx context.Context, _, _ string, part io.Reader) (string, int64, error) {
			ref, err := put(ctx, part)
			key := strconv.Itoa(len(p.blobs))
			p.blobs[key] = ref
			return key, ref.Size, err
		}
	}
	var err error
	p.letter, err = letter.Read(ctx, strings.NewReader(r.Mail), letter.Limits{Depth: limits.Depth, Parts: limits.Parts,
		HeaderBytes: limits.HeaderBytes, TextBytes: limits.TextBytes, PartBytes: limits.MessageBytes}, keep)
	if err != nil {
		return nil, err
	}
	l := p.letter
	set := func(into *string, v string) {
		if v != "" {
			*into = v
		}
	}
	set(&r.ID, l.MessageID)
	set(&r.Subject, l.Subject)
	set(&r.Text, l.Text)
	for _, list := range [][]letter.Address{l.From, l.Sender} {
		if len(list) > 0 && list[0].Addr != "" {
			r.From, r.FromName = list[0].Addr, list[0].Name
			break
		}
	}
	var to []string
	for _, x := range l.To {
		to = append(to, x.Addr)
	}
	set(&r.To, strings.Join(to, ", "))
	if refs := slices.Concat(l.References, l.InReplyTo); len(refs) > 0 {
		r.References = strings.Join(refs, " ")
	}
	if !l.Date.IsZero() {
		r.SentAt = l.Date
	}
	r.HTML = ""
	if put != nil {
		r.Files = nil // they are in the mail
	}
	r.Damage = append(r.Damage, l.Damage...)
	return p, nil
}

// ids reads the message IDs of a References header, oldest first.
func ids(s string) []string {
	if s == "" {
		return nil
	}
	var out []string
	for part := range strings.FieldsFuncSeq(desk.Cut(s, 16<<10), func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune("<>,", c) }) {
		if id := desk.Clean(part); len(out) < 100 && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
