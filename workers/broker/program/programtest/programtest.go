// Package programtest is what every test helper that starts a real server
// needs: to find the program or skip, a folder with a short path, and an
// account the server agrees to run as.
//
// In goes a test; out come a path, a folder or an account name. It promises
// that a missing program skips the test in one line, or fails it when
// SWITCHBOARD_REQUIRE_SERVICES=1, so that CI never passes on skipped tests.
//
// It knows no particular server. Tests only.
package programtest

import (
	"os"
	"os/user"
	"testing"
	"time"

	"switchboard/workers/broker/program"
)

// Required is the environment variable that turns skips into failures.
const Required = "SWITCHBOARD_REQUIRE_SERVICES"

// Need returns the path of the named server program, or ends the test.
// Debian's name for what to install goes into the message.
func Need(t testing.TB, name, debian string) string {
	t.Helper()
	path, ok := program.Find(name)
	if !ok {
		Missing(t, name+" is not installed (Debian package "+debian+")")
	}
	return path
}

// Missing ends the test for want of a service: skipped, or failed when services
// are required. what completes the sentence.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(Required) == "1" {
		t.Fatalf("service test not run: %s, and %s=1", what, Required)
	}
	t.Skipf("service test skipped: %s", what)
}

// Folder returns a new empty folder, removed with all that is in it when the
// test ends. Its path is short, unlike t.TempDir's, because a unix socket's path
// has room for about 100 bytes (unix(7)). It belongs to Account.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := MakeFolder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Remove(dir); err != nil {
			t.Errorf("remove the server's folder: %v", err)
		}
	})
	return dir
}

// Remove deletes a server's folder. A server's own children may outlive it by a
// moment and still write, which is why it tries for a while.
func Remove(dir string) (err error) {
	for range 100 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// MakeFolder is Folder for a server that serves more than one test: whoever
// calls it removes it.
func MakeFolder() (string, error) {
	base := os.TempDir()
	if len(base) > 40 || os.Getuid() == 0 { // root's own TMPDIR may be closed to Account
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "sb")
	if err != nil {
		return "", err
	}
	return dir, Give(dir)
}

// Give hands a file or folder that we made to Account.
func Give(path string) error {
	name := Account()
	if name == "" {
		return nil
	}
	uid, gid, err := ids(name)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// Account names the account to run a server as that refuses to run as root
// (PostgreSQL, and Dovecot's mail processes). It is empty, meaning our own, when
// we are not root.
func Account() string {
	if os.Getuid() != 0 {
		return ""
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err == nil {
			return name
		}
	}
	return "nobody"
}
