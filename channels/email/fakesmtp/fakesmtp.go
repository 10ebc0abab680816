// Package fakesmtp is a mail server for outgoing mail that keeps what it is
// given: for tests, and for the demo, whose answers must go somewhere.
//
// In go [Options] and mails over SMTP; out come [Mail]s, in the order in which
// they were taken. It is as strict as a careful provider: it wants the login and
// the encryption it was made for, refuses a mail that breaks RFC 5322 (a line of
// more than 998 octets, a character that is not ASCII in a header, a missing or
// repeated field) and says so. By [Rule]s it also fails the way servers fail:
// refuses for now or for good, cuts the line, keeps silent.
//
// It listens on this machine only. All methods may be used from many
// goroutines. It knows nothing of our email channel.
//
// Standards: RFC 5321, STARTTLS (RFC 3207), AUTH (RFC 4954) with PLAIN, LOGIN,
// XOAUTH2 and OAUTHBEARER, SIZE (RFC 1870), DSN (RFC 3461).
package fakesmtp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Options say what kind of server it is. The zero Options take anything from
// anybody in the clear.
type Options struct {
	// Mode is "plain", "starttls" (mail and login only after STARTTLS) or "tls";
	// empty is plain. The last two have a certificate of their own, see
	// [Server.CertificatePEM].
	Mode string
	// Users may log in, by name and password or token; nobody else may send.
	// Empty: no login is offered.
	Users map[string]string
	// Mechanisms offered; empty is PLAIN and LOGIN.
	Mechanisms []string
	MaxBytes   int64 // of a mail, told as SIZE; 0: no limit
	UTF8       bool  // SMTPUTF8 (RFC 6531)
	// OnMail is told of each mail taken, from the connection's goroutine.
	OnMail func(Mail)
	Now    func() time.Time // nil: time.Now
}

// Mail is one mail that was taken.
type Mail struct {
	From   string // of the envelope
	To     []string
	User   string // who was logged in
	Secure bool   // it came over TLS
	Data   []byte // lines end in CRLF
	At     time.Time
}

// Server is a running server.
type Server struct {
	options  Options
	listener net.Listener
	server   *smtp.Server
	cert     *certificate
	closing  chan struct{} // frees who keeps silent
	done     chan struct{} // Serve has returned
	once     sync.Once

	mu      sync.Mutex
	mails   []Mail
	rules   []*Rule
	changed chan struct{} // closed and made anew with each mail
	calls   int
	open    int // mails between MAIL and the answer to their end
	peak    int
}

// Start starts a server on a free port of this machine.
func Start(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.Mechanisms) == 0 {
		o.Mechanisms = []string{"PLAIN", "LOGIN"}
	}
	s := &Server{options: o, closing: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(s.session))
	s.server.Domain = "fakesmtp.localhost"
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	s.server.MaxMessageBytes, s.server.EnableSMTPUTF8, s.server.EnableDSN = o.MaxBytes, o.UTF8, true
	s.server.AllowInsecureAuth = o.Mode != "starttls"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fakesmtp: %w", err)
	}
	s.listener = listener
	switch o.Mode {
	case "", "plain":
	case "starttls", "tls":
		if s.cert, err = newCertificate(o.Now()); err != nil {
			listener.Close()
			return nil, fmt.Errorf("fakesmtp: %w", err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{s.cert.pair}, MinVersion: tls.VersionTLS12}
		if o.Mode == "tls" {
			listener = tls.NewListener(listener, config)
		} else {
			s.server.TLSConfig = config
		}
	default:
		listener.Close()
		return nil, fmt.Errorf("fakesmtp: mode %q is not plain, starttls or tls", o.Mode)
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Close stops the server and cuts its connections. It may be called twice.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closing)
		_ = s.server.Close()
		_ = s.listener.Close() // if Serve has not seen it yet
	})
	<-s.done
}

// Addr is its host:port; Port the latter alone.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Port is the port it listens on, at 127.0.0.1.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// CertificatePEM vouches for the server, made out to 127.0.0.1 and localhost;
// nil in mode plain.
func (s *Server) CertificatePEM() []byte {
	if s.cert == nil {
		return nil
	}
	return s.cert.pem
}

// Mails are all mails taken so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Calls is how many conversations were begun.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Peak is how many mails were under way at the same time, at most.
func (s *Server) Peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

// busy counts the mails under way.
func (s *Server) busy(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += change
	s.peak = max(s.peak, s.open)
}

// Wait waits until n mails were taken and returns all, or until ctx is done.
func (s *Server) Wait(ctx context.Context, n int) ([]Mail, error) {
	for {
		s.mu.Lock()
		mails, changed := slices.Clone(s.mails), s.changed
		s.mu.Unlock()
		if len(mails) >= n {
			return mails, nil
		}
		select {
		case <-changed:
		case <-s.closing:
			return mails, fmt.Errorf("fakesmtp: closed with %d of %d mails", len(mails), n)
		case <-ctx.Done():
			return mails, fmt.Errorf("fakesmtp: %d of %d mails: %w", len(mails), n, context.Cause(ctx))
		}
	}
}

func (s *Server) keep(m Mail) {
	s.mu.Lock()
	s.mails = append(s.mails, m)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if s.options.OnMail != nil {
		s.options.OnMail(m)
	}
}
