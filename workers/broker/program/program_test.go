package program_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"switchboard/workers/broker/program"
)

// TestMain plays the parent that is killed when TestDiesWithParent runs this
// binary again.
func TestMain(m *testing.M) {
	if os.Getenv("PROGRAM_TEST_PARENT") != "" {
		parent()
		return
	}
	goleak.VerifyTestMain(m)
}

func shell(t *testing.T) string {
	t.Helper()
	path, ok := program.Find("sh")
	if !ok {
		t.Fatal("no sh on this machine")
	}
	return path
}

func start(t *testing.T, script string, change func(*program.Options)) (*program.Process, error) {
	t.Helper()
	options := program.Options{Path: shell(t), Args: []string{"-c", script}, Grace: 200 * time.Millisecond}
	if change != nil {
		change(&options)
	}
	p, err := program.Start(context.Background(), options)
	if err == nil {
		t.Cleanup(p.Kill)
	}
	return p, err
}

func fileReady(path string) func(context.Context) error {
	return func(context.Context) error { _, err := os.Stat(path); return err }
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, sub := range []string{"a", "b"} {
		folder := filepath.Join(dir, sub)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "oddly-named"), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "not-executable"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		dirs []string
		want string
	}{
		{"oddly-named", nil, ""},
		{"oddly-named", []string{dir + "/*"}, dir + "/b/oddly-named"},
		{"oddly-named", []string{dir + "/a", dir + "/b"}, dir + "/a/oddly-named"},
		{"not-executable", []string{dir}, ""},
	}
	for _, c := range cases {
		got, ok := program.Find(c.name, c.dirs...)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Find(%q, %q) = %q, %v; want %q", c.name, c.dirs, got, ok, c.want)
		}
	}
}

// TestFreePort: a port is free, given once, and none of those a kernel gives out, which
// somebody else could have while a server on it is started again.
func TestFreePort(t *testing.T) {
	given := map[int]bool{}
	for range 1000 {
		port := program.FreePort()
		if port >= 32768 || given[port] {
			t.Fatalf("port %d, given before: %v", port, given[port])
		}
		given[port] = true
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
	}
}

func TestReadyLogAndStop(t *testing.T) {
	dir := t.TempDir()
	flag, log := filepath.Join(dir, "ready"), filepath.Join(dir, "log")
	p, err := start(t, "trap 'echo bye; exit 0' TERM; echo hello; : >"+flag+"; while :; do sleep 0.01; done", func(o *program.Options) {
		o.Ready, o.Log, o.Grace = fileReady(flag), log, time.Minute
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("pid %d: %v", p.Pid(), err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if got := program.Tail(log, 100); got != "hello\nbye\n" {
		t.Errorf("log = %q", got)
	}
	if p.Err() != nil {
		t.Errorf("Err = %v", p.Err())
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "ready")
	p, err := start(t, "trap '' TERM; : >"+flag+"; while :; do sleep 0.01; done", func(o *program.Options) { o.Ready = fileReady(flag) })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("Stop = %v, want a word that it was killed", err)
	}
	if p.Err() == nil {
		t.Error("Err = nil after a kill")
	}
}

func TestKillAll(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no process groups elsewhere")
	}
	dir := t.TempDir()
	file, flag := filepath.Join(dir, "pid"), filepath.Join(dir, "ready")
	p, err := start(t, "sleep 600 & echo $! >"+file+"; : >"+flag+"; wait", func(o *program.Options) { o.Ready = fileReady(flag) })
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	p.KillAll()
	p.KillAll()
	deadline := time.Now().Add(time.Minute)
	for running(grandchild) {
		if time.Now().After(deadline) {
			t.Fatalf("grandchild %d lives on", grandchild)
		}
	}
}

func TestStartFailures(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, err := start(t, "echo cannot bind; exit 3", func(o *program.Options) {
		o.Log, o.Ready = log, func(context.Context) error { return errors.New("no answer") }
	})
	if !errors.Is(err, program.ErrExited) || !strings.Contains(err.Error(), "cannot bind") {
		t.Errorf("early exit: %v", err)
	}
	_, err = start(t, "exec sleep 60", func(o *program.Options) {
		o.StartTimeout, o.Ready = 30*time.Millisecond, func(context.Context) error { return errors.New("no answer") }
	})
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("never ready: %v", err)
	}
	if _, err := program.Start(context.Background(), program.Options{Path: "/no/such/program"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: %v", err)
	}
}

// parent starts a child, tells its pid and waits to be killed. It starts the
// child from a thread that ends at once, which must not end the child.
func parent() {
	pid := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		p, err := program.Start(context.Background(), program.Options{Path: "/bin/sh", Args: []string{"-c", "exec sleep 600"}})
		if err != nil {
			panic(err)
		}
		pid <- p.Pid()
	}()
	fmt.Println(<-pid)
	select {}
}

func TestDiesWithParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child of its parent's death")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROGRAM_TEST_PARENT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !running(pid) {
		t.Fatalf("child %d is gone although its parent lives", pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(time.Minute)
	for running(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("child %d outlived its parent", pid)
		}
		runtime.Gosched()
	}
}

// running reports whether the process exists and is not a zombie that its new
// parent has yet to collect.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}
