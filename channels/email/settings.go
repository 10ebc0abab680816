package email

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// settings are the keys of an email source's block.
type settings struct {
	Host string `yaml:"host"`
	Port int    `yaml:"port"` // 0: 993 with tls, else 143
	// TLS is tls (from the first byte), starttls, or plain, which is refused for
	// any host but this one.
	TLS    string `yaml:"tls"`
	CAFile string `yaml:"caFile"` // trust these certificates instead of the system's

	User     string `yaml:"user"`
	Password string `yaml:"password"`
	// Auth is login, plain, xoauth2 or oauthbearer; empty takes PLAIN where the
	// server offers it, else LOGIN.
	Auth string `yaml:"auth"`
	// TokenFile holds the OAuth access token; it is read again at each connect,
	// so that another program may renew it. Without it the password is the token.
	TokenFile string `yaml:"tokenFile"`

	Folders []string `yaml:"folders"`
	// MoveTo is where mail goes once it was filed. Empty leaves the mailbox as
	// it is: it is opened read-only and not even a flag changes.
	MoveTo string `yaml:"moveTo"`

	Poll     time.Duration `yaml:"poll"` // at least this often the folder is searched
	Idle     bool          `yaml:"idle"` // let the server tell of new mail (RFC 2177)
	Batch    int           `yaml:"batch"`
	Timeouts timeouts      `yaml:"timeouts"`

	// MaxMessageBytes bounds a mail that is read in full. A larger one is kept
	// whole, but only its header is read. MaxStoredBytes bounds what is kept.
	MaxMessageBytes int64 `yaml:"maxMessageBytes"`
	MaxStoredBytes  int64 `yaml:"maxStoredBytes"`

	// SMTP is how answers leave; nil: they cannot.
	SMTP *smtpSettings `yaml:"smtp"`
}

type timeouts struct {
	Connect time.Duration `yaml:"connect"` // dial, TLS and greeting
	Command time.Duration `yaml:"command"` // any command without mail in its answer
	Body    time.Duration `yaml:"body"`    // each mail, or each window of a large one
}

const (
	tlsImplicit = "tls"
	tlsStart    = "starttls"
	tlsNone     = "plain"

	authLogin       = "login"
	authPlain       = "plain"
	authXOAuth2     = "xoauth2"
	authOAuthBearer = "oauthbearer"
)

func defaults() settings {
	return settings{
		TLS: tlsImplicit, Poll: 2 * time.Minute, Idle: true, Batch: 50,
		Timeouts:        timeouts{Connect: 45 * time.Second, Command: time.Minute, Body: 4 * time.Minute},
		MaxMessageBytes: 64 << 20, MaxStoredBytes: 512 << 20,
	}
}

// load decodes and checks a block; what it leaves out is as the limits say.
// Errors of the decoder carry line and column;
// the others name their key.
func load(b channels.Block, limits channels.Limits) (settings, error) {
	s := defaults()
	if limits.MessageBytes > 0 {
		s.MaxMessageBytes = limits.MessageBytes
		s.MaxStoredBytes = max(s.MaxStoredBytes, limits.MessageBytes)
	}
	if err := b.Decode(&s); err != nil {
		return s, err
	}
	if len(s.Folders) == 0 {
		s.Folders = []string{"INBOX"}
	}
	if s.Port == 0 {
		s.Port = 143
		if s.TLS == tlsImplicit {
			s.Port = 993
		}
	}
	err := s.check()
	for i := range s.Folders {
		s.Folders[i] = canonicalFolder(s.Folders[i]) // the cursor goes by this name
	}
	return s, err
}

func (s settings) check() error {
	oneOf := func(v string, allowed ...string) bool { return slices.Contains(allowed, v) }
	switch {
	case s.Host == "":
		return desk.Invalidf("host", "is required: the name of the IMAP server")
	case strings.ContainsAny(s.Host, "/ \t\r\n"):
		return desk.Invalidf("host", "is not a host name")
	case s.Port < 1 || s.Port > 65535:
		return desk.Invalidf("port", "must be between 1 and 65535")
	case !oneOf(s.TLS, tlsImplicit, tlsStart, tlsNone):
		return desk.Invalidf("tls", "must be tls, starttls or plain")
	case s.TLS == tlsNone && !loopback(s.Host):
		return desk.Invalidf("tls", "plain is only for a server on this machine (localhost, 127.0.0.1, ::1): it would show the password and the mail to everybody on the way")
	case s.TLS == tlsNone && s.CAFile != "":
		return desk.Invalidf("caFile", "has no use with tls: plain")
	case s.User == "":
		return desk.Invalidf("user", "is required")
	case !oneOf(s.Auth, "", authLogin, authPlain, authXOAuth2, authOAuthBearer):
		return desk.Invalidf("auth", "must be login, plain, xoauth2 or oauthbearer")
	case s.Password == "" && s.TokenFile == "":
		return desk.Invalidf("password", "is required, or tokenFile with auth: xoauth2 or oauthbearer")
	case s.TokenFile != "" && !oneOf(s.Auth, authXOAuth2, authOAuthBearer):
		return desk.Invalidf("tokenFile", "is for auth: xoauth2 or oauthbearer")
	case s.Poll < time.Second || s.Poll > 24*time.Hour:
		return desk.Invalidf("poll", "must be between 1s and 24h")
	case s.Batch < 1 || s.Batch > maxBatch:
		return desk.Invalidf("batch", "must be between 1 and %d", maxBatch)
	case s.MaxMessageBytes < 1<<10:
		return desk.Invalidf("maxMessageBytes", "must be at least 1024")
	case s.MaxStoredBytes < s.MaxMessageBytes:
		return desk.Invalidf("maxStoredBytes", "must not be smaller than maxMessageBytes")
	}
	for key, d := range map[string]time.Duration{"connect": s.Timeouts.Connect, "command": s.Timeouts.Command, "body": s.Timeouts.Body} {
		if d <= 0 || d > time.Hour {
			return desk.Invalidf("timeouts."+key, "must be more than 0 and at most 1h")
		}
	}
	seen := map[string]bool{}
	for i, f := range s.Folders {
		key := fmt.Sprintf("folders[%d]", i)
		switch canonical := canonicalFolder(f); {
		case strings.TrimSpace(f) == "":
			return desk.Invalidf(key, "is empty")
		case seen[canonical]:
			return desk.Invalidf(key, "is listed twice")
		case canonicalFolder(s.MoveTo) == canonical:
			return desk.Invalidf("moveTo", "is one of the folders that are read: mail would be read again for ever")
		default:
			seen[canonical] = true
		}
	}
	if _, err := s.tls(); err != nil {
		return err
	}
	if s.SMTP != nil {
		return s.SMTP.check()
	}
	return nil
}

// canonicalFolder: INBOX in any case is one name (RFC 9051 section 5.1).
func canonicalFolder(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

func (s settings) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// tls is how the server proves who it is. There is no way to turn that off.
func (s settings) tls() (*tls.Config, error) {
	c, err := trust(s.Host, s.CAFile)
	if err != nil {
		return nil, desk.Invalidf("caFile", "cannot be used: %v", err)
	}
	return c, nil
}

// trust makes the configuration of a client that believes the certificates in a
// file, or the system's where none is named.
func trust(host, caFile string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("it holds no PEM certificate")
		}
	}
	return c, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
