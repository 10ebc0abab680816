package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"switchboard/pipeline/desk"
)

// The ladder for a mail that ends connections: after rescueAfter failures it is
// fetched alone, by small windows, and what came of it is kept from one connection
// to the next. When it came no further hopelessAfter times, for timeouts.giveUp at
// least, because a bad line fails often within seconds, and heals, what is here of it
// is taken, or its header; and when that cannot be had either, the fact that it
// exists. Then reading goes on.
const (
	rescueAfter   = 3
	hopelessAfter = 2 * rescueAfter

	window      = 1 << 20
	smallWindow = 64 << 10

	// leastGain is how many bytes a connection must bring to count as one that came
	// further: nobody waits for a mail that drips.
	leastGain = 512
)

// stumble is how often a mail ended the connection and came no further.
type stumble struct {
	fails   int
	since   time.Time // the first of them
	rescues int       // how often its header could not be had instead
}

// stumbled counts one more failure of a mail.
func (f *folder) stumbled(uid imap.UID) {
	s := f.trouble[uid]
	if s.fails == 0 {
		s.since = f.a.Now()
	}
	s.fails++
	f.trouble[uid] = s
}

// blameless reports whether a fetch failed for a reason of our own: the store, or
// this session has to end.
func blameless(ctx context.Context, err error) bool { return isOurs(err) || ctx.Err() != nil }

// gained says that a mail came further although its connection ended: the next one
// may follow soon, and patience begins anew.
func (f *folder) gained(uid imap.UID) {
	f.further = true
	if s, ok := f.trouble[uid]; ok {
		f.trouble[uid] = stumble{fails: min(s.fails, rescueAfter), since: f.a.Now()}
	}
}

// hopeless reports whether less than all of a mail must do.
func (f *folder) hopeless(uid imap.UID) bool {
	s := f.trouble[uid]
	return s.fails >= hopelessAfter && f.a.Now().Sub(s.since) >= f.a.settings.Timeouts.GiveUp
}

// spool is a mail that is being fetched by windows: a file without a name.
type spool struct {
	uid  imap.UID
	file *os.File
	n    int64 // bytes that are certain
}

func (s *spool) drop() {
	if s != nil {
		s.file.Close()
	}
}

// spoolOf returns the spool of a mail, going on with the one begun before.
func (f *folder) spoolOf(uid imap.UID) (*spool, error) {
	if f.spool != nil && f.spool.uid == uid {
		return f.spool, nil
	}
	f.end()
	file, err := os.CreateTemp("", "switchboard-mail-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	f.spool = &spool{uid: uid, file: file}
	return f.spool, nil
}

// fetchLarge fetches one mail by windows into a file and from there into the
// blobs. The batch is empty when the mail is gone from the folder.
func (f *folder) fetchLarge(ctx context.Context, s *session, m *mail) ([]*mail, error) {
	limit := f.a.settings.MaxStoredBytes
	var err error
	there := true
	switch {
	case f.trouble[m.uid].rescues >= rescueAfter:
		f.log.Error("email: a mail cannot be fetched; a note takes its place", "uid", m.uid, "size", m.size)
		m.instead = fmt.Sprintf("(the mail server could not deliver this mail; it is UID %d in folder %s)", m.uid, f.name)
		f.end()
		m.damage = append(m.damage, fmt.Sprintf("the mail could not be fetched in %d attempts; nothing of it is here", f.trouble[m.uid].fails))
		m.stays = true
	case f.hopeless(m.uid):
		there, err = f.rescue(ctx, s, m)
	case m.size > limit:
		there, err = f.headOnly(ctx, s, m, fmt.Sprintf("the mail has %d bytes, more than maxStoredBytes (%d)", m.size, limit))
		if err != nil && !blameless(ctx, err) {
			f.stumbled(m.uid)
		}
	default:
		there, err = f.whole(ctx, s, m)
	}
	switch {
	case err != nil:
		return nil, err
	case !there:
		f.end()
		f.log.Info("email: a mail was removed from the folder before it was read", "uid", m.uid)
		return nil, nil
	}
	return []*mail{m}, nil
}

// whole fetches all windows of a mail. A failure that brought the mail further
// is not counted against it.
func (f *folder) whole(ctx context.Context, s *session, m *mail) (there bool, err error) {
	sp, err := f.spoolOf(m.uid)
	if err != nil {
		return false, ours{fmt.Errorf("spool a large mail: %w", err)}
	}
	began := sp.n
	defer func() {
		switch {
		case err == nil || blameless(ctx, err):
		case sp.n < began+leastGain || sp.n > f.a.settings.MaxStoredBytes:
			f.stumbled(m.uid)
		default:
			f.gained(m.uid)
		}
	}()
	size := int64(window)
	if f.trouble[m.uid].fails >= rescueAfter {
		size = smallWindow
	}
	for {
		section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Offset: sp.n, Size: size}}
		n, found, err := f.section(ctx, s, m.uid, section, size, io.NewOffsetWriter(sp.file, sp.n))
		if err != nil {
			sp.n += n
			return false, err
		}
		if !found {
			there, err := s.present(ctx, []imap.UID{m.uid})
			if err == nil && there[m.uid] {
				err = fmt.Errorf("uid %d: it is in the folder, but the server does not send it", m.uid)
			}
			return false, err
		}
		sp.n += n
		if sp.n > f.a.settings.MaxStoredBytes {
			return f.headOnly(ctx, s, m, fmt.Sprintf("the mail has more than maxStoredBytes (%d)", f.a.settings.MaxStoredBytes))
		}
		if n == 0 || n < size && sp.n >= m.size {
			break
		}
	}
	m.short(sp.n)
	return f.unspool(ctx, s, m)
}

// unspool makes a blob of the spooled bytes. Of a mail larger than
// maxMessageBytes only the header is read.
func (f *folder) unspool(ctx context.Context, s *session, m *mail) (bool, error) {
	sp := f.spool
	raw, err := f.a.Blobs.Put(ctx, io.NewSectionReader(sp.file, 0, sp.n))
	if errors.Is(err, desk.ErrInvalid) || desk.IsPermanent(err) {
		return f.headOnly(ctx, s, m, "the mail could not be stored: "+err.Error())
	}
	if err != nil {
		return false, ours{fmt.Errorf("keep the raw mail: %w", err)}
	}
	m.raw = raw
	if sp.n > f.a.settings.MaxMessageBytes {
		head := make([]byte, min(sp.n, headBytes))
		if _, err := sp.file.ReadAt(head, 0); err != nil {
			return false, ours{fmt.Errorf("read the spooled mail: %w", err)}
		}
		m.data = headerOf(head)
		m.damage = append(m.damage, fmt.Sprintf("the mail has %d bytes, more than maxMessageBytes (%d); only its header was read", sp.n, f.a.settings.MaxMessageBytes))
		m.instead = "(this mail is too large to be read; the original is attached)"
	}
	f.end()
	return true, nil
}

// rescue takes what is here of a mail that will not come whole.
func (f *folder) rescue(ctx context.Context, s *session, m *mail) (bool, error) {
	if sp := f.spool; sp != nil && sp.uid == m.uid && sp.n > 0 {
		f.log.Error("email: a mail can only be fetched in part", "uid", m.uid, "size", m.size, "got", sp.n)
		m.damage = append(m.damage, fmt.Sprintf("only the first %d bytes of the mail could be fetched from the mail server; it is UID %d in folder %s", sp.n, m.uid, f.name))
		m.stays = true
		return f.unspool(ctx, s, m)
	}
	stumble := f.trouble[m.uid]
	there, err := f.headOnly(ctx, s, m, fmt.Sprintf("the mail could not be fetched in %d attempts", stumble.fails))
	if err != nil && !blameless(ctx, err) {
		stumble.rescues++
		f.trouble[m.uid] = stumble
	}
	return there, err
}

// headOnly takes only the header of a mail, which stays in its folder.
func (f *folder) headOnly(ctx context.Context, s *session, m *mail, why string) (bool, error) {
	var head bytes.Buffer
	section := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader}
	_, found, err := f.section(ctx, s, m.uid, section, smallBytes, &head)
	if err != nil {
		return false, err
	}
	if !found {
		there, err := s.present(ctx, []imap.UID{m.uid})
		if err != nil || !there[m.uid] {
			return false, err
		}
	}
	f.log.Error("email: only the header of a mail was taken", "uid", m.uid, "size", m.size, "why", why)
	f.end()
	m.data, m.raw, m.stays = head.Bytes(), desk.BlobRef{}, true
	m.damage = append(m.damage, fmt.Sprintf("%s; only its header is here; the mail is UID %d in folder %s", why, m.uid, f.name))
	m.instead = "(only the header of this mail could be taken over; the mail itself is still in the mailbox)"
	return true, nil
}

// section fetches one section of one mail into w and returns its length. Only
// with a nil error is it complete; with another n is how much came of the very
// window that was asked for, before the connection was cut.
func (f *folder) section(ctx context.Context, s *session, uid imap.UID, section *imap.FetchItemBodySection, most int64, w io.Writer) (n int64, found bool, err error) {
	options := &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}
	var came int64 // of the window asked for, whatever happened then
	err = s.fetch(ctx, s.a.settings.Timeouts.Body, imap.UIDSetNum(uid), options, func(msg *imapclient.FetchMessageData) error {
		for item := msg.Next(); item != nil; item = msg.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok || body.Section.Specifier != section.Specifier || found {
				continue
			}
			found = true
			if body.Literal == nil { // NIL: there is nothing there
				continue
			}
			size := body.Literal.Size()
			if asked, got := section.Partial, body.Section.Partial; asked != nil && (got == nil && asked.Offset > 0 || got != nil && got.Offset != asked.Offset) {
				return fmt.Errorf("uid %d: another part of it came than was asked for", uid)
			}
			if size > most {
				return fmt.Errorf("uid %d: %d bytes came where %d were asked for", uid, size, most)
			}
			in := &failing{r: body.Literal}
			var err error
			n, err = io.Copy(w, in)
			if body.Section.Partial != nil && (in.failed || err == nil) {
				came = n
			}
			switch {
			case in.failed || err == nil && n != size:
				return fmt.Errorf("uid %d: %w after %d of %d bytes", uid, errCut, n, size)
			case err != nil:
				return ours{fmt.Errorf("uid %d: %w", uid, err)}
			}
		}
		return nil
	})
	if err != nil {
		return came, false, fmt.Errorf("fetch: %w", err)
	}
	return n, found, nil
}

// failing remembers whether it was the reader that failed, not the writer.
type failing struct {
	r      io.Reader
	failed bool
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	f.failed = f.failed || err != nil && err != io.EOF
	return n, err
}

// headerOf cuts a mail after its header.
func headerOf(b []byte) []byte {
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(b, []byte(end)); i >= 0 {
			return b[:i+len(end)]
		}
	}
	return b
}
