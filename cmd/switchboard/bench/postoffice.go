package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"switchboard/workers/broker/program"
)

// postOffice is a private IMAP server with one full mailbox: Dovecot where it is
// installed, else go-imap's own server in a process of its own.
type postOffice struct {
	mailbox
	process *program.Process
	about   string
}

const mailUser = "support"

// openPostOffice writes the mails into a folder of dir, serves them and waits
// until all are there to be seen.
func openPostOffice(ctx context.Context, c Common, dir string, mails [][]byte) (_ *postOffice, err error) {
	account := unprivileged()
	p := &postOffice{mailbox: mailbox{User: mailUser, Password: rand.Text()}}
	folders := []string{dir, "run", "state", "home", "mail", "mail/" + mailUser, "mail/" + mailUser + "/tmp", "mail/" + mailUser + "/cur", "mail/" + mailUser + "/new"}
	for i, sub := range folders {
		if i > 0 {
			sub = filepath.Join(dir, sub)
		}
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return nil, err
		}
		if err := give(sub, account); err != nil {
			return nil, err
		}
	}
	box := filepath.Join(dir, folders[len(folders)-1])
	began := time.Now().Add(-time.Hour)
	for i, mail := range mails {
		// Dovecot gives UIDs in the order of the time in the name.
		at := began.Add(time.Duration(i) * time.Millisecond)
		name := filepath.Join(box, fmt.Sprintf("%d.M%06dP1.bench", at.Unix(), at.Nanosecond()/1000))
		if err := os.WriteFile(name, mail, 0o600); err != nil {
			return nil, err
		}
		if err := give(name, account); err != nil {
			return nil, err
		}
	}
	path, found := program.Find("dovecot")
	for try := 0; ; try++ {
		p.Port = program.FreePort()
		if found {
			p.process, err = p.startDovecot(ctx, path, dir, account)
			p.about = "Dovecot"
		} else {
			p.process, err = p.startOwn(ctx, c, dir, box)
			p.about = "go-imap's server in memory"
		}
		if err == nil || try == 4 || !errors.Is(err, program.ErrExited) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if err := p.look(len(mails)); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// dovecotConfig has every path in our folder, one account for every process, and
// no limits on logins. IMAP is in the clear: it never leaves loopback.
const dovecotConfig = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
default_internal_user = %[2]s
default_internal_group = %[3]s
default_login_user = %[2]s
ssl = no
disable_plaintext_auth = no
mail_max_userip_connections = 100
mail_location = maildir:%[1]s/mail/%%u
mail_uid = %[2]s
mail_gid = %[3]s
first_valid_uid = 1
first_valid_gid = 1
mail_privileged_group =
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%u %[1]s/users
}
userdb {
  driver = static
  args = uid=%[2]s gid=%[3]s home=%[1]s/home
}
namespace inbox {
  inbox = yes
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
    port = 0
  }
}
`

func (p *postOffice) startDovecot(ctx context.Context, path, dir, account string) (*program.Process, error) {
	who, err := user.Current()
	if account != "" {
		who, err = user.Lookup(account)
	}
	if err != nil {
		return nil, err
	}
	group, err := user.LookupGroupId(who.Gid)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"dovecot.conf": fmt.Sprintf(dovecotConfig, dir, who.Username, group.Name, p.Port),
		"users":        p.User + ":{PLAIN}" + p.Password + "\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		if err := give(file, account); err != nil {
			return nil, err
		}
	}
	return program.Start(ctx, program.Options{Path: path, Args: []string{"-F", "-c", filepath.Join(dir, "dovecot.conf")}, Dir: dir,
		Log: filepath.Join(dir, "output"), User: account, Ready: p.greets, Death: syscall.SIGTERM, StartTimeout: patience})
}

// startOwn runs `switchboard bench mailbox` as a process of its own.
func (p *postOffice) startOwn(ctx context.Context, c Common, dir, box string) (*program.Process, error) {
	return program.Start(ctx, program.Options{Path: c.Program, Args: []string{"bench", "mailbox", "--addr", p.addr(), "--dir", box, "--user", p.User},
		Env: append(append(os.Environ(), c.Env...), "BENCH_MAIL="+p.Password), Dir: dir, Log: filepath.Join(dir, "output"), Ready: p.greets, StartTimeout: patience})
}

func (p *postOffice) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)) }

// greets is nil when the server says "* OK" (RFC 9051, section 7.1.1).
func (p *postOffice) greets(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "* OK") {
		err = fmt.Errorf("it greets with %q", line)
	}
	return err
}

// look logs in once and counts the mails, so that the server has read its
// folder before the clock runs.
func (p *postOffice) look(want int) error {
	c, err := imapclient.DialInsecure(p.addr(), nil)
	if err != nil {
		return fmt.Errorf("bench: mailbox: %w", err)
	}
	defer c.Close()
	if err := c.Login(p.User, p.Password).Wait(); err != nil {
		return fmt.Errorf("bench: mailbox: log in: %w", err)
	}
	box, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return fmt.Errorf("bench: mailbox: select: %w", err)
	}
	if int(box.NumMessages) != want {
		return fmt.Errorf("bench: the mailbox shows %d mails of %d", box.NumMessages, want)
	}
	return c.Logout().Wait()
}

func (p *postOffice) stop() {
	if p != nil && p.process != nil {
		_ = p.process.Stop()
		p.process.KillAll()
	}
}

// ServeMailbox is go-imap's server in memory with one user, whose INBOX holds the
// files of a folder in the order of their names. It serves until ctx is done.
func ServeMailbox(ctx context.Context, addr, dir, name, password string) error {
	u := imapmemserver.NewUser(name, password)
	if err := u.Create("INBOX", nil); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if _, err := u.Append("INBOX", literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: time.Now()}); err != nil {
			return err
		}
	}
	books := imapmemserver.New()
	books.AddUser(u)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return books.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapUIDPlus: {}}, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		server.Close()
		<-done
		return nil
	}
}

// literal is a mail as imapserver wants it.
type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }
