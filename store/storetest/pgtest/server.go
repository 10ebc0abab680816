package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// patience bounds each wait for the server.
const patience = 60 * time.Second

// Server is a running PostgreSQL. Its methods other than Database are called
// from one goroutine.
type Server struct {
	bin      string // folder of initdb and postgres
	dir      string
	port     int
	password string
	settings settings
	process  *program.Process
	unwatch  func() // ends the shell that cleans up after us
	made     atomic.Int64
}

// need returns the folder of PostgreSQL's programs or ends the test.
func need(t testing.TB) string {
	t.Helper()
	return filepath.Dir(programtest.Need(t, "initdb", "postgresql"))
}

// launch makes a cluster in a new folder and starts its server.
func launch(bin string, want settings) (_ *Server, err error) {
	dir, err := programtest.MakeFolder()
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	s := &Server{bin: bin, dir: dir, password: rand.Text(), settings: want}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("pgtest: %w", err), programtest.Remove(dir))
		}
	}()
	if err := s.initdb(); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		s.port = program.FreePort()
		err = s.start()
		if err == nil {
			break
		}
		if try == 4 || !errors.Is(err, program.ErrExited) { // another program took the port
			return nil, err
		}
	}
	if s.unwatch, err = watch(dir); err != nil {
		s.process.Kill()
		return nil, err
	}
	return s, nil
}

// initdb makes the cluster. C.UTF-8 is the one locale that folds the case of all
// letters and is there without being installed; older systems lack it.
func (s *Server) initdb() error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if err := programtest.Give(secret); err != nil {
		return err
	}
	var failures []error
	for _, locale := range []string{"C.UTF-8", "C"} {
		log := filepath.Join(s.dir, "initdb."+locale+".log")
		run, err := program.Start(context.Background(), program.Options{
			Path: filepath.Join(s.bin, "initdb"), Dir: s.dir, Log: log, User: programtest.Account(),
			Args: []string{"-D", s.data(), "-U", "postgres", "-E", "UTF8", "--locale=" + locale, "-A", "password",
				"--pwfile=" + secret, "--no-sync"},
		})
		if err != nil {
			return err
		}
		<-run.Done()
		if run.Err() == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("initdb: %w: %s", run.Err(), program.Tail(log, 2000)))
	}
	return errors.Join(failures...)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// start runs the server on the folder and port there are.
func (s *Server) start() error {
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "timezone=UTC"}
	if s.settings.noFsync {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
	}
	for param := range strings.Lines(s.settings.params) {
		args = append(args, "-c", strings.TrimSuffix(param, "\n"))
	}
	process, err := program.Start(context.Background(), program.Options{
		Path: filepath.Join(s.bin, "postgres"), Args: args, Dir: s.dir, Log: filepath.Join(s.dir, "log"),
		User: programtest.Account(), StartTimeout: patience, Grace: patience,
		Death: syscall.SIGQUIT, // "immediate shutdown": SIGTERM would wait for clients (PostgreSQL manual 19.5)
		Ready: func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, s.dsn("postgres"))
			if err == nil {
				_ = conn.Close(ctx)
			}
			return err
		},
	})
	if err != nil {
		return err
	}
	s.process = process
	return nil
}

func (s *Server) dsn(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", s.password),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database returns the DSN of a new, empty database, dropped when the test ends
// if the server then runs.
func (s *Server) Database(t testing.TB) (dsn string) {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		select {
		case <-s.process.Done(): // it goes with the server's folder
		default:
			if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
				t.Errorf("pgtest: %v", err)
			}
		}
	})
	return s.dsn(name)
}

// exec runs one statement as the superuser.
func (s *Server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// Port returns the loopback port, which stays the same for the server's life.
func (s *Server) Port() int { return s.port }

// Log is the file the server writes its log to.
func (s *Server) Log() string { return filepath.Join(s.dir, "log") }

// Stop ends the server in good order: open connections are cut, their
// transactions rolled back ("fast shutdown").
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.process.StopWith(syscall.SIGINT); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// Crash ends the server without a word to anybody and without writing out what
// is not on disk yet ("immediate shutdown"), so that the next start recovers from
// its log. What was committed must be there again.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.process.StopWith(syscall.SIGQUIT); s.alive() {
		t.Fatalf("pgtest: %v", err)
	}
}

// Restart starts the server again at the same port; one that still runs is
// stopped first. It returns when the server takes connections.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if s.alive() {
		s.Stop(t)
	}
	if err := s.start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

func (s *Server) alive() bool {
	select {
	case <-s.process.Done():
		return false
	default:
		return true
	}
}

// remove ends the server for good and deletes its folder.
func (s *Server) remove() error {
	_ = s.process.StopWith(syscall.SIGQUIT) // it has nothing to save
	err := programtest.Remove(s.dir)
	s.unwatch()
	return err
}
