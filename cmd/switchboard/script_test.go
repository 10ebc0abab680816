package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the program itself, under the name
// switchboard, for the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"switchboard": main})
}

// TestScripts runs testdata/script/*.txtar: the command line as its users type
// it. Beside the commands of testscript there are
//
//	start NAME ROLE ARGS...  start `switchboard serve` (or web, listen, work) on a
//	                         free port and wait until it answers; sets $NAME to its http://host:port,
//	                         $NAME_ADDR to host:port and, when it printed one, $KEY to its admin key
//	code N COMMAND ARGS...   run a command; its exit code must be N
//	hangup NAME REGEXP       send SIGHUP, wait until its log says REGEXP
//	end NAME                 send SIGTERM; it must end with exit code 0
//	post URL FILE STATUS [HEADER]  send a JSON file with $KEY; the answer is stdout
//	get URL STATUS           the same without a body
//	json                     stdout must be one JSON value
//	has FILE                 stdout, a JSON object, must hold all the JSON of FILE
//	noise FILE N             write N bytes that mean nothing
//	until URL REGEXP         get it until the answer is REGEXP
//	lastline VAR             put the last line of stdout into $VAR
//	field VAR REGEXP         put the group of REGEXP in stdout into $VAR
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[servers{}] = map[string]*server{}
			e.Setenv("SWITCHBOARD_CONFIG", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": scriptCode, "start": scriptStart, "until": scriptUntil, "hangup": scriptHangup, "end": scriptEnd, "post": scriptPost, "get": scriptGet,
			"lastline": scriptLastLine, "json": scriptJSON, "has": scriptHas, "noise": scriptNoise, "field": scriptField,
		},
	})
}

func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// servers is the key of a script's servers.
type servers struct{}

// server is a running `switchboard serve`, web, listen or work.
type server struct {
	cmd      *exec.Cmd
	addr     string // host:port
	out, err output
	done     chan error
}

// launch starts a role of switchboard in a folder on a free port, as a process
// of its own, and returns when it answers HTTP. Kill it in any case.
func launch(dir, role string, args ...string) (*server, error) {
	s, err := begin(dir, role, args...)
	if err != nil {
		return nil, err
	}
	m, err := s.await(0, `msg=(?:HTTP|health) addr=(\S+)`)
	if err != nil {
		s.kill()
		return nil, err
	}
	s.addr = m[1]
	return s, nil
}

// begin is launch that waits for nothing.
func begin(dir, role string, args ...string) (*server, error) {
	s := &server{done: make(chan error, 1)}
	where := "--addr"
	if role == "listen" || role == "work" {
		where = "--ops"
	}
	s.cmd = exec.Command("switchboard", append([]string{role, where, "127.0.0.1:0"}, args...)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, &s.out, &s.err
	s.cmd.Env = append(os.Environ(), "SWITCHBOARD_CONFIG=", "SWITCHBOARD_DATA=")
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.done <- s.cmd.Wait() }()
	return s, nil
}

// kill ends it however it stands.
func (s *server) kill() {
	s.cmd.Process.Kill()
	s.done <- <-s.done
}

// end asks it to end, by SIGTERM. A code other than 0 is an error.
func (s *server) end() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		s.done <- err
		if err != nil {
			return fmt.Errorf("SIGTERM ended it with %v:\n%s", err, s.err.String())
		}
		return nil
	case <-time.After(scriptPatience):
		return fmt.Errorf("SIGTERM does not end it:\n%s", s.err.String())
	}
}

// key is the admin key it printed, "" if it printed none.
func (s *server) key() string {
	return regexp.MustCompile(`(?m)^sb_[0-9a-f]{64}$`).FindString(s.out.String())
}

// output is what a process wrote so far; whoever waits for something in it is
// woken by every write.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by the next write
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	s, _ := o.now()
	return s
}

func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return o.text.String(), o.more
}

// scriptPatience is how long anything here may take: far more than it does on any
// machine, so that only a hang reaches it.
const scriptPatience = 3 * time.Minute

// await returns the groups of the first match after the byte from.
func (s *server) await(from int, pattern string) ([]string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	late := time.After(scriptPatience)
	for {
		text, more := s.err.now()
		if m := re.FindStringSubmatch(text[from:]); m != nil {
			return m, nil
		}
		select {
		case <-more:
		case err := <-s.done:
			s.done <- err
			return nil, fmt.Errorf("it ended (%v) before its log said %q:\n%s", err, pattern, s.err.String())
		case <-late:
			return nil, fmt.Errorf("its log does not say %q:\n%s", pattern, text)
		}
	}
}

func scriptStart(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	s, err := launch(ts.MkAbs("."), args[1], args[2:]...)
	ts.Check(err)
	ts.Defer(func() {
		s.kill()
		ts.Logf("[%s]\n%s", name, s.err.String())
	})
	ts.Value(servers{}).(map[string]*server)[name] = s
	ts.Setenv(name, "http://"+s.addr)
	ts.Setenv(name+"_ADDR", s.addr)
	io.WriteString(ts.Stdout(), s.out.String())
	io.WriteString(ts.Stderr(), s.err.String())
	if key := s.key(); key != "" {
		ts.Setenv("KEY", key)
	}
}

func scriptServer(ts *testscript.TestScript, name string) *server {
	s := ts.Value(servers{}).(map[string]*server)[name]
	if s == nil {
		ts.Fatalf("no server is called %s", name)
	}
	return s
}

func scriptHangup(ts *testscript.TestScript, neg bool, args []string) {
	s := scriptServer(ts, args[0])
	from := len(s.err.String())
	ts.Check(s.cmd.Process.Signal(syscall.SIGHUP))
	_, err := s.await(from, args[1])
	ts.Check(err)
	io.WriteString(ts.Stderr(), s.err.String()[from:])
}

func scriptEnd(ts *testscript.TestScript, neg bool, args []string) {
	s := scriptServer(ts, args[0])
	ts.Check(s.end())
	io.WriteString(ts.Stdout(), s.out.String())
	io.WriteString(ts.Stderr(), s.err.String())
}

func scriptPost(ts *testscript.TestScript, neg bool, args []string) {
	var headers []string
	for _, h := range args[3:] {
		name, value, _ := strings.Cut(h, ": ")
		headers = append(headers, name, value)
	}
	scriptCall(ts, args[2], http.MethodPost, args[0], ts.ReadFile(args[1]), headers...)
}

func scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	scriptCall(ts, args[1], http.MethodGet, args[0], "")
}

func scriptCall(ts *testscript.TestScript, status, method, url, body string, headers ...string) {
	a, err := ask(context.Background(), ts.Getenv("KEY"), method, url, body, headers...)
	if status == "404" {
		err = nil // of whoever does not know the API
	}
	ts.Check(err)
	if fmt.Sprint(a.status) != status {
		ts.Fatalf("%s %s: %d, want %s: %s", method, url, a.status, status, a.raw)
	}
	ts.Stdout().Write(a.raw)
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(scriptPatience); ; {
		a, err := ask(context.Background(), ts.Getenv("KEY"), http.MethodGet, args[0], "")
		if err == nil && re.Match(a.raw) { // a process that is not well yet answers 503
			ts.Stdout().Write(a.raw)
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s does not become %q: %s (%v)", args[0], args[1], a.raw, err)
		}
	}
}

func scriptLastLine(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
	ts.Setenv(args[0], lines[len(lines)-1])
}

func scriptField(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("%q is not in stdout, once", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
}

func scriptHas(ts *testscript.TestScript, neg bool, args []string) {
	var got, want map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &got))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &want))
	for name, w := range want {
		if g := got[name]; !reflect.DeepEqual(g, w) {
			ts.Fatalf("%s is %v, want %v", name, g, w)
		}
	}
}

func scriptNoise(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	noise := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(noise)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), noise, 0o600))
}
