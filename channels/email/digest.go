package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// digesters is how many mails of a batch are stored and parsed at once; most of
// the time they wait for a disk.
const digesters = 8

// digest makes drafts of a batch and submits them in UID order with the cursor
// that covers them.
func (f *folder) digest(ctx context.Context, batch []*mail) error {
	drafts := make([]*desk.Draft, len(batch))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(digesters)
	for i, m := range batch {
		group.Go(func() (err error) {
			if drafts[i], err = f.draft(groupCtx, m); err != nil {
				return ours{fmt.Errorf("uid %d: %w", m.uid, err)}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := f.submit(channels.WithBegan(ctx, batch[0].began), batch, drafts, false); err != nil {
		return err
	}
	for _, m := range batch {
		m.data = nil
	}
	return nil
}

// draft stores the bytes of a mail, where that was not done yet, and reads it.
func (f *folder) draft(ctx context.Context, m *mail) (*desk.Draft, error) {
	now := f.a.Now()
	if m.at.After(now) {
		m.at = now // a server whose clock is ahead
	}
	if m.data == nil && m.raw.IsZero() && m.instead != "" {
		return f.note(m, now), nil
	}
	k := f.a.parser.keeper()
	if m.raw.IsZero() {
		raw, err := k.whole(ctx, m.data)
		if err != nil {
			return nil, fmt.Errorf("keep the raw mail: %w", err)
		}
		m.raw = raw
	}
	var d *desk.Draft
	var err error
	if m.data != nil {
		d, err = f.a.parser.draft(ctx, bytes.NewReader(m.data), m.raw, k, m.at, m.damage)
	} else {
		d, err = f.a.parser.stored(ctx, m.raw, m.at, m.damage)
	}
	if err != nil {
		return nil, err
	}
	if m.instead != "" {
		d.Text = m.instead
		d.Attachments = append(d.Attachments, desk.Attachment{Name: "original.eml", ContentType: "message/rfc822", Blob: m.raw})
	}
	if d.ReceivedAt.IsZero() || d.ReceivedAt.After(now) {
		d.ReceivedAt = now
	}
	return d, nil
}

// note is the draft of a mail of which nothing could be had.
func (f *folder) note(m *mail, now time.Time) *desk.Draft {
	at := m.at
	if at.IsZero() {
		at = now
	}
	source := f.a.Source
	id := fmt.Sprintf("imap:%s;uidvalidity=%d;uid=%d", f.name, f.validity, m.uid) // after RFC 5092
	return &desk.Draft{
		Source: source.Name, Channel: desk.Email, Scope: source.Scope(),
		ExternalID: id, Fingerprint: desk.Fingerprint("email", source.Name, id),
		Thread: desk.Thread{Key: id}, Text: m.instead, Damage: m.damage, ReceivedAt: at,
	}
}

// submit hands over a batch. A draft that the ledger will never take goes in as
// the raw mail with a note; so the mails after it are not held up. noted says that
// the one draft is such a note.
func (f *folder) submit(ctx context.Context, batch []*mail, drafts []*desk.Draft, noted bool) error {
	last := max(f.last, batch[len(batch)-1].uid)
	cursor := &desk.Cursor{Source: f.a.Source.Name, Folder: f.name, UIDValidity: f.validity,
		LastUID: uint32(last), Lease: f.a.lease(), Token: f.token}
	receipts, err := f.hand(ctx, cursor, drafts)
	refused := errors.Is(err, desk.ErrInvalid) || desk.IsPermanent(err)
	switch {
	case errors.Is(err, desk.ErrLeaseLost):
		return err
	case refused && len(batch) > 1:
		for i := range batch {
			if err := f.submit(ctx, batch[i:i+1], drafts[i:i+1], false); err != nil {
				return err
			}
		}
		return nil
	case refused && !noted:
		f.log.Error("email: the ledger refuses a mail; it goes in as a note", "uid", batch[0].uid, "error", err)
		return f.submit(ctx, batch, []*desk.Draft{bare(drafts[0], err)}, true)
	case err != nil:
		return ours{fmt.Errorf("submit up to uid %d: %w", last, err)}
	case len(receipts) != len(drafts):
		return ours{fmt.Errorf("submit up to uid %d: %d receipts for %d mails", last, len(receipts), len(drafts))}
	}
	f.last = last
	f.a.reading.message(f.name, f.a.Now())
	f.from = max(f.from, batch[len(batch)-1].uid)
	if f.a.settings.MoveTo != "" {
		for i, m := range batch {
			if !m.stays {
				f.pending[m.uid] = receipts[i]
			}
		}
		f.moveWait = f.a.pace.moveMin
	}
	return nil
}

// hand submits, and while our own process says that it is busy it waits: a
// mailbox keeps what it has. It does not wait for longer than pace.roomMax: bytes
// that no row refers to are kept only while they are young (retention.orphans), so
// the mails are fetched and put anew.
func (f *folder) hand(ctx context.Context, cursor *desk.Cursor, drafts []*desk.Draft) ([]desk.ReceiptID, error) {
	wait, begun := backoff{pace: f.a.pace}, time.Now()
	for {
		receipts, err := f.a.Sink.Submit(ctx, cursor, drafts...)
		if !errors.Is(err, desk.ErrBusy) || ctx.Err() != nil || time.Since(begun) >= f.a.pace.roomMax {
			return receipts, err
		}
		f.log.Debug("email: waiting for room", "mails", len(drafts), "error", err)
		f.a.pace.sleep(ctx, wait.next(0, f.a.pace.retryStore))
	}
}

// bare is a draft with nothing of the mail in it but its identity and the raw
// bytes.
func bare(d *desk.Draft, why error) *desk.Draft {
	b := &desk.Draft{
		Source: d.Source, Channel: d.Channel, Scope: d.Scope,
		ExternalID: d.ExternalID, Fingerprint: d.Fingerprint, Thread: desk.Thread{Key: d.ExternalID},
		From: d.From, Text: unreadableText, ReceivedAt: d.ReceivedAt, Raw: d.Raw, Auto: d.Auto,
		Damage: []string{"the mail could not be taken over as it is: " + desk.Clean(why.Error())},
	}
	if !d.Raw.IsZero() {
		b.Attachments = []desk.Attachment{{Name: "original.eml", ContentType: "message/rfc822", Blob: d.Raw}}
		b.Kept = (&keeper{kept: slices.Clone(d.Kept)}).of(b)
	}
	return b
}
