package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"switchboard/workers/broker"
	"switchboard/workers/broker/program"
)

// redisServer is a private Redis that writes its append-only file every second,
// as the documentation asks for; or one that was there already; or, for
// embedded, one in this process as the product has one in its own.
type redisServer struct {
	process *program.Process // nil: not ours, or in this process
	url     string           // empty: in this process
	broker  *broker.Broker
	version string
}

// startRedis starts a Redis with its file in dir.
func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	path, ok := program.Find("redis-server")
	if !ok {
		return nil, errors.New("bench: redis-server is not installed (Debian package redis-server): install it, name one with --redis, or measure with --embedded")
	}
	password := rand.Text()
	conf := filepath.Join(dir, "redis.conf")
	r := &redisServer{}
	for try := 0; ; try++ {
		port := strconv.Itoa(program.FreePort())
		text := strings.Join([]string{"bind 127.0.0.1", "port " + port, "requirepass " + password, "dir " + strconv.Quote(dir), "appendonly yes",
			"appendfsync everysec", `save ""`, "daemonize no", `logfile ""`}, "\n") + "\n"
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return nil, err
		}
		addr := net.JoinHostPort("127.0.0.1", port)
		var err error
		r.process, err = program.Start(ctx, program.Options{Path: path, Args: []string{conf}, Dir: dir, Log: filepath.Join(dir, "log"),
			Ready: func(ctx context.Context) error {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
				if err == nil {
					conn.Close()
				}
				return err
			}})
		if err == nil {
			r.url = "redis://:" + password + "@" + addr + "/0"
			break
		}
		if try == 4 || !errors.Is(err, program.ErrExited) {
			return nil, err
		}
	}
	if err := r.open(ctx); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// open connects to it, in the way the product does.
func (r *redisServer) open(ctx context.Context) error {
	options := broker.Options{Mode: broker.Embedded}
	if r.url != "" {
		var err error
		if options, err = broker.ParseURL(r.url); err != nil {
			return err
		}
	}
	var err error
	if r.broker, err = broker.Open(ctx, options, nil); err != nil {
		return err
	}
	if r.url == "" {
		r.version = "in process (miniredis)"
		return nil
	}
	info, err := r.broker.Client().Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("bench: redis: %w", err)
	}
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
			r.version = strings.TrimSpace(v)
		}
	}
	return nil
}

// flush forgets everything in it.
func (r *redisServer) flush(ctx context.Context) error {
	if err := r.broker.Client().FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("bench: flush redis: %w", err)
	}
	return nil
}

func (r *redisServer) stop() {
	if r == nil {
		return
	}
	if r.broker != nil {
		_ = r.broker.Close()
	}
	if r.process != nil {
		_ = r.process.Stop()
	}
}
