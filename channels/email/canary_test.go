package email

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
)

// TestCanary: a canary comes in as the whole text of a draft, and of all that
// lies in the mailbox, marked as deleted by others or not, only canaries of ours
// are cleared away.
func TestCanary(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		l := newLedger()
		a := newAdapter(t, l, account(box.Addr()), poll(50*time.Millisecond))
		start(t, a)
		text := desk.NewCanary(a.Secret, a.Source.Name, a.Now())
		forged := desk.NewCanary([]byte("another"), a.Source.Name, a.Now())
		box.Deliver("support", "INBOX", []byte("From: a@example.org\r\nMessage-ID: <theirs@example.org>\r\n\r\nmarked\r\n"))
		box.Deliver("support", "INBOX", []byte("From: a@example.org\r\nMessage-ID: <"+forged+"@"+canaryHost+">\r\n\r\n"+forged+"\r\n"))
		l.awaitRows(t, 2)
		other := dial(t, box)
		if _, err := other.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		marks := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}
		if err := other.Store(imap.SeqSetNum(1), marks, nil).Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // one that was left by a process that died, and the next
			if err := a.Canary(t.Context(), "", text); err != nil {
				t.Fatal(err)
			}
			text = desk.NewCanary(a.Secret, a.Source.Name, a.Now())
		}
		l.awaitRows(t, 4)
		canaries := 0
		for _, d := range l.drafts() {
			if _, ok := desk.ReadCanary(a.Secret, a.Source.Name, d.Text); ok && len(d.Attachments) == 0 {
				canaries++
			}
		}
		if canaries != 2 {
			t.Errorf("%d drafts are canaries as a whole", canaries)
		}
		for range 2 { // the second time there is nothing to do
			if err := a.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c := dial(t, box)
		data, err := c.Select("INBOX", nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		all := imap.SeqSet{}
		all.AddRange(1, max(data.NumMessages, 1))
		mails, err := c.Fetch(all, &imap.FetchOptions{Envelope: true}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mails {
			ids = append(ids, m.Envelope.MessageID)
		}
		if len(ids) != 2 || !slices.Contains(ids, "theirs@example.org") || !slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(id, forged) }) {
			t.Errorf("left is %q", ids)
		}
	})
}
