package broker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
	"switchboard/workers/broker/program"
)

func TestOptionsRefused(t *testing.T) {
	cases := []struct {
		o   broker.Options
		say string
	}{
		{broker.Options{Mode: "rabbit"}, "mode rabbit: unknown"},
		{broker.Options{Mode: broker.Single}, "one address, got 0"},
		{broker.Options{Mode: broker.Single, Addrs: []string{"a:1", "b:1"}}, "one address, got 2"},
		{broker.Options{Mode: broker.Sentinel, Addrs: []string{"a:1"}}, "master's name"},
		{broker.Options{Mode: broker.Cluster, Addrs: []string{"a:1"}, DB: 1}, "no database but 0"},
		{broker.Options{Addrs: []string{"a:1", "b:1"}, DB: 1}, "mode cluster"},
		{broker.Options{Addrs: []string{"a:1"}, DB: -1}, "negative"},
		{broker.Options{Mode: broker.Spawn}, "data folder"},
		{broker.Options{Mode: broker.Embedded, Addrs: []string{"a:1"}}, "takes no address"},
		{broker.Options{MasterName: "m"}, "no master name"},
		{broker.Options{Mode: broker.Embedded, Password: "hunter2"}, "makes its own"},
	}
	for _, c := range cases {
		b, err := broker.Open(context.Background(), c.o, nil)
		if err == nil {
			_ = b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v; want an error with %q", c.o, err, c.say)
		}
	}
}

func TestPasswordsStayOutOfLogs(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "options", broker.Options{Mode: "single", Addrs: []string{"a:1"}, Password: "hunter2", SentinelPassword: "hunter2"})
	h := brokertest.StartRedis(t)
	b, err := broker.Open(context.Background(), h.Options, log)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if text := out.String() + b.Describe(); strings.Contains(text, "hunter2") || strings.Contains(text, h.Options.Password) {
		t.Errorf("a password is in %s", text)
	}
	if !strings.Contains(b.Describe(), h.Options.Addrs[0]) {
		t.Errorf("Describe = %q", b.Describe())
	}
}

// TestWrongForGood: what will never work is an error at once, not a warning.
func TestWrongForGood(t *testing.T) {
	single := brokertest.Redis(t)
	wrongPassword := single
	wrongPassword.Password = "hunter2"
	noPassword := single
	noPassword.Password = ""
	overTLS := broker.Options{Addrs: []string{fakeRedis(t, "7.0.15")}, TLS: &tls.Config{ServerName: "localhost"}}
	stranger := httptest.NewUnstartedServer(nil)
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0) // our client refuses its certificate
	stranger.StartTLS()
	defer stranger.Close()
	unknownCA := broker.Options{Addrs: []string{stranger.Listener.Addr().String()}, TLS: &tls.Config{}}
	clustered := broker.Options{Mode: broker.Cluster, Addrs: single.Addrs, Password: single.Password}
	node := brokertest.Cluster(t)
	node.Mode, node.Addrs = broker.Single, node.Addrs[:1]
	for name, o := range map[string]broker.Options{
		"wrong password": wrongPassword, "no password": noPassword, "TLS to a plain port": overTLS, "unknown certificate": unknownCA,
		"cluster mode to a single server": clustered, "single mode to a cluster's node": node,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := broker.Open(context.Background(), o, nil)
			if err == nil {
				_ = b.Close()
				t.Fatal("opened")
			}
			t.Log(err)
		})
	}
}

// TestSilentRedis: a Redis that is not there is a warning, and is checked when
// it comes.
func TestSilentRedis(t *testing.T) {
	h := brokertest.StartRedis(t)
	h.Kill()
	var out bytes.Buffer
	b, err := broker.Open(context.Background(), h.Options, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if !strings.Contains(out.String(), "does not answer") {
		t.Errorf("log: %s", &out)
	}
	if err := b.Ping(context.Background()); err == nil {
		t.Error("Ping of a dead Redis succeeds")
	}
	h.Restart()
	if err := b.Ping(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestHangingRedis: a Redis that takes the connection and says nothing must
// not hold Open up for ever, nor a Ping longer than its context.
func TestHangingRedis(t *testing.T) {
	h := brokertest.StartRedis(t)
	b := open(t, h.Options)
	h.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	if err := b.Ping(ctx); err == nil {
		t.Error("Ping of a frozen Redis succeeds")
	}
	if took := time.Since(started); took > hang {
		t.Errorf("Ping took %s with a deadline of 100ms", took)
	}
}

func TestWarnsOfEviction(t *testing.T) {
	h := brokertest.StartRedis(t)
	b := open(t, h.Options)
	if err := b.Client().ConfigSet(context.Background(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	second, err := broker.Open(context.Background(), h.Options, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if !strings.Contains(out.String(), "noeviction") {
		t.Errorf("no warning: %s", &out)
	}
}

// fakeRedis answers every command with INFO text of a chosen version.
func fakeRedis(t *testing.T, version string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	body := "redis_version:" + version + "\r\n"
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					reply := fmt.Sprintf("$%d\r\n%s\r\n", len(body), body)
					if bytes.Contains(bytes.ToLower(buf[:n]), []byte("hello")) {
						reply = "-ERR unknown command\r\n"
					}
					if _, err := conn.Write([]byte(reply)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestVersions(t *testing.T) {
	for version, good := range map[string]bool{"5.0.14": false, "6.0.20": false, "6.2.0": true, "7.0.15": true, "10.0": true, "8": false, "new": false} {
		t.Run(version, func(t *testing.T) {
			b, err := broker.Open(context.Background(), broker.Options{Addrs: []string{fakeRedis(t, version)}}, nil)
			if err == nil {
				_ = b.Close()
			}
			if good != (err == nil) {
				t.Fatalf("Open = %v", err)
			}
			if !good && !errors.Is(err, broker.ErrUnusable) {
				t.Errorf("Open = %v, want ErrUnusable", err)
			}
		})
	}
}

// folder is an empty folder whose path leaves room for a socket's name.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestAuto(t *testing.T) {
	o := broker.Options{Dir: folder(t)}
	b := open(t, o)
	_, installed := program.Find("redis-server")
	if spawned := strings.Contains(b.Describe(), "redis-server"); spawned != installed {
		t.Errorf("redis-server installed: %v, but the queue is %q", installed, b.Describe())
	}
	if b := open(t, broker.Options{}); !strings.Contains(b.Describe(), "embedded") {
		t.Errorf("auto without a folder is %q", b.Describe())
	}
}

// TestAutoFallsBack: too old or broken a redis-server is passed over.
func TestAutoFallsBack(t *testing.T) {
	for name, script := range map[string]string{
		"old":     "echo 'Redis server v=6.0.16 sha=00000000:0'",
		"strange": "echo hello",
		"failing": "exit 1",
		"liar":    "if [ \"$1\" = --version ]; then echo 'Redis server v=7.0.15'; else echo 'no memory'; exit 1; fi",
	} {
		t.Run(name, func(t *testing.T) {
			o := broker.Options{Dir: folder(t)}
			o.Server = filepath.Join(o.Dir, "redis-server")
			if err := os.WriteFile(o.Server, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			b := open(t, o)
			if !strings.Contains(b.Describe(), "embedded") {
				t.Errorf("the queue is %q", b.Describe())
			}
			runTasks(t, b)
			o.Mode = broker.Spawn
			o.Dir = folder(t)
			if _, err := broker.Open(context.Background(), o, nil); err == nil {
				t.Error("mode spawn opened too")
			}
		})
	}
}

// Who joined the queue of another process finds it again when that process ended and
// one runs the queue of the folder anew, and says meanwhile what is the matter.
func TestWhoJoinedFindsTheNextQueue(t *testing.T) {
	for name, options := range map[string]func(testing.TB) broker.Options{"embedded": brokertest.Embedded, "spawn": spawned} {
		t.Run(name, func(t *testing.T) {
			ctx, o := context.Background(), options(t)
			o.Dir = folder(t)
			first, err := broker.Open(ctx, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			at, err := broker.Attach(ctx, o.Dir)
			if err != nil {
				t.Fatal(err)
			}
			joined := open(t, at)
			if err := joined.Ping(ctx); err != nil || !strings.Contains(joined.Describe(), o.Dir) {
				t.Errorf("%s: %v", joined.Describe(), err)
			}
			ran := make(chan bool, 1)
			server := asynq.NewServer(joined.AsynqOpt(), asynq.Config{Concurrency: 1, TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel})
			if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { ran <- true; return nil })); err != nil {
				t.Fatal(err)
			}
			defer server.Shutdown()
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if err := joined.Ping(ctx); !errors.Is(err, broker.ErrNotRunning) {
				t.Errorf("after its end: %v", err)
			}
			next := open(t, o)
			if _, err := asynq.NewClientFromRedisClient(next.Client()).Enqueue(asynq.NewTask("test", nil)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ran:
			case <-time.After(30 * time.Second):
				t.Error("who joined works on in no queue")
			}
			if err := joined.Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAttach: a second process on this machine joins, and knows when there is
// nobody to join.
func TestAttach(t *testing.T) {
	for _, mode := range []string{broker.Embedded, broker.Spawn} {
		t.Run(mode, func(t *testing.T) {
			ctx, o := context.Background(), spawned(t)
			o.Mode = mode
			if mode == broker.Spawn {
				_ = brokertest.Redis(t) // skips where there is no redis-server
			}
			if _, err := broker.Attach(ctx, o.Dir); !errors.Is(err, broker.ErrNotRunning) {
				t.Errorf("Attach before Open = %v", err)
			}
			first, err := broker.Open(ctx, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(o.Dir, "broker.json"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("broker.json: %v, %v; want mode 0600", info, err)
			}
			if _, err := broker.Open(ctx, o, nil); !errors.Is(err, broker.ErrInUse) {
				t.Errorf("second Open of the folder = %v, want ErrInUse", err)
			}
			joined, err := broker.Attach(ctx, o.Dir)
			if err != nil {
				t.Fatal(err)
			}
			second := open(t, joined)
			if err := first.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got := second.Client().Get(ctx, "k").Val(); got != "v" {
				t.Errorf("the second process reads %q", got)
			}
			kept, err := os.ReadFile(filepath.Join(o.Dir, "broker.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			if _, err := broker.Attach(ctx, o.Dir); !errors.Is(err, broker.ErrNotRunning) {
				t.Errorf("Attach after Close = %v", err)
			}
			// As after a crash: the file is there, nobody answers.
			if err := os.WriteFile(filepath.Join(o.Dir, "broker.json"), kept, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := broker.Attach(ctx, o.Dir); !errors.Is(err, broker.ErrNotRunning) {
				t.Errorf("Attach after a crash = %v", err)
			}
		})
	}
}
