// Package program finds a server program on this machine and runs it as a
// child of ours, on a private port or socket, until it is stopped.
//
// In goes the path of a program and its arguments (Options); out comes a
// running child (*Process). The embedded queue uses it to run redis-server, the
// test helpers use it to run Redis, PostgreSQL and Dovecot.
//
// It promises that a child does not outlive its parent for long: on Linux the
// kernel signals the child when we die, however we die (prctl(2),
// PR_SET_PDEATHSIG). Elsewhere that promise does not hold and a caller must
// recognise an orphan itself. A *Process may be used by many goroutines.
//
// It knows nothing of any particular server: no config format, no readiness
// rule, no protocol. It imports nothing of ours.
//
// To run one more server: call Find, build the arguments, give Start a Ready
// function that speaks the server's own protocol.
package program

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// usual are the folders in which Debian and its relatives keep server programs
// that are not on an ordinary user's PATH. Each may be a glob.
var usual = []string{
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
	"/usr/lib/postgresql/*/bin", "/usr/libexec/dovecot", "/usr/lib/dovecot",
	"/opt/homebrew/bin", "/opt/homebrew/sbin",
}

// Find returns the absolute path of the named program. It looks on PATH, then
// in dirs, then in the usual folders for servers; dirs may hold globs, of which
// the last match in lexical order wins (so postgresql/15 is taken before 13).
// ok is false when there is no such executable file.
func Find(name string, dirs ...string) (path string, ok bool) {
	if found, err := exec.LookPath(name); err == nil {
		if abs, err := filepath.Abs(found); err == nil {
			return abs, true
		}
	}
	for _, pattern := range append(slices.Clone(dirs), usual...) {
		matches, err := filepath.Glob(filepath.Join(pattern, name))
		if err != nil {
			continue
		}
		for _, match := range slices.Backward(matches) {
			if found, err := exec.LookPath(match); err == nil {
				return found, true
			}
		}
	}
	return "", false
}

// The ports FreePort chooses from: below those that kernels give out by themselves
// (Linux from 32768, ip(7), ip_local_port_range; elsewhere from 49152, RFC 6335 6).
const (
	firstPort = 20000
	ports     = 12000
)

// given are the ports FreePort returned.
var given sync.Map

// FreePort returns a TCP port that nobody listened on at 127.0.0.1 a moment
// ago, each only once. No connection and no listener is given it unasked, so that it
// stays free while a server is between two starts. Another program can take it all the
// same before the child does, so a caller starts again with another port when the child
// exits before it is ready. It panics when the machine has no loopback port left.
func FreePort() int {
	for range 100 {
		port := firstPort + rand.IntN(ports)
		if _, was := given.LoadOrStore(port, true); was {
			continue
		}
		if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			listener.Close()
			return port
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("program: no free port on 127.0.0.1: %v", err))
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// Tail returns about the last n bytes of a log file as text, for error messages; it
// returns the reason in brackets when the file cannot be read.
func Tail(path string, n int64) string {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	n = min(n, info.Size())
	text := make([]byte, n)
	read, _ := file.ReadAt(text, info.Size()-n)
	return string(text[:read])
}
