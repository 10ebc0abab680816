package fakesmtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is one conversation.
type session struct {
	server *Server
	conn   *smtp.Conn
	user   string
	utf8   bool
	from   string
	to     []string
	busy   bool // a mail is under way
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	out := &session{server: s, conn: c}
	return out, out.apply(s.rule(AtHello))
}

func (c *session) secure() bool {
	_, ok := c.conn.TLSConnectionState()
	return ok
}

// Reset forgets the mail under way.
func (c *session) Reset() {
	c.from, c.to, c.utf8 = "", nil, false
	c.finish()
}

// Logout ends the conversation.
func (c *session) Logout() error { return nil }

// finish ends the mail under way.
func (c *session) finish() {
	if c.busy {
		c.busy = false
		c.server.busy(-1)
	}
}

// Mail begins a mail.
func (c *session) Mail(from string, opts *smtp.MailOptions) error {
	switch {
	case c.server.options.Mode == "starttls" && !c.secure():
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Must issue a STARTTLS command first"}
	case len(c.server.options.Users) > 0 && c.user == "":
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	c.finish()
	c.busy = true
	c.server.busy(1)
	c.from, c.utf8 = from, opts.UTF8
	return c.apply(c.server.rule(AtMail, from))
}

// Rcpt adds a recipient.
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := c.apply(c.server.rule(AtRcpt, to)); err != nil {
		return err
	}
	c.to = append(c.to, to)
	return nil
}

// Data takes the mail itself.
func (c *session) Data(r io.Reader) error {
	defer c.finish()
	if rule := c.server.rule(AtBody); rule != nil {
		if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
			return err
		}
		return c.apply(rule)
	}
	data, err := io.ReadAll(r)
	if err != nil { // no end of the mail: no mail
		return err
	}
	rule := c.server.rule(AtEnd, c.to...)
	if rule == nil {
		if err := check(data, c.utf8); err != nil {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
		}
	}
	if rule == nil || rule.Keep {
		c.server.keep(Mail{From: c.from, To: slices.Clone(c.to), User: c.user, Secure: c.secure(), Data: data, At: c.server.options.Now()})
	}
	return c.apply(rule)
}

// check finds what a careful server would refuse (RFC 5322 2.1.1, 2.2, 3.6;
// RFC 2045 2.8).
func check(data []byte, utf8 bool) error {
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || bytes.ContainsAny(line[:len(line)-2], "\r\n\x00") {
			return errors.New("a line does not end in CRLF")
		}
		if len(line) > 1000 {
			return errors.New("a line is longer than 998 octets")
		}
	}
	header, _, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		return errors.New("no empty line after the header")
	}
	for _, b := range header {
		if b >= 0x80 && !utf8 {
			return errors.New("a header has a character that is not ASCII")
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("the header cannot be read: %w", err)
	}
	for name, wanted := range map[string]bool{"From": true, "Date": true, "Message-Id": true, "To": false, "Cc": false, "Reply-To": false,
		"Subject": false, "In-Reply-To": false, "References": false, "Mime-Version": false, "Content-Type": false} {
		if n := len(m.Header[name]); n > 1 || wanted && n == 0 {
			return fmt.Errorf("%d fields %s", n, name)
		}
	}
	if _, err := m.Header.Date(); err != nil {
		return fmt.Errorf("the date cannot be read: %w", err)
	}
	for _, name := range []string{"From", "To", "Cc", "Reply-To"} {
		if m.Header.Get(name) != "" {
			if _, err := m.Header.AddressList(name); err != nil {
				return fmt.Errorf("%s cannot be read: %w", name, err)
			}
		}
	}
	return nil
}

// AuthMechanisms says how one may log in.
func (c *session) AuthMechanisms() []string {
	if len(c.server.options.Users) == 0 {
		return nil
	}
	return c.server.options.Mechanisms
}

// Auth begins a login.
func (c *session) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(c.AuthMechanisms(), mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	switch mechanism {
	case "LOGIN":
		return &loginServer{c: c}, nil
	case "XOAUTH2":
		return &xoauth2Server{c: c}, nil
	case sasl.OAuthBearer:
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if c.login(o.Username, o.Token) != nil {
				return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer"}
			}
			return nil
		}), nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return c.login(user, password) }), nil
}

func (c *session) login(user, password string) error {
	if err := c.apply(c.server.rule(AtLogin, user)); err != nil {
		return err
	}
	if want, ok := c.server.options.Users[user]; !ok || want != password {
		return smtp.ErrAuthFailed
	}
	c.user = user
	return nil
}

// loginServer asks as Exchange does.
type loginServer struct {
	c    *session
	step int
	user string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch {
	case l.step == 1 && response == nil:
		return []byte("Username:"), false, nil
	case l.user == "" && l.step <= 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.c.login(l.user, string(response))
}

// xoauth2Server refuses with a challenge, as Google and Microsoft do.
type xoauth2Server struct {
	c       *session
	refused error
}

func (x *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if x.refused != nil {
		return nil, true, x.refused
	}
	if response == nil {
		return []byte{}, false, nil
	}
	var user, token string
	for _, part := range strings.Split(string(response), "\x01") {
		if v, ok := strings.CutPrefix(part, "user="); ok {
			user = v
		}
		if v, ok := strings.CutPrefix(part, "auth=Bearer "); ok {
			token = v
		}
	}
	if x.refused = x.c.login(user, token); x.refused != nil {
		return []byte(`{"status":"401","schemes":"bearer"}`), false, nil
	}
	return nil, true, nil
}
