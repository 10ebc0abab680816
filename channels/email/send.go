package email

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// mailer is the running code of a source that can also answer. Only a source
// with an smtp block is one.
type mailer struct {
	*adapter
	seats chan struct{} // one for each connection we may have
}

var _ channels.Starter = (*mailer)(nil)

func newMailer(a *adapter) *mailer {
	return &mailer{adapter: a, seats: make(chan struct{}, a.settings.SMTP.Connections)}
}

// Send mails a reply; see [channels.Sender]. The external ID is the mail's
// Message-ID, made of the ticket's and the message's ID.
//
// All that can be wrong with the mail itself is found before the server is
// called. A server that refuses for good (5xx) is believed and quoted; one that
// cannot now (4xx), or cannot be reached, is tried again. When the line breaks
// between the end of the mail and the server's answer to it, nobody can find out
// whether it was taken: SMTP has no question for that, so there is no Prober,
// and the mail goes again, unchanged and under the same Message-ID, by which
// receivers know it for the same.
func (s *mailer) Send(ctx context.Context, r *desk.Reply) (desk.Proof, error) {
	a, err := compose(r, s.Source, s.settings.SMTP, s.Secret)
	if err != nil {
		return desk.Proof{}, fmt.Errorf("email: compose the answer: %w", err)
	}
	open := func(ref desk.BlobRef) (io.ReadCloser, error) { return s.Blobs.Open(ctx, ref) }
	var size counter
	if err := a.write(&size, open); err != nil {
		return desk.Proof{}, fmt.Errorf("email: compose the answer: %w", err)
	}
	select {
	case s.seats <- struct{}{}:
		defer func() { <-s.seats }()
	case <-ctx.Done():
		return desk.Proof{}, fmt.Errorf("email: wait for a connection: %w", context.Cause(ctx))
	}
	if err := s.deliver(ctx, r, a, int64(size), open); err != nil {
		return desk.Proof{}, fmt.Errorf("email: send: %w", err)
	}
	proof := desk.Proof{ExternalID: a.id, At: s.Now()}
	if r.Begins() {
		proof.Begun = begun(r, a)
	}
	return proof, nil
}

// Starts is part of [channels.Starter]: anybody who has an address.
func (s *mailer) Starts() []string { return []string{desk.IdentityKind(desk.Email)} }

// begun is the conversation that a first mail began: what we say next answers
// it.
func begun(r *desk.Reply, a *answer) *desk.Begun {
	address, err := json.Marshal(replyTo{To: r.To[:1], MessageID: a.id, Subject: a.subject})
	if err != nil { // strings always marshal
		panic(err)
	}
	return &desk.Begun{Thread: desk.Thread{Key: a.id, Address: address}, Handle: desk.Handle(desk.IdentityKind(desk.Email), r.To[0].Handle)}
}

// counter counts bytes.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// deliver has one conversation with the server.
func (s *mailer) deliver(ctx context.Context, r *desk.Reply, a *answer, size int64, open opener) (err error) {
	client, line, err := s.dial(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { line.Close() })
	defer func() {
		stop()
		client.Close()
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}()
	if err := s.greet(client); err != nil {
		return err
	}
	if err := s.envelope(client, a, size); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return refused("the mail", err)
	}
	if err := a.write(w, open); err != nil { // without its end it is no mail
		return fmt.Errorf("write the mail: %w", err)
	}
	if err := r.Leaves(ctx); err != nil {
		return err
	}
	line.limit = s.settings.SMTP.DataTimeout
	if err := w.Close(); err != nil {
		var answered *smtp.SMTPError
		switch {
		case !errors.As(err, &answered):
			return fmt.Errorf("%w: %w", channels.ErrCutOff, err)
		case answered.Code/100 != 2: // by its first digit any 2yz is a yes (RFC 5321 4.2.1)
			return refused("the mail", err)
		}
	}
	line.limit = min(s.settings.SMTP.Timeout, 5*time.Second)
	_ = client.Quit() // the mail is theirs, whatever they say now
	return nil
}

// dial connects and secures the line as configured.
func (s *mailer) dial(ctx context.Context) (*smtp.Client, *patientConn, error) {
	set := s.settings.SMTP
	dialer := net.Dialer{Timeout: set.Timeout, KeepAliveConfig: keepAlive}
	socket, err := dialer.DialContext(ctx, "tcp", set.address())
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	line := &patientConn{Conn: socket, limit: set.Timeout}
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	if set.TLS == tlsNone {
		if !isLoopback(socket.RemoteAddr()) {
			socket.Close()
			return nil, nil, errors.New("connect: tls: plain leads to another machine; refused")
		}
		return s.patient(smtp.NewClient(line)), line, nil
	}
	config, err := trust(set.Host, set.CAFile)
	if err != nil {
		socket.Close()
		return nil, nil, fmt.Errorf("tls: %w", err)
	}
	if set.TLS == tlsImplicit {
		conn := tls.Client(line, config)
		limited, cancel := context.WithTimeout(ctx, set.Timeout)
		defer cancel()
		if err := conn.HandshakeContext(limited); err != nil {
			socket.Close()
			return nil, nil, fmt.Errorf("tls: %w", err)
		}
		return s.patient(smtp.NewClient(conn)), line, nil
	}
	// Whatever the server said before the line was encrypted is forgotten.
	client, err := smtp.NewClientStartTLS(line, config)
	if err != nil {
		socket.Close()
		return nil, nil, fmt.Errorf("starttls: %w", err)
	}
	return s.patient(client), line, nil
}

// patient sets the library's own time limits; the shorter of its and the line's
// counts.
func (s *mailer) patient(c *smtp.Client) *smtp.Client {
	c.CommandTimeout, c.SubmissionTimeout = s.settings.SMTP.Timeout, s.settings.SMTP.DataTimeout
	return c
}

// greet says who we are and logs in.
func (s *mailer) greet(c *smtp.Client) error {
	set := s.settings.SMTP
	if err := c.Hello(set.Helo); err != nil {
		return fmt.Errorf("greeting: %w", quoted(err))
	}
	if set.User == "" {
		return nil
	}
	pass, err := secret(set.Password, set.TokenFile)
	if err != nil {
		return err
	}
	if ok, _ := c.Extension("AUTH"); !ok {
		return fmt.Errorf("log in: %w", errors.New("the server offers no login"))
	}
	var how sasl.Client
	switch auth := set.Auth; {
	case auth == authXOAuth2:
		how = &xoauth2{user: set.User, token: pass}
	case auth == authOAuthBearer:
		how = sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: set.User, Token: pass, Host: set.Host, Port: set.Port})
	case auth == authPlain, auth == "" && c.SupportsAuth(sasl.Plain):
		how = sasl.NewPlainClient("", set.User, pass)
	default:
		how = &loginClient{user: set.User, password: pass}
	}
	if err := c.Auth(how); err != nil {
		// Trying again soon would only bring the account closer to being locked.
		return &channels.Later{After: 5 * time.Minute, Err: fmt.Errorf("log in: %w", quoted(err))}
	}
	return nil
}

// envelope says from whom and to whom. A refused recipient is a refused mail,
// before anything left; only a refused Cc is left out.
func (s *mailer) envelope(c *smtp.Client, a *answer, size int64) error {
	if most, ok := c.MaxMessageSize(); ok && most > 0 && size > int64(most) {
		return desk.Permanent(fmt.Errorf("the mail has %d bytes and the server takes %d", size, most))
	}
	opts := &smtp.MailOptions{Size: size, Return: smtp.DSNReturnHeaders}
	opts.EnvelopeID, _, _ = strings.Cut(a.id, "@")
	all := append(append([]netmail.Address{a.from}, a.to...), a.cc...)
	for _, to := range all {
		if !ascii(to.Address) {
			opts.UTF8 = true
		}
	}
	if ok, _ := c.Extension("SMTPUTF8"); opts.UTF8 && !ok {
		return desk.Permanent(errors.New("the address has characters that the server cannot carry (RFC 6531)"))
	}
	if err := c.Mail(addrSpec(a.from), opts); err != nil {
		return refused("the sender", err)
	}
	for _, to := range a.to {
		if err := c.Rcpt(addrSpec(to), nil); err != nil {
			return refused("the recipient", err)
		}
	}
	for _, to := range a.cc {
		if err := c.Rcpt(addrSpec(to), nil); err != nil {
			err = refused("a copy", err)
			if !desk.IsPermanent(err) {
				return err
			}
			s.Log.Warn("email: a copy could not be sent", "error", quoted(err))
		}
	}
	return nil
}

// addrSpec is an address as SMTP writes it, without the angle brackets.
func addrSpec(a netmail.Address) string {
	s := (&netmail.Address{Address: a.Address}).String()
	return strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// refused says that the server turned something down: for good with a 5xx
// (RFC 5321 4.2.1), unless it wants us to log in (530) or to come by another way.
func refused(what string, err error) error {
	var said *smtp.SMTPError
	if errors.As(err, &said) {
		err = fmt.Errorf("the server refused %s: %w", what, quoted(err))
		switch {
		case said.Code == 530, said.Code == 534, said.Code == 535, said.Code == 538: // RFC 4954 6
			return &channels.Later{After: 5 * time.Minute, Err: err}
		case said.Code >= 500:
			return desk.Permanent(err)
		}
	}
	return err
}

// quoted shows a server's words on one line and not without end.
func quoted(err error) error {
	var said *smtp.SMTPError
	if !errors.As(err, &said) {
		return err
	}
	text := fmt.Sprintf("%d ", said.Code)
	if e := said.EnhancedCode; e[0] > 0 {
		text += fmt.Sprintf("%d.%d.%d ", e[0], e[1], e[2])
	}
	return errors.New(words(text+said.Message, 300))
}
