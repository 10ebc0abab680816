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
	GiveUp  time.Duration `yaml:"giveUp"`  // a mail that comes no further is tried so long before less than all of it is taken
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
		Timeouts:        timeouts{Connect: 45 * time.Second, Command: time.Minute, Body: 4 * time.Minute, GiveUp: 10 * time.Minute},
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

// check names everything that is wrong.
func (s settings) check() error {
	var errs []error
	refuse := func(wrong bool, key, format string, args ...any) {
		if wrong {
			errs = append(errs, desk.Invalidf(key, format, args...))
		}
	}
	oneOf := func(v string, allowed ...string) bool { return slices.Contains(allowed, v) }
	refuse(s.Host == "",
		"host", "is required: the name of the IMAP server")
	refuse(strings.ContainsAny(s.Host, "/ \t\r\n"),
		"host", "is not a host name")
	refuse(s.Port < 1 || s.Port > 65535,
		"port", "must be between 1 and 65535")
	refuse(!oneOf(s.TLS, tlsImplicit, tlsStart, tlsNone),
		"tls", "must be tls, starttls or plain")
	refuse(s.TLS == tlsNone && s.Host != "" && !loopback(s.Host),
		"tls", "plain is only for a server on this machine (localhost, 127.0.0.1, ::1): it would show the password and the mail to everybody on the way")
	refuse(s.TLS == tlsNone && s.CAFile != "",
		"caFile", "has no use with tls: plain")
	refuse(s.User == "",
		"user", "is required")
	refuse(!oneOf(s.Auth, "", authLogin, authPlain, authXOAuth2, authOAuthBearer),
		"auth", "must be login, plain, xoauth2 or oauthbearer")
	refuse(s.Password == "" && s.TokenFile == "",
		"password", "is required, or tokenFile with auth: xoauth2 or oauthbearer")
	refuse(s.TokenFile != "" && !oneOf(s.Auth, authXOAuth2, authOAuthBearer),
		"tokenFile", "is for auth: xoauth2 or oauthbearer")
	refuse(s.Poll < time.Second || s.Poll > 24*time.Hour,
		"poll", "must be between 1s and 24h")
	refuse(s.Batch < 1 || s.Batch > maxBatch,
		"batch", "must be between 1 and %d", maxBatch)
	refuse(s.MaxMessageBytes < 1<<10,
		"maxMessageBytes", "must be at least 1024")
	refuse(s.MaxStoredBytes < s.MaxMessageBytes,
		"maxStoredBytes", "must not be smaller than maxMessageBytes")
	for key, d := range map[string]time.Duration{"connect": s.Timeouts.Connect, "command": s.Timeouts.Command, "body": s.Timeouts.Body} {
		refuse(d <= 0 || d > time.Hour, "timeouts."+key, "must be more than 0 and at most 1h")
	}
	refuse(s.Timeouts.GiveUp < 0 || s.Timeouts.GiveUp > 24*time.Hour, "timeouts.giveUp", "must be between 0 and 24h")
	seen := map[string]bool{}
	for i, f := range s.Folders {
		key, canonical := fmt.Sprintf("folders[%d]", i), canonicalFolder(f)
		refuse(strings.TrimSpace(f) == "", key, "is empty")
		refuse(seen[canonical], key, "is listed twice")
		refuse(canonicalFolder(s.MoveTo) == canonical, "moveTo", "is one of the folders that are read: mail would be read again for ever")
		seen[canonical] = true
	}
	_, err := s.tls()
	errs = append(errs, err)
	if s.SMTP != nil {
		errs = append(errs, s.SMTP.check())
	}
	return errors.Join(errs...)
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
