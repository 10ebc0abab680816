package emailtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// MemoryServer is an IMAP server inside the process. It has IMAP4rev1 and IMAP4rev2
// with IDLE, UIDPLUS and MOVE, but no CONDSTORE and no OAuth. Its MOVE announces
// every expunged mail twice, and IDLE tells nothing of a mail that came between the
// last command and the IDLE (go-imap 2.0.0-beta.8): count by UID, and poll.
type MemoryServer struct {
	t      testing.TB
	cert   certificate
	plain  net.Listener
	secure net.Listener
	server *imapmemserver.Server

	mu    sync.Mutex
	users map[string]*imapmemserver.User
}

// Memory starts a server without users.
func Memory(t testing.TB) *MemoryServer {
	t.Helper()
	m := &MemoryServer{t: t, cert: newCertificate(t), server: imapmemserver.New(), users: make(map[string]*imapmemserver.User)}
	config := m.cert.server(t)
	front := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return m.server.NewSession(), nil, nil
		},
		Caps:      imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		TLSConfig: config, InsecureAuth: true,
		Logger: log.New(io.Discard, "", 0), // it tells of every connection a test cuts
	})
	var serving sync.WaitGroup
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	m.plain, m.secure = listen(), listen()
	for _, listener := range []net.Listener{m.plain, tls.NewListener(m.secure, config)} {
		serving.Go(func() {
			if err := front.Serve(listener); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Logf("emailtest: serve: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		_ = front.Close()
		serving.Wait()
	})
	return m
}

// Addr is the address of IMAP in the clear.
func (m *MemoryServer) Addr() string { return m.plain.Addr().String() }

// TLSAddr is the address of IMAP over TLS.
func (m *MemoryServer) TLSAddr() string { return m.secure.Addr().String() }

// CertPool trusts the server.
func (m *MemoryServer) CertPool() *x509.CertPool { return m.cert.pool }

// TLSConfig is a client's configuration that trusts the server.
func (m *MemoryServer) TLSConfig() *tls.Config { return m.cert.client() }

// AddUser adds an account with an INBOX.
func (m *MemoryServer) AddUser(name, password string) {
	m.t.Helper()
	user := imapmemserver.NewUser(name, password)
	if err := user.Create("INBOX", nil); err != nil {
		m.t.Fatalf("emailtest: %v", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users[name] != nil {
		m.t.Fatalf("emailtest: user %s is there already", name)
	}
	m.users[name] = user
	m.server.AddUser(user)
}

// Deliver puts a raw mail into a folder.
func (m *MemoryServer) Deliver(user, folder string, raw []byte) {
	m.t.Helper()
	m.Append(user, folder, time.Now(), raw)
}

// DeliverMany puts raw mails into a folder, in order.
func (m *MemoryServer) DeliverMany(user, folder string, raws ...[]byte) {
	m.t.Helper()
	for _, raw := range raws {
		m.Deliver(user, folder, raw)
	}
}

// Append puts a raw mail into a folder with an INTERNALDATE.
func (m *MemoryServer) Append(user, folder string, date time.Time, raw []byte) {
	m.t.Helper()
	found := m.user(user)
	if _, err := found.Status(folder, &imap.StatusOptions{}); err != nil {
		// An error of Create means that another goroutine was first.
		_ = found.Create(folder, nil)
	}
	if _, err := found.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: date}); err != nil {
		m.t.Fatalf("emailtest: append to %s of %s: %v", folder, user, err)
	}
}

// ResetUIDs makes the folder anew with the next UIDVALIDITY, as a server does
// that lost its index. All its mails are gone; deliver them again.
func (m *MemoryServer) ResetUIDs(user, folder string) {
	m.t.Helper()
	found := m.user(user)
	if err := errors.Join(found.Delete(folder), found.Create(folder, nil)); err != nil {
		m.t.Fatalf("emailtest: %v", err)
	}
}

func (m *MemoryServer) user(name string) *imapmemserver.User {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	user := m.users[name]
	if user == nil {
		m.t.Fatalf("emailtest: no user %s: call AddUser first", name)
	}
	return user
}

// literal is a mail as imapserver wants one.
type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }
