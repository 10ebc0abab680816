package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
)

// servers runs a test against go-imap's own server and against Dovecot.
func servers(t *testing.T, test func(t *testing.T, box emailtest.Mailbox)) {
	t.Run("memory", func(t *testing.T) { test(t, emailtest.Memory(t)) })
	t.Run("dovecot", func(t *testing.T) { test(t, emailtest.Dovecot(t)) })
}

func TestEveryMailOnce(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		l := newLedger()
		mails := rawMails(0, 200, 3000)
		box.DeliverMany("support", "INBOX", mails[:80]...)
		stop := start(t, newAdapter(t, l, account(box.Addr(), "batch: 7"), poll(50*time.Millisecond)))
		for _, raw := range mails[80:] { // while it reads
			box.Deliver("support", "INBOX", raw)
		}
		l.awaitRows(t, len(mails))
		stop()
		l.exactly(t, mails)
		l.inOrder(t)
		if l.repeats() != 0 {
			t.Errorf("%d mails were submitted twice", l.repeats())
		}
		c := l.cursor("INBOX")
		if c.LastUID != 200 || c.UIDValidity == 0 || c.Lease != "mailbox:support" || c.Token != 1 {
			t.Errorf("cursor %+v", c)
		}

		// A second process goes on where the first stopped.
		box.Deliver("support", "INBOX", rawMail(200, 100))
		start(t, newAdapter(t, l, account(box.Addr())))
		l.awaitRows(t, 201)
		if l.repeats() != 0 {
			t.Errorf("%d mails were read again", l.repeats())
		}
	})
}

func TestMailboxIsLeftAsItIs(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		box.DeliverMany("support", "INBOX", rawMails(0, 5, 500)...)
		l := newLedger()
		stop := start(t, newAdapter(t, l, account(box.Addr())))
		l.awaitRows(t, 5)
		stop()

		c := dial(t, box)
		data, err := c.Select("INBOX", nil).Wait()
		if err != nil || data.NumMessages != 5 {
			t.Fatalf("select: %+v, %v", data, err)
		}
		all, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 5}}, &imap.FetchOptions{Flags: true}).Collect()
		if err != nil || len(all) != 5 {
			t.Fatalf("fetch: %d, %v", len(all), err)
		}
		_, dovecot := box.(*emailtest.DovecotServer)
		for _, m := range all {
			flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return dovecot && f == `\Recent` })
			if len(flags) > 0 {
				t.Errorf("mail %d has flags %v", m.SeqNum, flags)
			}
			if dovecot && len(m.Flags) != 1 {
				t.Errorf("mail %d is no longer recent", m.SeqNum)
			}
		}
	})
}

func TestDraftOfAMail(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 2*3600))
		raw := rawMail(3, 200)
		box.Append("support", "INBOX", at, raw)
		l := newLedger()
		start(t, newAdapter(t, l, account(box.Addr())))
		l.awaitRows(t, 1)
		d := l.drafts()[0]
		if !d.ReceivedAt.Equal(at) {
			t.Errorf("received at %v, want %v", d.ReceivedAt, at)
		}
		if d.ExternalID != "3@customer.example" || d.Source != "support" || d.From.Handle != "c3@customer.example" || d.Subject != "Mail 3" {
			t.Errorf("draft %+v", d)
		}
		if !bytes.Equal(l.blobs.get(t, d.Raw), raw) {
			t.Error("the raw mail is not what was delivered")
		}
	})
}

func TestIdleTellsOfNewMail(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		l := newLedger()
		start(t, newAdapter(t, l, account(box.Addr()), poll(time.Hour)))
		for n := range 5 { // nothing but IDLE can tell of the second and later ones
			box.Deliver("support", "INBOX", rawMail(n, 200))
			l.awaitRows(t, n+1)
		}
		l.inOrder(t)
	})
}

func TestPollWithoutIdle(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	l := newLedger()
	start(t, newAdapter(t, l, account(box.Addr(), "idle: false"), poll(10*time.Millisecond)))
	for n := range 3 {
		box.Deliver("support", "INBOX", rawMail(n, 200))
		l.awaitRows(t, n+1)
	}
}

func TestSeveralFolders(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		var mails [][]byte
		for i, folder := range []string{"INBOX", "Billing", "Gestão & Vendas"} {
			some := rawMails(100*i, 10, 300)
			mails = append(mails, some...)
			if i < 2 {
				box.DeliverMany("support", folder, some...)
				continue
			}
			c := dial(t, box) // which knows how such a name is written (RFC 9051 5.1)
			if err := c.Create(folder, nil).Wait(); err != nil {
				t.Fatal(err)
			}
			for _, raw := range some {
				w := c.Append(folder, int64(len(raw)), nil)
				w.Write(raw)
				w.Close()
				if _, err := w.Wait(); err != nil {
					t.Fatal(err)
				}
			}
		}
		l := newLedger()
		start(t, newAdapter(t, l, account(box.Addr(), `folders: [inbox, Billing, "Gestão & Vendas"]`)))
		l.awaitRows(t, 30)
		l.exactly(t, mails)
		box.Deliver("support", "Billing", rawMail(999, 100))
		l.awaitRows(t, 31)
		for _, folder := range []string{"INBOX", "Billing", "Gestão & Vendas"} {
			if l.cursor(folder).LastUID == 0 {
				t.Errorf("no cursor for %s", folder)
			}
		}
	})
}

func TestUIDValidityChange(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := rawMails(0, 20, 300)
	box.DeliverMany("support", "INBOX", mails...)
	l := newLedger()
	start(t, newAdapter(t, l, account(box.Addr()), poll(20*time.Millisecond)))
	l.awaitRows(t, 20)
	before := l.cursor("INBOX").UIDValidity

	box.ResetUIDs("support", "INBOX")
	mails = append(mails, rawMail(20, 300))
	box.DeliverMany("support", "INBOX", mails...)
	l.awaitRows(t, 21)
	l.await(t, "new cursor", func() bool {
		c := l.cursors["support/INBOX"]
		return c.UIDValidity != before && c.LastUID == 21
	})
	l.exactly(t, mails)
	if l.repeats() != 20 {
		t.Errorf("%d mails were recognised, want 20", l.repeats())
	}
}

func TestUIDValidityChangeWhileDown(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		mails := rawMails(0, 20, 300)
		box.DeliverMany("support", "Queue", mails...)
		l := newLedger()
		stop := start(t, newAdapter(t, l, account(box.Addr(), "folders: [Queue]")))
		l.awaitRows(t, 20)
		stop()
		before := l.cursor("Queue")

		c := dial(t, box) // a folder made anew under an old name has another UIDVALIDITY
		if err := errors.Join(c.Delete("Queue").Wait(), c.Create("Queue", nil).Wait()); err != nil {
			t.Fatal(err)
		}
		mails = append(mails, rawMail(20, 300))
		box.DeliverMany("support", "Queue", mails...)
		start(t, newAdapter(t, l, account(box.Addr(), "folders: [Queue]")))
		l.awaitRows(t, 21)
		l.exactly(t, mails)
		after := l.cursor("Queue")
		if l.repeats() != 20 || after.UIDValidity == before.UIDValidity || after.LastUID != 21 {
			t.Errorf("%d mails were recognised, want 20; cursor %+v, then %+v", l.repeats(), before, after)
		}
	})
}

func TestStoreThatFails(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := rawMails(0, 60, 300)
	box.DeliverMany("support", "INBOX", mails...)
	l := newLedger()
	fails, puts := 0, 0
	l.refuse = func([]*desk.Draft) error {
		if fails++; fails%2 == 1 && fails < 12 {
			return errDown
		}
		return nil
	}
	l.blobs.refuse = func([]byte) error {
		if puts++; puts%20 == 7 && puts < 100 {
			return errDown
		}
		return nil
	}
	start(t, newAdapter(t, l, account(box.Addr(), "batch: 10")))
	l.awaitRows(t, 60)
	l.exactly(t, mails)
	l.inOrder(t)
}

func TestMailTheLedgerRefuses(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := rawMails(0, 10, 300)
	box.DeliverMany("support", "INBOX", mails...)
	l := newLedger()
	l.refuse = func(drafts []*desk.Draft) error {
		for _, d := range drafts {
			if d.Subject == "Mail 4" {
				return desk.Invalidf("subject", "is not to the ledger's taste")
			}
		}
		return nil
	}
	start(t, newAdapter(t, l, account(box.Addr())))
	l.awaitRows(t, 10)
	l.inOrder(t)
	d := l.drafts()[4]
	if d.Text != unreadableText || len(d.Attachments) != 1 || d.Attachments[0].Name != "original.eml" || len(d.Damage) == 0 {
		t.Errorf("draft %+v", d)
	}
	if !bytes.Equal(l.blobs.get(t, d.Raw), mails[4]) {
		t.Error("the raw mail is not kept")
	}
}

// A mail that could not be read and that the ledger refuses goes in all the same,
// without what it was refused for.
func TestUnreadableMailTheLedgerRefuses(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := rawMails(0, 3, 300)
	mails[1] = []byte("Message-ID: <1@customer.example>\r\nSubject: Mail 1\r\n\r\n" + unreadableText + "\r\n")
	box.DeliverMany("support", "INBOX", mails...)
	l := newLedger()
	l.refuse = func(drafts []*desk.Draft) error {
		for _, d := range drafts {
			if d.Subject == "Mail 1" {
				return desk.Permanent(errDown)
			}
		}
		return nil
	}
	start(t, newAdapter(t, l, account(box.Addr())))
	l.awaitRows(t, 3)
	l.inOrder(t)
	if d := l.drafts()[1]; d.Text != unreadableText || d.Subject != "" || !bytes.Equal(l.blobs.get(t, d.Raw), mails[1]) {
		t.Errorf("draft %+v", d)
	}
}

func TestLargeMails(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		mails := [][]byte{rawMail(0, 300), rawMail(1, 3<<20), rawMail(2, 300), rawMail(3, 6<<20), rawMail(4, 9<<20), rawMail(5, 300), exact(6, 2*window)}
		box.DeliverMany("support", "INBOX", mails...)
		l := newLedger()
		start(t, newAdapter(t, l, account(box.Addr(), "maxMessageBytes: 4194304", "maxStoredBytes: 8388608")))
		l.awaitRows(t, len(mails))
		l.inOrder(t)
		for n, d := range l.drafts() {
			raw := l.blobs.get(t, d.Raw)
			switch n {
			case 4: // more than is kept
				if !bytes.HasPrefix(mails[n], raw) || len(d.Damage) != 1 || d.Subject != "Mail 4" || d.Text == "" {
					t.Errorf("mail %d: %d bytes, %q, %q, text %q", n, len(raw), d.Damage, d.Subject, d.Text)
				}
			case 3: // more than is read
				if !bytes.Equal(raw, mails[n]) || len(d.Damage) != 1 || d.Subject != "Mail 3" || len(d.Attachments) != 1 || d.Attachments[0].Blob != d.Raw {
					t.Errorf("mail %d: %d bytes, %q, %q, %v", n, len(raw), d.Damage, d.Subject, d.Attachments)
				}
			case 1, 6: // fetched by windows, then read; letter bounds the text
				if !bytes.Equal(raw, mails[n]) || d.Subject != fmt.Sprintf("Mail %d", n) || d.Text == "" {
					t.Errorf("mail %d: %d bytes of %d, %q", n, len(raw), len(mails[n]), d.Subject)
				}
			default:
				if !bytes.Equal(raw, mails[n]) || len(d.Damage) > 0 {
					t.Errorf("mail %d: %d bytes of %d, %q", n, len(raw), len(mails[n]), d.Damage)
				}
			}
		}
	})
}

// exact is a mail of exactly size bytes.
func exact(n, size int) []byte {
	raw := rawMail(n, size-200)
	pad := bytes.Repeat([]byte("x"), size-len(raw)-2)
	return append(append(raw, pad...), '\r', '\n')
}

func dial(t testing.TB, box emailtest.Mailbox) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(box.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login("support", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// subjects lists a folder by a connection of its own.
func subjects(t testing.TB, box emailtest.Mailbox, folder string) []string {
	t.Helper()
	c := dial(t, box)
	defer c.Close()
	data, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || data.NumMessages == 0 {
		return nil
	}
	all, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range all {
		out = append(out, m.Envelope.Subject)
	}
	return out
}

// awaitFolder asks the server, again and again, until a folder holds n mails:
// a server has no other way to tell us about somebody else's move.
func awaitFolder(t testing.TB, box emailtest.Mailbox, folder string, n int) {
	t.Helper()
	c := dial(t, box)
	defer c.Close()
	var got uint32
	for end := time.Now().Add(hang); time.Now().Before(end); {
		data, err := c.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
		if err == nil && data.NumMessages != nil {
			if got = *data.NumMessages; int(got) == n {
				return
			}
		}
	}
	t.Fatalf("%s holds %d mails, want %d", folder, got, n)
}

// busyLedger has no room a few times.
type busyLedger struct {
	*ledger
	mu      sync.Mutex
	left    int
	batches map[*desk.Draft]bool // by the first draft of each that was handed over
}

func (b *busyLedger) Submit(ctx context.Context, c *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	b.mu.Lock()
	if b.batches == nil {
		b.batches = map[*desk.Draft]bool{}
	}
	b.batches[drafts[0]] = true
	full := b.left > 0
	b.left--
	b.mu.Unlock()
	if full {
		return nil, fmt.Errorf("full: %w", desk.ErrBusy)
	}
	return b.ledger.Submit(ctx, c, drafts...)
}

// A mailbox waits while there is no room, on the connection it has, and loses
// nothing.
func TestMailboxWaitsForRoom(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := rawMails(0, 30, 500)
	box.DeliverMany("support", "INBOX", mails...)
	l := newLedger()
	b := &busyLedger{ledger: l, left: 4}
	start(t, newAdapter(t, l, account(box.Addr(), "batch: 10"), func(a *adapter) { a.Sink = b }))
	l.awaitRows(t, 30)
	l.exactly(t, mails)
}

// A batch that found no room for too long is fetched and its bytes put anew: those
// that nobody refers to are kept only while they are young.
func TestMailboxWaitsForRoomWithYoungBytes(t *testing.T) {
	box := emailtest.Memory(t)
	box.AddUser("support", "secret")
	mails := rawMails(0, 5, 500)
	box.DeliverMany("support", "INBOX", mails...)
	l := newLedger()
	b := &busyLedger{ledger: l, left: 4}
	start(t, newAdapter(t, l, account(box.Addr(), "batch: 10"), func(a *adapter) { a.Sink, a.pace.roomMax = b, time.Nanosecond }))
	l.awaitRows(t, 5)
	l.exactly(t, mails)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.batches) != 5 {
		t.Errorf("the mails were read %d times, want 4 times without room and once with", len(b.batches))
	}
}
