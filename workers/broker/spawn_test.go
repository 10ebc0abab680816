//go:build unix

package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"switchboard/workers/broker"
	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// wait calls ask until it is true.
func wait(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline := time.Now().Add(hang)
	for !ask() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func note(t *testing.T, dir string) (n struct {
	Addr, Password string
	PID            int
}) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "broker.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSpawnKeeps: what is queued is there after an orderly stop, with a new
// password; and only the right settings run.
func TestSpawnKeeps(t *testing.T) {
	programtest.Need(t, "redis-server", "redis-server")
	ctx, o := context.Background(), spawned(t)
	first, err := broker.Open(ctx, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""} {
		if got := first.Client().ConfigGet(ctx, key).Val()[key]; got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if err := first.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	before := note(t, o.Dir)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, o)
	if got := second.Client().Get(ctx, "k").Val(); got != "v" {
		t.Errorf("after a stop and a start: k = %q", got)
	}
	if after := note(t, o.Dir); after.Password == before.Password {
		t.Error("the password is not new")
	}
}

// TestSpawnLongPath: a folder whose path no socket can have gets a loopback
// port, and one with odd characters works too.
func TestSpawnLongPath(t *testing.T) {
	programtest.Need(t, "redis-server", "redis-server")
	for _, name := range []string{strings.Repeat("long", 30), `it's "odd" \ übel`} {
		o := broker.Options{Mode: broker.Spawn, Dir: filepath.Join(folder(t), name)}
		b := open(t, o)
		if err := b.Client().Set(context.Background(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if socket := strings.HasPrefix(note(t, o.Dir).Addr, "/"); socket == (len(name) > 100) {
			t.Errorf("%q is at %q", o.Dir, note(t, o.Dir).Addr)
		}
	}
}

// TestSpawnComesBack: a redis-server that dies alone is started again and
// nothing is lost.
func TestSpawnComesBack(t *testing.T) {
	programtest.Need(t, "redis-server", "redis-server")
	ctx, o := context.Background(), spawned(t)
	b := open(t, o)
	if err := b.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	first := note(t, o.Dir).PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait(t, "redis-server is back with its data", func() bool { return b.Client().Get(ctx, "k").Val() == "v" })
	wait(t, "broker.json names the new process", func() bool { return note(t, o.Dir).PID != first })
}

// orphan starts a redis-server on the config that a broker left behind, holding
// the server's lock, as a server that outlived its killed parent does.
func orphan(t *testing.T, dir, config string) *program.Process {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(dir, "redis.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	p, err := program.Start(context.Background(), program.Options{
		Path: programtest.Need(t, "redis-server", "redis-server"), Args: []string{config}, Keep: []*os.File{lock},
		Ready: func(context.Context) error { _, err := os.Stat(filepath.Join(dir, "redis.sock")); return err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// leave opens and closes a broker and puts back what a crash would have left.
func leave(t *testing.T, o broker.Options) {
	t.Helper()
	b, err := broker.Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := note(t, o.Dir)
	if err := b.Client().Set(context.Background(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"addr":%q,"password":%q,"pid":0}`, n.Addr, n.Password)
	if err := os.WriteFile(filepath.Join(o.Dir, "broker.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOrphanIsDismissed: a server of our own that outlived its parent is told
// to end, and its data is taken over.
func TestOrphanIsDismissed(t *testing.T) {
	ctx, o := context.Background(), spawned(t)
	programtest.Need(t, "redis-server", "redis-server")
	leave(t, o)
	old := orphan(t, o.Dir, filepath.Join(o.Dir, "redis.conf"))
	b := open(t, o)
	select {
	case <-old.Done():
	case <-time.After(hang):
		t.Error("the old server still runs")
	}
	if got := b.Client().Get(ctx, "k").Val(); got != "v" {
		t.Errorf("k = %q", got)
	}
}

// TestStrangerIsLeftAlone: a server that holds the lock and the password but
// was not started from our config is not ours to stop; Open gives up when its
// context does.
func TestStrangerIsLeftAlone(t *testing.T) {
	o := spawned(t)
	programtest.Need(t, "redis-server", "redis-server")
	leave(t, o)
	text, err := os.ReadFile(filepath.Join(o.Dir, "redis.conf"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "other.conf")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	stranger := orphan(t, o.Dir, config)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second) // to look at it, and to give up
	defer cancel()
	b, err := broker.Open(ctx, o, nil)
	if err == nil {
		_ = b.Close()
		t.Fatal("opened beside a running server")
	}
	if !strings.Contains(err.Error(), "other.conf") {
		t.Errorf("the error does not say why: %v", err)
	}
	select {
	case <-stranger.Done():
		t.Error("a stranger's server was stopped")
	default:
	}
}

// TestKilledOwner kills a process that runs a broker with SIGKILL and opens its
// folder at once: what it queued is there.
func TestKilledOwner(t *testing.T) {
	programtest.Need(t, "redis-server", "redis-server")
	if dir := os.Getenv("BROKER_TEST_OWNER"); dir != "" { // the process that will be killed
		b, err := broker.Open(context.Background(), broker.Options{Mode: broker.Spawn, Dir: dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Client().Set(context.Background(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	o := spawned(t)
	for range 3 {
		owner := exec.Command(os.Args[0], "-test.run=^TestKilledOwner$")
		owner.Env = append(os.Environ(), "BROKER_TEST_OWNER="+o.Dir)
		out, err := owner.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
			t.Fatalf("owner: %v\n%s", err, out)
		}
	}
	b := open(t, o)
	if got := b.Client().Get(context.Background(), "k").Val(); got != "v" {
		t.Errorf("k = %q", got)
	}
}
