package emailtest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"switchboard/workers/broker/program/programtest"
)

// Deliver puts a raw mail into a folder's new/, as a mail transfer agent does
// (maildir(5) of qmail). The bytes are kept; where they have bare line feeds
// Dovecot sends CRLF.
func (d *DovecotServer) Deliver(user, folder string, raw []byte) {
	d.t.Helper()
	d.DeliverMany(user, folder, raw)
}

// DeliverMany delivers mails in order.
func (d *DovecotServer) DeliverMany(user, folder string, raws ...[]byte) {
	d.t.Helper()
	dir := d.maildir(user, folder)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, raw := range raws {
		// Dovecot gives UIDs in the order of the time in the name, whose second part
		// are microseconds: no two mails may have the same.
		d.serial = max(d.serial+1, time.Now().UnixMicro())
		name := fmt.Sprintf("%d.M%06dP%d.test", d.serial/1e6, d.serial%1e6, os.Getpid())
		temporary := filepath.Join(dir, "tmp", name)
		err := os.WriteFile(temporary, raw, 0o600)
		if err == nil {
			err = programtest.Give(temporary)
		}
		if err == nil {
			err = os.Rename(temporary, filepath.Join(dir, "new", name))
		}
		if err != nil {
			d.t.Fatalf("emailtest: deliver: %v", err)
		}
	}
}

// maildir returns a folder's path and makes it if it is missing. A folder below
// the INBOX is a dot and its name (Maildir++); levels are parted by "/".
func (d *DovecotServer) maildir(user, folder string) string {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.users[user]; !ok {
		d.t.Fatalf("emailtest: no user %s: call AddUser first", user)
	}
	paths := []string{d.in(filepath.Join("mail", user))}
	if !strings.EqualFold(folder, "INBOX") {
		if folder == "" || strings.ContainsFunc(folder, func(r rune) bool { return r < ' ' || r > '~' || r == '.' || r == '&' }) {
			d.t.Fatalf("emailtest: folder %q: only ASCII without '.' and '&'", folder)
		}
		paths = append(paths, filepath.Join(paths[0], "."+strings.ReplaceAll(folder, "/", ".")))
	}
	for _, path := range paths {
		d.mkdir(path)
		for _, sub := range []string{"tmp", "new", "cur"} {
			d.mkdir(filepath.Join(path, sub))
		}
	}
	return paths[len(paths)-1]
}

// Append puts a raw mail into a folder over IMAP.
func (d *DovecotServer) Append(user, folder string, date time.Time, raw []byte) {
	d.t.Helper()
	d.maildir(user, folder)
	d.mu.Lock()
	password := d.users[user]
	d.mu.Unlock()
	conn, err := net.Dial("tcp", d.Addr())
	if err != nil {
		d.t.Fatalf("emailtest: append: %v", err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // go-imap has no deadline of its own
	client := imapclient.New(conn, nil)
	defer client.Close()
	if err := client.Login(user, password).Wait(); err != nil {
		d.t.Fatalf("emailtest: append: %v", err)
	}
	command := client.Append(folder, int64(len(raw)), &imap.AppendOptions{Time: date})
	_, err = command.Write(raw)
	if err == nil {
		err = command.Close()
	}
	if err == nil {
		_, err = command.Wait()
	}
	if err == nil {
		err = client.Logout().Wait()
	}
	if err != nil {
		d.t.Fatalf("emailtest: append: %v", err)
	}
}

// ResetUIDs makes the server forget the folder's UIDs: at the next SELECT it
// has another UIDVALIDITY and the mails are numbered anew, as after a restore
// from backup. No session may have the folder selected.
func (d *DovecotServer) ResetUIDs(user, folder string) {
	d.t.Helper()
	dir := d.maildir(user, folder)
	old, err := filepath.Glob(filepath.Join(dir, "dovecot*"))
	if err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
	for _, path := range old {
		// dovecot-uidvalidity stays: it holds the last UIDVALIDITY given out.
		if strings.HasPrefix(filepath.Base(path), "dovecot-uidvalidity") {
			continue
		}
		if err := os.Remove(path); err != nil {
			d.t.Fatalf("emailtest: %v", err)
		}
	}
}
