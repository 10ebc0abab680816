package email

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
)

// caFile writes the server's certificate to a file.
func caFile(t *testing.T, box emailtest.Mailbox) string {
	t.Helper()
	conn, err := tls.Dial("tcp", box.TLSAddr(), box.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secured is the block of a mailbox reached over TLS.
func secured(addr, mode string, more ...string) block {
	host, port, _ := net.SplitHostPort(addr)
	return block(strings.Join(append([]string{"host: " + host, "port: " + port, "tls: " + mode, "user: support"}, more...), "\n"))
}

func TestTLS(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		box.Deliver("support", "INBOX", rawMail(0, 100))
		ca := caFile(t, box)
		for mode, addr := range map[string]string{"tls": box.TLSAddr(), "starttls": box.Addr()} {
			for _, auth := range []string{"", "auth: plain", "auth: login"} {
				t.Run(mode+" "+auth, func(t *testing.T) {
					if _, memory := box.(*emailtest.MemoryServer); memory && auth == "auth: login" && mode == "tls" {
						auth = "" // one combination is enough there
					}
					l := newLedger()
					start(t, newAdapter(t, l, secured(addr, mode, "caFile: "+ca, "password: secret", auth)))
					l.awaitRows(t, 1)
				})
			}
			t.Run(mode+" with a certificate nobody vouches for", func(t *testing.T) {
				a := newAdapter(t, newLedger(), secured(addr, mode, "password: secret"))
				s, err := a.connect(t.Context())
				if err == nil {
					s.close()
					t.Fatal("the connection was trusted")
				}
				if !strings.Contains(err.Error(), "certificate") {
					t.Errorf("error %v", err)
				}
			})
		}
	})
}

func TestOAuthWithDovecot(t *testing.T) {
	box := emailtest.Dovecot(t)
	box.AddUser("support", "secret")
	box.Deliver("support", "INBOX", rawMail(0, 100))
	ca := caFile(t, box)
	for _, auth := range []string{"xoauth2", "oauthbearer"} {
		t.Run(auth, func(t *testing.T) {
			// The token has expired at first; the file is renewed while we try.
			file := filepath.Join(t.TempDir(), "token")
			write := func(expires time.Duration) {
				if err := os.WriteFile(file, []byte(box.Token("support", time.Now().Add(expires))+"\n"), 0o600); err != nil {
					t.Error(err)
				}
			}
			write(-time.Minute)
			l := newLedger()
			a := newAdapter(t, l, secured(box.TLSAddr(), "tls", "caFile: "+ca, "auth: "+auth, "tokenFile: "+file))
			a.settings.Timeouts.Command = time.Minute
			if _, err := a.connect(t.Context()); !strings.Contains(fmt.Sprint(err), errRefused.Error()) {
				t.Fatalf("with an expired token: %v", err)
			}
			a.pace.sleep = func(ctx context.Context, d time.Duration) {
				write(time.Hour)
				_ = channels.Sleep(ctx, d)
			}
			start(t, a)
			l.awaitRows(t, 1)
		})
	}
}

// What goes over the line, and that a refusal ends the connection: after one the
// library would wait for ever.
func TestOAuthOnTheWire(t *testing.T) {
	decode := func(line string) string {
		words := strings.Fields(line)
		b, err := base64.StdEncoding.DecodeString(words[len(words)-1])
		if err != nil {
			return line
		}
		return string(b)
	}
	for auth, want := range map[string]string{
		"xoauth2":     "user=support\x01auth=Bearer secret\x01\x01",
		"oauthbearer": "n,a=support,\x01host=127.0.0.1\x01port=PORT\x01auth=Bearer secret\x01\x01",
	} {
		for _, refusal := range []string{"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n", "TAG NO [AUTHENTICATIONFAILED] no\r\n", "TAG BAD Invalid base64\r\n", ""} {
			t.Run(fmt.Sprintf("%s %q", auth, refusal), func(t *testing.T) {
				s := inbox(1)
				s.caps = "IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER LOGINDISABLED"
				s.command = func(line string) (string, bool) {
					if strings.HasPrefix(line, "AUTHENTICATE") && refusal != "" {
						return refusal, true
					}
					return "", true
				}
				s.start(t)
				a := newAdapter(t, newLedger(), account(s.addr(), "auth: "+auth))
				session, err := a.connect(t.Context())
				if refusal == "" {
					if err != nil {
						t.Fatal(err)
					}
					session.close()
				} else if !strings.Contains(fmt.Sprint(err), errRefused.Error()) {
					t.Fatalf("error %v", err)
				}
				_, port, _ := net.SplitHostPort(s.addr())
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, line := range s.lines {
					if strings.HasPrefix(line, "AUTHENTICATE") {
						if got := decode(line); got != strings.ReplaceAll(want, "PORT", port) {
							t.Errorf("said %q, want %q", got, want)
						}
						return
					}
				}
				t.Errorf("no AUTHENTICATE in %q", s.lines)
			})
		}
	}
}

func TestLoginDisabled(t *testing.T) {
	s := inbox(1)
	s.caps = "IMAP4rev1 LOGINDISABLED"
	s.start(t)
	a := newAdapter(t, newLedger(), account(s.addr()))
	if _, err := a.connect(t.Context()); !strings.Contains(fmt.Sprint(err), errRefused.Error()) {
		t.Errorf("error %v", err)
	}
	if n := s.count("secret"); n > 0 {
		t.Error("the password was said nevertheless")
	}
}

// A server that stops in the middle of STARTTLS holds nobody up.
func TestStartTLSThatStops(t *testing.T) {
	s := inbox(1)
	s.caps = "IMAP4rev1 STARTTLS"
	s.command = func(line string) (string, bool) {
		if line == "STARTTLS" {
			return "TAG OK", false
		}
		return "", true
	}
	s.start(t)
	a := newAdapter(t, newLedger(), secured(s.addr(), "starttls", "password: secret"))
	a.settings.Timeouts.Connect = 200 * time.Millisecond
	if _, err := a.connect(t.Context()); err == nil {
		t.Error("connected")
	}
	if n := s.count("secret"); n > 0 {
		t.Error("the password was said in the clear")
	}
}

func TestSettings(t *testing.T) {
	good := "host: mail.example.org\nuser: support\npassword: secret\n"
	for _, test := range []struct{ yaml, field string }{
		{good, ""},
		{good + "tls: starttls\nauth: login\nfolders: [INBOX, Sales]\nmoveTo: Done\npoll: 30s\nidle: false\nbatch: 20\ntimeouts: {connect: 5s, command: 10s, body: 1m}\n", ""},
		{"host: localhost\nuser: u\npassword: p\ntls: plain\n", ""},
		{"host: ::1\nuser: u\npassword: p\ntls: plain\n", ""},
		{good + "auth: xoauth2\ntokenFile: /run/token\n", ""},
		{"user: u\npassword: p\n", "host"},
		{"host: h\npassword: p\n", "user"},
		{"host: h\nuser: u\n", "password"},
		{"host: 'imaps://h'\nuser: u\npassword: p\n", "host"},
		{good + "tls: plain\n", "tls"},
		{good + "tls: none\n", "tls"},
		{good + "port: 70000\n", "port"},
		{good + "auth: kerberos\n", "auth"},
		{good + "tokenFile: /run/token\n", "tokenFile"},
		{good + "caFile: /does/not/exist.pem\n", "caFile"},
		{good + "folders: [INBOX, inbox]\n", "folders[1]"},
		{good + "folders: [' ']\n", "folders[0]"},
		{good + "moveTo: inbox\n", "moveTo"},
		{good + "poll: 1ms\n", "poll"},
		{good + "batch: 0\n", "batch"},
		{good + "batch: 101\n", "batch"},
		{good + "timeouts: {body: 0s}\n", "timeouts.body"},
		{good + "timeouts: {giveUp: 0s}\n", ""},
		{good + "timeouts: {giveUp: 25h}\n", "timeouts.giveUp"},
		{good + "maxMessageBytes: 10\n", "maxMessageBytes"},
		{good + "maxStoredBytes: 2048\n", "maxStoredBytes"},
		{good + "insecureSkipVerify: true\n", "?"},
	} {
		err := Kind().Check(block(test.yaml))
		switch invalid := desk.Invalids(err); {
		case test.field == "" && err != nil:
			t.Errorf("%q: %v", test.yaml, err)
		case test.field == "?" && (err == nil || len(invalid) > 0):
			t.Errorf("%q: an unknown key is taken: %v", test.yaml, err)
		case test.field != "" && test.field != "?" && (len(invalid) != 1 || invalid[0].Field != test.field):
			t.Errorf("%q: %v, want a complaint about %s", test.yaml, err, test.field)
		}
		if strings.Contains(fmt.Sprint(err), "secret") && test.field != "?" {
			t.Errorf("%q: the error shows the password: %v", test.yaml, err)
		}
	}
	s, err := load(block(good), channels.Limits{})
	if err != nil || s.Port != 993 || !s.Idle || s.Poll != 2*time.Minute || s.Batch != 50 || len(s.Folders) != 1 || s.Folders[0] != "INBOX" {
		t.Errorf("defaults %+v, %v", s, err)
	}
	if s, _ := load(block(good+"tls: starttls\n"), channels.Limits{}); s.Port != 143 {
		t.Errorf("port %d with starttls", s.Port)
	}
}

// "localhost" is a name like any other: where it leads is looked at too.
func TestPlainOnlyToThisMachine(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1": true, "::1": true, "192.0.2.1": false, "::": false} {
		if got := isLoopback(&net.TCPAddr{IP: net.ParseIP(addr), Port: 143}); got != want {
			t.Errorf("isLoopback(%s) = %v", addr, got)
		}
	}
}
