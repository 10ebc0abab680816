package emailtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"go.uber.org/goleak"

	"switchboard/channels/email/emailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, emailtest.ProxyLeaks()...) }

const user, password = "help@example.test", "se cret"

// servers are both kinds, each with one user.
func servers(t *testing.T, run func(t *testing.T, server emailtest.Mailbox)) {
	t.Run("dovecot", func(t *testing.T) {
		d := emailtest.Dovecot(t)
		d.AddUser(user, password)
		run(t, d)
	})
	t.Run("memory", func(t *testing.T) {
		m := emailtest.Memory(t)
		m.AddUser(user, password)
		run(t, m)
	})
}

func raw(n int) []byte {
	return fmt.Appendf(nil, "From: a@example.test\r\nTo: help@example.test\r\nSubject: mail %d\r\nMessage-ID: <%d@example.test>\r\n\r\nBody %d\r\n", n, n, n)
}

// check ends the test on an error and hands on the value.
func check[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func login(t *testing.T, c *imapclient.Client, name, word string) *imapclient.Client {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(name, word).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// dial logs in, in the clear, at an address.
func dial(t *testing.T, addr string) *imapclient.Client {
	t.Helper()
	return login(t, check(imapclient.DialInsecure(addr, nil))(t), user, password)
}

// bodies selects a folder and returns its mails in the order of UIDs.
func bodies(t *testing.T, c *imapclient.Client, folder string) (selected *imap.SelectData, found []*imapclient.FetchMessageBuffer) {
	t.Helper()
	selected = check(c.Select(folder, nil).Wait())(t)
	if selected.NumMessages == 0 {
		return selected, nil
	}
	var all imap.UIDSet
	all.AddRange(1, 0)
	found = check(c.Fetch(all, &imap.FetchOptions{
		UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect())(t)
	return selected, found
}

func body(m *imapclient.FetchMessageBuffer) string {
	if len(m.BodySection) == 0 {
		return ""
	}
	return string(m.BodySection[0].Bytes)
}

// TestWaysIn logs in and fetches in the clear, by STARTTLS and over TLS.
func TestWaysIn(t *testing.T) {
	servers(t, func(t *testing.T, server emailtest.Mailbox) {
		server.Deliver(user, "INBOX", raw(1))
		options := &imapclient.Options{TLSConfig: server.TLSConfig()}
		for name, c := range map[string]*imapclient.Client{
			"clear":    check(imapclient.DialInsecure(server.Addr(), nil))(t),
			"STARTTLS": check(imapclient.DialStartTLS(server.Addr(), options))(t),
			"TLS":      check(imapclient.DialTLS(server.TLSAddr(), options))(t),
		} {
			_, found := bodies(t, login(t, c, user, password), "INBOX")
			if len(found) != 1 || body(found[0]) != string(raw(1)) {
				t.Errorf("%s: got %d mails: %+v", name, len(found), found)
			}
		}
		if _, err := imapclient.DialTLS(server.TLSAddr(), nil); err == nil {
			t.Error("a client that does not know the certificate gets in")
		}
		c := check(imapclient.DialInsecure(server.Addr(), nil))(t)
		defer c.Close()
		if err := c.Login(user, "wrong").Wait(); err == nil {
			t.Error("a wrong password gets in")
		}
	})
}

// TestDelivery checks order, folders, dates and users.
func TestDelivery(t *testing.T) {
	servers(t, func(t *testing.T, server emailtest.Mailbox) {
		server.AddUser("other@example.test", "other")
		var many [][]byte
		for n := range 50 {
			many = append(many, raw(n))
		}
		server.DeliverMany(user, "INBOX", many...)
		date := time.Date(2020, 2, 29, 12, 30, 15, 0, time.FixedZone("", 2*3600))
		server.Append(user, "Archive/2020", date, raw(99))
		server.Deliver("other@example.test", "inbox", raw(7))

		c := dial(t, server.Addr())
		_, found := bodies(t, c, "INBOX")
		if len(found) != len(many) {
			t.Fatalf("%d mails, want %d", len(found), len(many))
		}
		for n, m := range found {
			if body(m) != string(many[n]) {
				t.Errorf("mail %d is %q", n, body(m))
			}
			if n > 0 && m.UID <= found[n-1].UID {
				t.Errorf("mail %d has UID %d after %d", n, m.UID, found[n-1].UID)
			}
			if age := time.Since(m.InternalDate); age < -2*time.Second || age > time.Minute {
				t.Errorf("mail %d was received %s ago", n, age)
			}
		}
		listed := check(c.List("", "*", nil).Collect())(t)
		var archive string
		for _, l := range listed {
			if strings.HasPrefix(l.Mailbox, "Archive") && strings.HasSuffix(l.Mailbox, "2020") {
				archive = l.Mailbox
			}
		}
		_, found = bodies(t, c, archive)
		if len(found) != 1 || !found[0].InternalDate.Equal(date) || body(found[0]) != string(raw(99)) {
			t.Errorf("archive %q: %+v", archive, found)
		}
	})
}

// TestNewMailIsAnnounced: IDLE tells of a delivery (RFC 2177).
func TestNewMailIsAnnounced(t *testing.T) {
	servers(t, func(t *testing.T, server emailtest.Mailbox) {
		news := make(chan uint32, 1)
		options := &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				if data.NumMessages != nil && *data.NumMessages > 0 {
					select {
					case news <- *data.NumMessages:
					default:
					}
				}
			},
		}}
		c := login(t, check(imapclient.DialInsecure(server.Addr(), options))(t), user, password)
		check(c.Select("INBOX", nil).Wait())(t)
		idle := check(c.Idle())(t)
		// Memory tells nothing of what came between SELECT and IDLE, so mail goes on
		// coming until there is word of it.
		deadline, again := time.After(2*time.Minute), time.NewTicker(100*time.Millisecond)
		defer again.Stop()
		for n, told := 0, false; !told; n++ {
			server.Deliver(user, "INBOX", raw(n))
			select {
			case <-news:
				told = true
			case <-again.C:
			case <-deadline:
				t.Fatal("no word of the new mail")
			}
		}
		if err := errors.Join(idle.Close(), idle.Wait()); err != nil {
			t.Error(err)
		}
	})
}

// TestResetUIDs: another UIDVALIDITY, and the client can see it.
func TestResetUIDs(t *testing.T) {
	servers(t, func(t *testing.T, server emailtest.Mailbox) {
		server.DeliverMany(user, "INBOX", raw(1), raw(2))
		first, _ := bodies(t, dial(t, server.Addr()), "INBOX")
		switch s := server.(type) {
		case *emailtest.DovecotServer:
			s.Stop()
			s.ResetUIDs(user, "INBOX")
			s.Start()
		case *emailtest.MemoryServer:
			s.ResetUIDs(user, "INBOX")
			s.DeliverMany(user, "INBOX", raw(1), raw(2))
		}
		second, found := bodies(t, dial(t, server.Addr()), "INBOX")
		if second.UIDValidity <= first.UIDValidity {
			t.Errorf("UIDVALIDITY %d after %d", second.UIDValidity, first.UIDValidity)
		}
		if len(found) != 2 {
			t.Errorf("%d mails", len(found))
		}
	})
}

// xoauth2 is Google's and Microsoft's mechanism ("SASL XOAUTH2", Gmail API
// documentation).
type xoauth2 struct{ user, token string }

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}
func (x xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

func TestOAuth(t *testing.T) {
	d := emailtest.Dovecot(t)
	d.AddUser(user, password)
	d.Deliver(user, "INBOX", raw(1))
	good, old := d.Token(user, time.Now().Add(time.Hour)), d.Token(user, time.Now().Add(-time.Minute))
	parts := strings.Split(d.Token("somebody@example.test", time.Now().Add(time.Hour)), ".")
	mixed := strings.Split(good, ".")
	forged := strings.Join([]string{parts[0], parts[1], mixed[2]}, ".")
	bearer := func(token string) sasl.Client {
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: user, Token: token})
	}
	for name, try := range map[string]struct {
		client sasl.Client
		in     bool
	}{
		"OAUTHBEARER":         {bearer(good), true},
		"XOAUTH2":             {xoauth2{user, good}, true},
		"OAUTHBEARER expired": {bearer(old), false},
		"XOAUTH2 expired":     {xoauth2{user, old}, false},
		"XOAUTH2 forged":      {xoauth2{"somebody@example.test", forged}, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn := check(net.Dial("tcp", d.Addr()))(t)
			if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			c := imapclient.New(conn, nil)
			defer c.Close()
			err := c.Authenticate(try.client)
			if try.in != (err == nil) {
				t.Fatalf("Authenticate = %v", err)
			}
			if !try.in {
				return
			}
			if _, found := bodies(t, c, "INBOX"); len(found) != 1 {
				t.Errorf("%d mails", len(found))
			}
		})
	}
}

// TestKillAndStart: mail outlives the server.
func TestKillAndStart(t *testing.T) {
	d := emailtest.Dovecot(t)
	d.AddUser(user, password)
	d.Deliver(user, "INBOX", raw(1))
	before, _ := bodies(t, dial(t, d.Addr()), "INBOX")
	d.Kill()
	if conn, err := net.Dial("tcp", d.Addr()); err == nil {
		conn.Close()
		t.Error("a killed server takes connections")
	}
	d.Start()
	after, found := bodies(t, dial(t, d.Addr()), "INBOX")
	if len(found) != 1 || after.UIDValidity != before.UIDValidity {
		t.Errorf("%d mails, UIDVALIDITY %d after %d", len(found), after.UIDValidity, before.UIDValidity)
	}
}

// TestCondStore: the extension for which Dovecot is worth its start.
func TestCondStore(t *testing.T) {
	d := emailtest.Dovecot(t)
	d.AddUser(user, password)
	d.Deliver(user, "INBOX", raw(1))
	c := dial(t, d.Addr())
	if selected := check(c.Select("INBOX", &imap.SelectOptions{CondStore: true}).Wait())(t); selected.HighestModSeq == 0 {
		t.Errorf("no HIGHESTMODSEQ: %+v", selected)
	}
}

func TestCutAfter(t *testing.T) {
	servers(t, func(t *testing.T, server emailtest.Mailbox) {
		big := append(raw(1), bytes.Repeat([]byte("0123456789abcdef\r\n"), 20_000)...)
		server.Deliver(user, "INBOX", big)
		proxy := emailtest.CutProxy(t, server.Addr())
		c := dial(t, proxy.Addr())
		check(c.Select("INBOX", nil).Wait())(t)
		proxy.CutAfter(100_000)
		got := fetchFirst(t, c)
		if got < 90_000 || got > 100_000 {
			t.Errorf("%d bytes came through a line cut after 100000", got)
		}
		if err := c.Noop().Wait(); err == nil {
			t.Error("the connection is still open")
		}
		proxy.Heal()
		if got := fetchFirst(t, selected(t, proxy.Addr())); got != len(big) {
			t.Errorf("healed: %d of %d bytes", got, len(big))
		}
		proxy.Sever()
		if conn, err := net.Dial("tcp", proxy.Addr()); err == nil {
			conn.Close()
			t.Error("a severed line takes connections")
		}
		proxy.Restore()
		if got := fetchFirst(t, selected(t, proxy.Addr())); got != len(big) {
			t.Errorf("restored: %d of %d bytes", got, len(big))
		}
	})
}

func selected(t *testing.T, addr string) *imapclient.Client {
	t.Helper()
	c := dial(t, addr)
	check(c.Select("INBOX", nil).Wait())(t)
	return c
}

// fetchFirst streams the first mail and returns how many bytes came. After a
// short literal it touches the command no more: go-imap 2.0.0-beta.8 would read
// the rest of it beside its own decoder, which is a data race.
func fetchFirst(t *testing.T, c *imapclient.Client) int {
	t.Helper()
	command := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	got := 0
	for message := command.Next(); message != nil; message = command.Next() {
		for item := message.Next(); item != nil; item = message.Next() {
			if section, ok := item.(imapclient.FetchItemDataBodySection); ok {
				n, _ := io.Copy(io.Discard, section.Literal) // a cut is no error here
				if got += int(n); n < section.Literal.Size() {
					return got
				}
			}
		}
	}
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBlackHole(t *testing.T) {
	m := emailtest.Memory(t)
	m.AddUser(user, password)
	proxy := emailtest.CutProxy(t, m.Addr())
	c := dial(t, proxy.Addr())
	proxy.BlackHole()
	answered := make(chan error, 1)
	noop := c.Noop()
	go func() { answered <- noop.Wait() }()
	select {
	case err := <-answered:
		t.Fatalf("an answer out of a black hole: %v", err)
	case <-time.After(200 * time.Millisecond): // silence is what is to be seen
	}
	proxy.Heal() // closes the connection, whose bytes are lost
	if err := <-answered; err == nil {
		t.Error("the lost command succeeds")
	}
	dial(t, proxy.Addr())
	proxy.Latency(50 * time.Millisecond)
	slow := dial(t, proxy.Addr())
	started := time.Now()
	if err := slow.Noop().Wait(); err != nil || time.Since(started) < 50*time.Millisecond {
		t.Errorf("a delayed NOOP took %s: %v", time.Since(started), err)
	}
	proxy.Heal()
	proxy.Reset()
	if c, err := imapclient.DialInsecure(proxy.Addr(), nil); err == nil {
		if err := c.WaitGreeting(); err == nil {
			t.Error("a greeting through a reset connection")
		}
		_ = c.Close()
	}
}
