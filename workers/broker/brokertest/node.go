package brokertest

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"switchboard/workers/broker"
	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// node is one redis-server process.
type node struct {
	path     string // of redis-server
	dir      string
	port     int
	password string
	extra    []string // more arguments
	sentinel bool
	client   *redis.Client
	process  *program.Process
	paused   bool
}

// newNode starts a server on a free port and stops it when the test ends. The
// extra arguments may depend on the port; maxPort 0 means any.
func newNode(t testing.TB, password string, maxPort int, extra func(port int) []string) *node {
	t.Helper()
	n := &node{path: programtest.Need(t, "redis-server", "redis-server"), dir: t.TempDir(), password: password}
	retryPort(t, func() error {
		n.port = freePort(maxPort)
		if extra != nil {
			n.extra = extra(n.port)
		}
		return n.start()
	})
	t.Cleanup(func() {
		n.resume()
		n.process.Kill() // the folder goes too, so there is nothing to save
		_ = n.client.Close()
	})
	return n
}

// start runs the process and makes its client. The random password proves that
// the server that answers is the one we started.
func (n *node) start() error {
	if n.client != nil {
		_ = n.client.Close()
	}
	n.client = direct(n.addr(), n.password)
	args := append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(n.port), "--dir", n.dir,
		"--requirepass", n.password, "--masterauth", n.password,
		"--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
		"--repl-diskless-sync-delay", "0",
	}, n.extra...)
	if n.sentinel {
		args = n.extra
	}
	process, err := program.Start(context.Background(), program.Options{
		Path: n.path, Args: args, Log: filepath.Join(n.dir, "log"), Death: syscall.SIGKILL, StartTimeout: patience,
		Ready: func(ctx context.Context) error { return n.client.Ping(ctx).Err() },
	})
	if err != nil {
		_ = n.client.Close()
		return err
	}
	n.process = process
	return nil
}

func (n *node) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

func (n *node) dead() bool {
	select {
	case <-n.process.Done():
		return true
	default:
		return false
	}
}

func (n *node) resume() {
	if n.paused {
		_ = n.process.Signal(thaw) // fails only when it is gone
		n.paused = false
	}
}

// freePort returns a free port not above limit; 0 means no limit.
func freePort(limit int) int {
	for {
		if port := program.FreePort(); limit == 0 || port <= limit {
			return port
		}
	}
}

// StartRedis starts a single redis-server.
func StartRedis(t testing.TB) *Handle {
	t.Helper()
	password := rand.Text()
	n := newNode(t, password, 0, nil)
	return &Handle{
		Options: broker.Options{Mode: broker.Single, Addrs: []string{n.addr()}, Password: password},
		t:       t, nodes: []*node{n}, ready: func() {},
	}
}

// writeFile makes a file only we can read.
func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
