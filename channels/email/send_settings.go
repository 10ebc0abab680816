package email

import (
	"cmp"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// smtpSettings are the keys of the block smtp inside an email source's: how
// answers leave. A source without it cannot send.
type smtpSettings struct {
	Host string `yaml:"host"`
	Port int    `yaml:"port"` // 0: 587 with starttls, 465 with tls, else 25
	// TLS is starttls (the default), tls (from the first byte), or plain, which is
	// refused for any host but this one.
	TLS    string `yaml:"tls"`
	CAFile string `yaml:"caFile"` // trust these certificates instead of the system's

	User     string `yaml:"user"` // empty: no login
	Password string `yaml:"password"`
	// Auth is plain, login, xoauth2 or oauthbearer; empty takes PLAIN where the
	// server offers it, else LOGIN.
	Auth      string `yaml:"auth"`
	TokenFile string `yaml:"tokenFile"` // as for IMAP

	// From is who answers: an address, or "Name <address>". Bounces come back to
	// it.
	From string `yaml:"from"`
	// ReplyTo is an address of ours whose mail server takes plus-addressing: the
	// ticket is put into it (support+t.TOKEN@...), so that an answer finds its
	// ticket even when the customer's mail program drops every other sign. Empty:
	// answers come to From.
	ReplyTo string `yaml:"replyTo"`
	Helo    string `yaml:"helo"` // the name we greet with; empty: the domain of From

	Timeout     time.Duration `yaml:"timeout"`     // for each exchange and each piece of a mail
	DataTimeout time.Duration `yaml:"dataTimeout"` // for the answer to a whole mail (RFC 5321 4.5.3.2.6)
	Connections int           `yaml:"connections"` // at the same time

	from netmail.Address // read from From
}

// check fills what is left out and says what is wrong, by the key inside smtp.
func (s *smtpSettings) check() error {
	s.TLS = cmp.Or(s.TLS, tlsStart)
	s.Port = cmp.Or(s.Port, map[string]int{tlsStart: 587, tlsImplicit: 465, tlsNone: 25}[s.TLS])
	s.Timeout = cmp.Or(s.Timeout, time.Minute)
	s.DataTimeout = cmp.Or(s.DataTimeout, 10*time.Minute)
	s.Connections = cmp.Or(s.Connections, 4)
	oneOf := func(v string, allowed ...string) bool { return slices.Contains(allowed, v) }
	switch {
	case s.Host == "":
		return desk.Invalidf("smtp.host", "is required: the name of the SMTP server")
	case strings.ContainsAny(s.Host, "/ \t\r\n"):
		return desk.Invalidf("smtp.host", "is not a host name")
	case !oneOf(s.TLS, tlsImplicit, tlsStart, tlsNone):
		return desk.Invalidf("smtp.tls", "must be tls, starttls or plain")
	case s.Port < 1 || s.Port > 65535:
		return desk.Invalidf("smtp.port", "must be between 1 and 65535")
	case s.TLS == tlsNone && !loopback(s.Host):
		return desk.Invalidf("smtp.tls", "plain is only for a server on this machine (localhost, 127.0.0.1, ::1): it would show the password and the mail to everybody on the way")
	case s.TLS == tlsNone && s.CAFile != "":
		return desk.Invalidf("smtp.caFile", "has no use with tls: plain")
	case !oneOf(s.Auth, "", authLogin, authPlain, authXOAuth2, authOAuthBearer):
		return desk.Invalidf("smtp.auth", "must be plain, login, xoauth2 or oauthbearer")
	case s.User == "" && (s.Password != "" || s.TokenFile != "" || s.Auth != ""):
		return desk.Invalidf("smtp.user", "is required to log in")
	case s.User != "" && s.Password == "" && s.TokenFile == "":
		return desk.Invalidf("smtp.password", "is required, or tokenFile with auth: xoauth2 or oauthbearer")
	case s.TokenFile != "" && !oneOf(s.Auth, authXOAuth2, authOAuthBearer):
		return desk.Invalidf("smtp.tokenFile", "is for auth: xoauth2 or oauthbearer")
	case s.Timeout < time.Second || s.Timeout > time.Hour:
		return desk.Invalidf("smtp.timeout", "must be between 1s and 1h")
	case s.DataTimeout < time.Second || s.DataTimeout > time.Hour:
		return desk.Invalidf("smtp.dataTimeout", "must be between 1s and 1h")
	case s.Connections < 1 || s.Connections > 100:
		return desk.Invalidf("smtp.connections", "must be between 1 and 100")
	}
	from, err := netmail.ParseAddress(s.From)
	if err != nil {
		return desk.Invalidf("smtp.from", `must be an address, or "Name <address>"`)
	}
	if s.from, err = mailbox(desk.Party{Name: from.Name, Handle: from.Address}); err != nil {
		return desk.Invalidf("smtp.from", "%v", err)
	}
	if s.ReplyTo != "" {
		base, err := mailbox(desk.Party{Handle: s.ReplyTo})
		if err != nil {
			return desk.Invalidf("smtp.replyTo", "%v", err)
		}
		if s.ReplyTo = base.Address; ReplyAddress([]byte("any"), s.ReplyTo, someTicket) == s.ReplyTo {
			return desk.Invalidf("smtp.replyTo", "is too long before the @: a ticket's token (44 characters) must fit in 64")
		}
	}
	_, domain, _ := cutAddress(s.from.Address)
	if s.Helo = cmp.Or(s.Helo, domain); strings.ContainsAny(s.Helo, " \t\r\n") {
		return desk.Invalidf("smtp.helo", "is not a host name")
	}
	if _, err := trust(s.Host, s.CAFile); err != nil {
		return desk.Invalidf("smtp.caFile", "cannot be used: %v", err)
	}
	return nil
}

// someTicket stands for any: all tokens have the same length.
const someTicket = desk.TicketID("01HV0000000000000000000000")

func (s *smtpSettings) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }
