package emailtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// DovecotServer is a private Dovecot on loopback, with mail in Maildir format.
type DovecotServer struct {
	t         testing.TB
	path, dir string
	port      int
	tlsPort   int
	cert      certificate
	process   *program.Process

	mu     sync.Mutex
	users  map[string]string // name to password
	serial int64             // microseconds of the last delivery
}

// Dovecot starts a server without users. When we are root it runs as
// programtest.Account, for it hands no mail to root.
func Dovecot(t testing.TB) *DovecotServer {
	t.Helper()
	d := &DovecotServer{
		t: t, path: programtest.Need(t, "dovecot", "dovecot-imapd"), dir: programtest.Folder(t),
		cert: newCertificate(t), users: make(map[string]string),
	}
	for _, sub := range []string{"mail", "home", "run", "state", "keys"} {
		d.mkdir(d.in(sub))
	}
	d.write("cert.pem", d.cert.certPEM)
	d.write("key.pem", d.cert.keyPEM)
	d.write("users", nil)
	d.prepareOAuth()
	for try := 0; ; try++ {
		d.port, d.tlsPort = program.FreePort(), program.FreePort()
		err := d.start()
		if err == nil {
			break
		}
		if try == 4 || !errors.Is(err, program.ErrExited) { // another program took a port
			t.Fatalf("emailtest: %v", err)
		}
	}
	t.Cleanup(func() {
		d.process.KillAll() // an orderly stop takes a second
		if t.Failed() {
			t.Logf("Dovecot's log ends:\n%s", program.Tail(d.in("log"), 4000))
		}
	})
	return d
}

// settings is the config. Differences from Debian's: every path is ours, every
// process runs as one ordinary account without chroot, there is no penalty and
// no limit for many logins from one address, and a login process serves many
// connections.
const settings = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
default_internal_user = %[2]s
default_internal_group = %[3]s
default_login_user = %[2]s
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_failure_delay = 0
mail_max_userip_connections = 1000
mail_location = maildir:%[1]s/mail/%%u
mail_uid = %[2]s
mail_gid = %[3]s
first_valid_uid = 1
first_valid_gid = 1
mail_privileged_group =
auth_mechanisms = plain login oauthbearer xoauth2
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=%%u %[1]s/users
}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = %[1]s/oauth2.conf
}
userdb {
  driver = static
  args = uid=%[2]s gid=%[3]s home=%[1]s/home/%%u
}
namespace inbox {
  inbox = yes
  separator = /
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  service_count = 0
  inet_listener imap {
    port = %[4]d
  }
  inet_listener imaps {
    port = %[5]d
    ssl = yes
  }
}
`

// start writes the config and runs Dovecot until it greets.
func (d *DovecotServer) start() error {
	account, group, err := programtest.Names()
	if err != nil {
		return err
	}
	d.write("dovecot.conf", fmt.Appendf(nil, settings, d.dir, account, group, d.port, d.tlsPort))
	d.process, err = program.Start(context.Background(), program.Options{
		Path: d.path, Args: []string{"-F", "-c", d.in("dovecot.conf")}, Dir: d.dir, Log: d.in("output"),
		User: programtest.Account(), Ready: d.greets, Death: syscall.SIGTERM, StartTimeout: time.Minute, Grace: time.Minute,
	})
	return err
}

// greets is nil when the server says "* OK", which it does once its
// authentication process is up (RFC 9051 7.1).
func (d *DovecotServer) greets(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", d.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "* OK") {
		err = fmt.Errorf("it greets with %q; its log ends: %s", line, program.Tail(d.in("log"), 1000))
	}
	return err
}

// Addr is the address of IMAP in the clear, with STARTTLS.
func (d *DovecotServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port)) }

// TLSAddr is the address of IMAP over TLS.
func (d *DovecotServer) TLSAddr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.tlsPort))
}

// CertPool trusts the server.
func (d *DovecotServer) CertPool() *x509.CertPool { return d.cert.pool }

// TLSConfig is a client's configuration that trusts the server.
func (d *DovecotServer) TLSConfig() *tls.Config { return d.cert.client() }

// AddUser adds an account; its INBOX comes into being at the first login or
// delivery.
func (d *DovecotServer) AddUser(name, password string) {
	d.t.Helper()
	if strings.ContainsAny(name+password, ":\r\n/") || name == "" {
		d.t.Fatalf("emailtest: user %q: no colon, slash or line end in name or password", name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[name] = password
	var file strings.Builder
	for name, password := range d.users {
		fmt.Fprintf(&file, "%s:{PLAIN}%s\n", name, password)
	}
	d.write("users", []byte(file.String()))
}

// Log is the file the server writes its log to.
func (d *DovecotServer) Log() string { return d.in("log") }

// Stop ends the server; every connection is closed.
func (d *DovecotServer) Stop() {
	d.t.Helper()
	if err := d.process.Stop(); err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
}

// Kill ends the server and all its processes at once, as a power cut does.
func (d *DovecotServer) Kill() { d.process.KillAll() }

// Start runs a stopped or killed server again, at the same addresses and with its mail.
func (d *DovecotServer) Start() {
	d.t.Helper()
	if err := d.start(); err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
}

func (d *DovecotServer) in(name string) string { return filepath.Join(d.dir, name) }

// mkdir makes a folder that the server's account owns; one that exists is fine.
func (d *DovecotServer) mkdir(path string) {
	d.t.Helper()
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, os.ErrExist) {
		return
	}
	if err == nil {
		err = programtest.Give(path)
	}
	if err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
}

// write replaces a file, in one step, by one that the server's account owns.
func (d *DovecotServer) write(name string, content []byte) {
	d.t.Helper()
	temporary := d.in(name + ".new")
	err := os.WriteFile(temporary, content, 0o600)
	if err == nil {
		err = programtest.Give(temporary)
	}
	if err == nil {
		err = os.Rename(temporary, d.in(name))
	}
	if err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
}
