package broker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// handoverFile, in the data folder, tells a second process on this machine how
// to reach the Redis that the first one runs: both the embedded Redis and a
// spawned redis-server have an address and a password nobody could guess. It
// is readable by our account only (mode 0600) and removed at Close; after a
// crash it stays, which does no harm since Attach asks whether anybody answers.
const handoverFile = "broker.json"

// handover is the content of broker.json.
type handover struct {
	Addr     string `json:"addr"` // host:port or the path of a unix socket
	Password string `json:"password"`
	PID      int    `json:"pid"` // of the process that runs Redis: redis-server, or us when embedded; 0 while starting
}

// ErrNotRunning is returned by Attach when no process runs a queue in the data
// folder.
var ErrNotRunning = errors.New("no process runs a queue in this data folder")

// Attach returns the options by which a second process joins the Redis that
// another process has opened (as Embedded or Spawn) in the data folder dir. A
// command such as `replay` uses it beside a running `serve`. When that process ends and
// another, or the same started again, runs the queue of the folder, the clients made
// from the options find it by themselves, at its new address and with its new password;
// until then they say ErrNotRunning.
func Attach(ctx context.Context, dir string) (Options, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Options{}, fmt.Errorf("broker: %w", err)
	}
	found, err := readHandover(dir)
	if errors.Is(err, os.ErrNotExist) {
		return Options{}, fmt.Errorf("broker: %s: %w", dir, ErrNotRunning)
	}
	if err != nil {
		return Options{}, fmt.Errorf("broker: %w", err)
	}
	options := found.options()
	options.home = dir
	client := newProbe(options)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return Options{}, fmt.Errorf("broker: %s: %w: %w", dir, ErrNotRunning, err)
	}
	return options, nil
}

// dialHome connects to whoever runs the queue of a data folder now.
func dialHome(ctx context.Context, dir string) (net.Conn, error) {
	now, err := readHandover(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", dir, ErrNotRunning, err)
	}
	network := "tcp"
	if filepath.IsAbs(now.Addr) {
		network = "unix"
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, now.Addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", dir, ErrNotRunning, err)
	}
	return conn, nil
}

// passwordHome is the password of whoever runs it.
func passwordHome(dir string) (string, error) {
	now, err := readHandover(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", dir, ErrNotRunning, err)
	}
	return now.Password, nil
}

func (h handover) options() Options {
	return Options{Mode: Single, Addrs: []string{h.Addr}, Password: h.Password, vouched: true}
}

func readHandover(dir string) (handover, error) {
	var h handover
	path := filepath.Join(dir, handoverFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	if h.Addr == "" {
		return h, fmt.Errorf("%s: has no addr", path)
	}
	return h, nil
}

// writeHandover replaces the file in one step, so that no reader sees half.
func writeHandover(dir string, h handover) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return writePrivate(filepath.Join(dir, handoverFile), append(text, '\n'))
}

// writePrivate writes a file that only our account can read.
func writePrivate(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(text); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// newPassword returns 26 random letters and digits (130 bits).
func newPassword() string { return rand.Text() }
