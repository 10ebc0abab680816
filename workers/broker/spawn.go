package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"switchboard/workers/broker/program"
)

// Files of a spawned server in the data folder.
const (
	configFile = "redis.conf" // mode 0600: holds the password
	socketFile = "redis.sock"
	logFile    = "redis.log"
	dataFolder = "redis" // the append-only file
)

// maxSocketPath is what every unix allows in sun_path (macOS: 104 with the
// closing zero, Linux: 108; unix(7)).
const maxSocketPath = 103

// spawned is a redis-server of ours and the goroutine that watches it.
type spawned struct {
	options Options
	remote  Options
	log     *slog.Logger
	keep    *os.File // redis.lock

	mu      sync.Mutex
	process *program.Process
	closing context.Context
	close   context.CancelFunc
	stopped chan struct{} // closed when the watcher has ended
}

// spawn starts a redis-server with its append-only file in the data folder,
// written out every second. It listens on a unix socket in the folder, or on a
// loopback port when the folder's path is too long for one, and asks for a
// password that is new at every start.
func spawn(ctx context.Context, options Options, log *slog.Logger) (_ *local, err error) {
	path, version, err := server(ctx, options.Server)
	if err != nil {
		return nil, err
	}
	options.Server = path
	owner, err := claim(options.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			release(owner)
		}
	}()
	keep, err := claimServer(ctx, options.Dir)
	if err != nil {
		return nil, err
	}
	s := &spawned{options: options, log: log, keep: keep, stopped: make(chan struct{})}
	s.closing, s.close = context.WithCancel(context.Background())
	for try := 0; ; try++ { // a loopback port can be taken between choosing and listening
		if err = s.configure(); err == nil {
			err = s.start(ctx)
		}
		if err == nil {
			break
		}
		if try == 2 || !errors.Is(err, program.ErrExited) {
			s.close()
			release(keep)
			return nil, err
		}
	}
	go s.watch()
	about := fmt.Sprintf("redis-server %s of our own at %s, append-only file in %s", version, s.remote.Addrs[0], filepath.Join(options.Dir, dataFolder))
	return &local{remote: s.remote, about: about, stop: func() error {
		err := s.stop()
		_ = os.Remove(filepath.Join(options.Dir, handoverFile))
		release(keep)
		release(owner)
		return err
	}}, nil
}

// configure chooses address and password and writes redis.conf.
func (s *spawned) configure() error {
	dir := s.options.Dir
	if err := os.MkdirAll(filepath.Join(dir, dataFolder), 0o700); err != nil {
		return err
	}
	password := newPassword()
	lines := []string{
		"requirepass " + password,
		"dir " + quote(filepath.Join(dir, dataFolder)),
		"appendonly yes",
		"appendfsync everysec",
		`save ""`,
		"maxmemory-policy noeviction",
		"daemonize no",
		"supervised no",
		`logfile ""`, // stdout, which goes to redis.log
	}
	addr := filepath.Join(dir, socketFile)
	if len(addr) <= maxSocketPath {
		_ = os.Remove(addr) // an earlier server's; redis.lock says that it has ended
		lines = append(lines, "port 0", "unixsocket "+quote(addr), "unixsocketperm 700")
	} else {
		port := strconv.Itoa(program.FreePort())
		addr = net.JoinHostPort("127.0.0.1", port)
		lines = append(lines, "bind 127.0.0.1", "port "+port)
	}
	s.remote = Options{Mode: Spawn, Addrs: []string{addr}, Password: password, DB: s.options.DB, PoolSize: s.options.PoolSize}
	return writePrivate(filepath.Join(dir, configFile), []byte(strings.Join(lines, "\n")+"\n"))
}

// start runs the server and waits until it has read its append-only file.
// broker.json is written before, so that whoever comes after a crash in between
// can still prove the server to be ours, and again when its process ID is known.
func (s *spawned) start(ctx context.Context) error {
	dir := s.options.Dir
	note := handover{Addr: s.remote.Addrs[0], Password: s.remote.Password}
	if err := writeHandover(dir, note); err != nil {
		return err
	}
	client := newProbe(s.remote)
	defer client.Close()
	process, err := program.Start(ctx, program.Options{
		Path: s.options.Server, Args: []string{filepath.Join(dir, configFile)}, Dir: dir,
		Log: filepath.Join(dir, logFile), Keep: []*os.File{s.keep}, StartTimeout: time.Minute,
		Ready: func(ctx context.Context) error { return client.Ping(ctx).Err() },
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.process = process
	s.mu.Unlock()
	note.PID = process.Pid()
	if err := writeHandover(dir, note); err != nil {
		return errors.Join(err, process.Stop())
	}
	return nil
}

// watch starts the server again when it ends without being asked to, at the
// same address and with the same password, so that every client finds it again.
func (s *spawned) watch() {
	defer close(s.stopped)
	for {
		s.mu.Lock()
		process := s.process
		s.mu.Unlock()
		select {
		case <-s.closing.Done():
			return
		case <-process.Done():
		}
		s.log.Error("redis-server ended by itself; starting it again", "error", process.Err())
		for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
			err := s.start(s.closing)
			if err == nil {
				s.log.Info("redis-server runs again")
				break
			}
			if s.closing.Err() != nil {
				return
			}
			s.log.Error("redis-server does not start; messages are accepted and wait for it", "error", err, "again_in", pause)
			select {
			case <-s.closing.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

// stop ends the watcher, then the server; on SIGTERM Redis writes its
// append-only file out first.
func (s *spawned) stop() error {
	s.close()
	<-s.stopped
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.Stop()
}

var versionText = regexp.MustCompile(`\bv=(\d+\.\d+(?:\.\d+)*)`)

// server returns the redis-server to run and its version, or why there is none
// that can be used. path empty means the one on PATH or in the usual folders.
func server(ctx context.Context, path string) (found, text string, err error) {
	if path == "" {
		var ok bool
		if path, ok = program.Find("redis-server"); !ok {
			return "", "", errors.New("redis-server is not installed")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", "", fmt.Errorf("%s --version: %w", path, err)
	}
	match := versionText.FindSubmatch(out)
	if match == nil {
		return "", "", fmt.Errorf("%s --version says %.80q", path, out)
	}
	text = string(match[1])
	v, err := parseVersion(text)
	if err != nil {
		return "", "", err
	}
	if v.before(oldest) {
		return "", "", fmt.Errorf("%w: %s is version %s, %s or newer is needed", ErrUnusable, path, text, oldest)
	}
	return path, text, nil
}

// quote writes a string as redis.conf reads it (redis.conf, head comment;
// sdssplitargs: inside double quotes, \xHH is a byte).
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
