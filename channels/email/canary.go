package email

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var (
	_ channels.Canary = (*adapter)(nil)
	_ channels.Tidier = (*adapter)(nil)
)

const (
	canaryHost = "canary.invalid"   // of its Message-ID (RFC 2606): it is never mailed
	canaryDays = 2 * 24 * time.Hour // canaries are looked for among mail this young
	canaryMany = 100                // and removed this many at once
	canaryFrom = "canary@" + canaryHost
)

// Canary is part of [channels.Canary]: a mail appended to the first folder that
// is read (RFC 9051 6.3.12), over a connection of its own. From there it goes the
// way of every mail. What leads into the mailbox, the mail server's own SMTP, is
// not on that way.
func (a *adapter) Canary(ctx context.Context, _, text string) error {
	if len(a.settings.Folders) == 0 {
		return errors.New("email: canary: the source reads no folder")
	}
	s, err := a.connect(ctx)
	if err != nil {
		return fmt.Errorf("email: canary: %w", err)
	}
	defer s.close()
	mail := canaryMail(text, a.Now())
	err = s.guard(ctx, a.settings.Timeouts.Command, "append", func(func()) error {
		cmd := s.client.Append(a.settings.Folders[0], int64(len(mail)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: a.Now()})
		if _, err := cmd.Write(mail); err != nil {
			return errors.Join(err, cmd.Close())
		}
		if err := cmd.Close(); err != nil {
			return err
		}
		_, err := cmd.Wait()
		return err
	})
	if err != nil {
		return fmt.Errorf("email: canary: %w", err)
	}
	return nil
}

// canaryMail is a mail that says what it is to whoever sees it meanwhile.
func canaryMail(text string, at time.Time) []byte {
	var b bytes.Buffer
	for _, line := range []string{"From: Switchboard canary <" + canaryFrom + ">", "To: " + canaryFrom, "Subject: Switchboard canary (goes away by itself)",
		"Date: " + at.UTC().Format(time.RFC1123Z), "Message-ID: <" + text + "@" + canaryHost + ">", "Auto-Submitted: auto-generated",
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=us-ascii", "", text} {
		b.WriteString(line + "\r\n")
	}
	return b.Bytes()
}

// Tidy is part of [channels.Tidier]: it removes the canaries of this source from
// the folder they were appended to. A mail is taken for one by the MAC in its
// Message-ID and by nothing less. Removal is by UID, and only where the server
// can expunge by UID (UIDPLUS, RFC 4315); where it cannot they are marked as
// deleted, because EXPUNGE would remove other people's marked mails too.
func (a *adapter) Tidy(ctx context.Context) error {
	if err := a.tidy(ctx); err != nil {
		return fmt.Errorf("email: canary: %w", err)
	}
	return nil
}

func (a *adapter) tidy(ctx context.Context) error {
	if len(a.settings.Folders) == 0 {
		return nil
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	limit := a.settings.Timeouts.Command
	err = s.guard(ctx, limit, "open folder", func(func()) error {
		_, err := s.client.Select(a.settings.Folders[0], nil).Wait()
		return err
	})
	if err != nil {
		return err
	}
	uids, err := s.searchUIDs(ctx, imap.SearchCriteria{
		Since:   a.Now().Add(-canaryDays),
		NotFlag: []imap.Flag{imap.FlagDeleted},
		Header:  []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: "switchboard-canary-"}},
	}, 0, canaryMany)
	if err != nil || len(uids) == 0 {
		return err
	}
	ours, err := s.canaries(ctx, uids)
	if err != nil || len(ours) == 0 {
		return err
	}
	set := imap.UIDSetNum(ours...)
	err = s.guard(ctx, limit, "mark as deleted", func(func()) error {
		flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
		return s.client.Store(set, flags, nil).Close()
	})
	if err != nil || !s.caps.Has(imap.CapUIDPlus) && !s.caps.Has(imap.CapIMAP4rev2) {
		return err
	}
	return s.guard(ctx, limit, "expunge", func(func()) error { return s.client.UIDExpunge(set).Close() })
}

// canaries are those of some mails whose Message-ID only we can have made.
func (s *session) canaries(ctx context.Context, uids []imap.UID) ([]imap.UID, error) {
	var ours []imap.UID
	err := s.guard(ctx, s.a.settings.Timeouts.Command, "fetch", func(func()) error {
		var found []*imapclient.FetchMessageBuffer
		found, err := s.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, Envelope: true}).Collect()
		if err != nil {
			return err
		}
		for _, m := range found {
			if m.Envelope == nil || !slices.Contains(uids, m.UID) {
				continue
			}
			text, host, _ := strings.Cut(strings.Trim(m.Envelope.MessageID, "<>"), "@")
			if _, ok := desk.ReadCanary(s.a.Secret, s.a.Source.Name, text); ok && host == canaryHost {
				ours = append(ours, m.UID)
			}
		}
		return nil
	})
	return ours, err
}
