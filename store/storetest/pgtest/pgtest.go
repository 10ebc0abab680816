// Package pgtest gives a test a real PostgreSQL database of its own.
//
// In goes a test; out comes a DSN (New), or a *Server that can also be stopped,
// crashed and started again (Start).
//
// One server serves a whole test binary: the first New runs initdb and starts
// it, each New makes an empty database and drops it when its test ends, and the
// server with its folder is gone when the binary ends, also by kill -9: a small
// shell waits on a pipe for that. So a test needs nothing in TestMain; a package
// that checks for leaked goroutines there wraps its m:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }
//
// The server listens on a free loopback port with a random password, writes as
// safely as in production (fsync on) and, when we are root, runs as postgres.
// Without PostgreSQL the test is skipped in one line, or fails when
// SWITCHBOARD_REQUIRE_SERVICES=1. New may be called by tests that run at once.
//
// It knows nothing of our tables. Tests only.
package pgtest

import (
	"errors"
	"sync"
	"testing"
)

// Option changes how a server runs.
type Option func(*settings)

type settings struct {
	noFsync bool
	params  string // "name=value" pairs, each ended by a newline
}

// NoFsync makes the server forget what a power cut would take: for benchmarks
// that want to know what the disk costs, and for tests of nothing but SQL.
func NoFsync() Option { return func(s *settings) { s.noFsync = true } }

// Param sets one of PostgreSQL's parameters, such as "max_connections", "20".
func Param(name, value string) Option {
	return func(s *settings) { s.params += name + "=" + value + "\n" }
}

func collect(options []Option) (s settings) {
	for _, option := range options {
		option(&s)
	}
	return s
}

// shared holds the servers of this test binary, one for each settings.
var shared struct {
	sync.Mutex
	servers map[settings]*Server
}

// New returns the DSN of a new, empty database (postgres://..., for pgx and
// gorm's driver alike). The database is dropped when the test ends; connections
// still open then are cut.
func New(t testing.TB, options ...Option) (dsn string) {
	t.Helper()
	path := need(t)
	want := collect(options)
	shared.Lock()
	server := shared.servers[want]
	if server == nil {
		var err error
		if server, err = launch(path, want); err != nil {
			shared.Unlock()
			t.Fatal(err)
		}
		if shared.servers == nil {
			shared.servers = make(map[settings]*Server)
		}
		shared.servers[want] = server
	}
	shared.Unlock()
	return server.Database(t)
}

// Start returns a server that belongs to this test alone, which may therefore
// stop and crash it. It is gone when the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	server, err := launch(need(t), collect(options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.remove(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Runner is what testing.M is to TestMain.
type Runner interface{ Run() int }

// Main returns a Runner that runs m and then stops the shared servers, for a
// TestMain that looks for leaked goroutines.
func Main(m Runner) Runner { return stopper{m} }

type stopper struct{ m Runner }

func (s stopper) Run() int {
	code := s.m.Run()
	if err := stopShared(); err != nil && code == 0 {
		println(err.Error())
		return 1
	}
	return code
}

func stopShared() error {
	shared.Lock()
	defer shared.Unlock()
	var errs []error
	for _, server := range shared.servers {
		errs = append(errs, server.remove())
	}
	shared.servers = nil
	return errors.Join(errs...)
}
