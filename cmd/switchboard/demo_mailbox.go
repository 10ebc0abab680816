package main

import (
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// demoMailbox is an IMAP server on loopback whose mailboxes live in memory.
type demoMailbox struct {
	server   *imapserver.Server
	addr     string
	password string
}

// startDemoMailbox serves IMAP for the users, all with one password.
func startDemoMailbox(password string, users ...string) (*demoMailbox, error) {
	books := imapmemserver.New()
	for _, name := range users {
		u := imapmemserver.NewUser(name, password)
		if err := u.Create("INBOX", nil); err != nil {
			return nil, err
		}
		books.AddUser(u)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &demoMailbox{addr: l.Addr().String(), password: password, server: imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return books.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapUIDPlus: {}},
		InsecureAuth: true, // plain text, but it never leaves loopback
	})}
	go m.server.Serve(l)
	return m, nil
}

func (m *demoMailbox) close() { m.server.Close() }

// deliver puts a mail into a user's INBOX by IMAP APPEND, as a mail server
// would have put it there.
func (m *demoMailbox) deliver(user string, mail []byte) error {
	c, err := imapclient.DialInsecure(m.addr, nil)
	if err != nil {
		return fmt.Errorf("demo: dial the mailbox: %w", err)
	}
	defer c.Close()
	if err := c.Login(user, m.password).Wait(); err != nil {
		return fmt.Errorf("demo: log in: %w", err)
	}
	cmd := c.Append("INBOX", int64(len(mail)), &imap.AppendOptions{Time: time.Now()})
	if _, err := bytes.NewReader(mail).WriteTo(cmd); err != nil {
		return fmt.Errorf("demo: append: %w", err)
	}
	if err := cmd.Close(); err != nil {
		return fmt.Errorf("demo: append: %w", err)
	}
	if _, err := cmd.Wait(); err != nil {
		return fmt.Errorf("demo: append: %w", err)
	}
	return c.Logout().Wait()
}
