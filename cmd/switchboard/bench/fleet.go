package bench

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"switchboard/workers/broker/program"
)

//go:embed house.yaml
var houseText string

var houseTemplate = template.Must(template.New("house.yaml").Parse(houseText))

// blueprint says how the product is to be run for one reading.
type blueprint struct {
	Name     string            // of its folder
	Embedded bool              // everything in one process, on parts of its own
	Intake   map[string]string // keys of the config's section intake
	Hooks    []string          // chat sources
	Mailbox  *mailbox          // an email source; nil: none
	Profile  bool              // answer /debug/pprof/
}

// mailbox is where a fleet fetches mail.
type mailbox struct {
	Port           int
	User, Password string
}

// fleet is the product at work for one reading: an empty database, an empty
// Redis, and roles as processes.
type fleet struct {
	common   Common
	dir      string
	config   string
	env      []string
	secret   string // signs webhooks
	addr     string // of the web role
	ops      []string
	children []child
	ledger   *ledger
	drop     func(context.Context) error
}

type child struct {
	role    string
	process *program.Process
}

// newFleet prepares a fleet and starts nothing yet.
func newFleet(ctx context.Context, c Common, site *site, b blueprint) (_ *fleet, err error) {
	f := &fleet{common: c, dir: filepath.Join(site.dir, b.Name), secret: newSecret(), drop: func(context.Context) error { return nil }}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	if err = os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, err
	}
	f.env = append(os.Environ(), c.Env...)
	f.env = append(f.env, "BENCH_SECRET="+f.secret, "SWITCHBOARD_CONFIG=", "SWITCHBOARD_DATA=")
	if b.Mailbox != nil {
		f.env = append(f.env, "BENCH_MAIL="+b.Mailbox.Password)
	}
	books := "sqlite:" + filepath.Join(f.dir, "switchboard.db")
	if !b.Embedded {
		if books, f.drop, err = site.postgres.database(ctx); err != nil {
			return nil, err
		}
		f.env = append(f.env, "BENCH_DATABASE="+books, "BENCH_REDIS="+site.redis.url)
		if err = site.redis.flush(ctx); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	if err = houseTemplate.Execute(&text, b); err != nil {
		return nil, err
	}
	f.config = filepath.Join(f.dir, "switchboard.yaml")
	if err = os.WriteFile(f.config, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	if _, err = f.command(ctx, "migrate"); err != nil {
		return nil, err
	}
	if f.ledger, err = openLedger(ctx, books); err != nil {
		return nil, err
	}
	return f, nil
}

// at are the flags that say where the config and the data are.
func (f *fleet) at() []string { return []string{"--config", f.config, "--data", f.dir} }

// command runs a short command of the product and returns what it printed.
func (f *fleet) command(ctx context.Context, words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.common.Program, append(words, f.at()...)...)
	var out, bad bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = f.env, &out, &bad
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("bench: switchboard %s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(bad.String()))
	}
	return out.String(), nil
}

// key makes an API key.
func (f *fleet) key(ctx context.Context) (string, error) {
	out, err := f.command(ctx, "keys", "create", "--name", "bench", "--role", "integration")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1], err
}

// start runs a role ("web", "listen", "work", "serve", or "bench doorman") as a
// process and returns when it answers.
func (f *fleet) start(ctx context.Context, role string) error {
	where := "--addr"
	if role == "listen" || role == "work" {
		where = "--ops"
	}
	for try := 0; ; try++ { // another program may take the port
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(program.FreePort()))
		name := strings.ReplaceAll(role, "bench ", "")
		process, err := program.Start(ctx, program.Options{
			Path: f.common.Program, Args: append(append(strings.Fields(role), where, addr), f.at()...), Env: f.env, Dir: f.dir,
			Log: filepath.Join(f.dir, fmt.Sprintf("%s-%d.log", name, len(f.children))), StartTimeout: patience, Grace: patience,
			Ready: func(ctx context.Context) error {
				_, err := fetch(ctx, "http://"+addr+"/healthz")
				return err
			},
		})
		if err == nil {
			f.children = append(f.children, child{name, process})
			if where == "--addr" {
				f.addr = addr
			}
			f.ops = append(f.ops, addr)
			return nil
		}
		if try == 4 || !errors.Is(err, program.ErrExited) {
			return err
		}
	}
}

// fetch gets a page, whose status must be 200.
func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err = b.ReadFrom(res.Body); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return b.Bytes(), err
}

// parts are the fleet's processes for a meter.
func (f *fleet) parts() (out []part) {
	seen := map[string]int{}
	for _, c := range f.children {
		name := c.role
		if seen[c.role]++; seen[c.role] > 1 {
			name = fmt.Sprintf("%s%d", c.role, seen[c.role])
		}
		out = append(out, part{name: name, pid: c.process.Pid()})
	}
	return out
}

// alive is an error when a role has ended by itself.
func (f *fleet) alive() error {
	for i, c := range f.children {
		select {
		case <-c.process.Done():
			log := filepath.Join(f.dir, fmt.Sprintf("%s-%d.log", c.role, i))
			return fmt.Errorf("bench: %s ended: %v: %s", c.role, c.process.Err(), strings.TrimSpace(program.Tail(log, 2000)))
		default:
		}
	}
	return nil
}

// settled waits until nothing that was accepted waits any longer, and returns
// the instant that was seen.
func (f *fleet) settled(ctx context.Context) (time.Time, error) {
	for {
		waits, err := f.ledger.waits(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if !waits {
			return time.Now(), nil
		}
		if err := f.alive(); err != nil {
			return time.Time{}, err
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return time.Time{}, fmt.Errorf("bench: messages were accepted and not settled in time: %w", ctx.Err())
		}
	}
}

// complaints are the lines of the roles' logs, which at this level are warnings
// and errors.
func (f *fleet) complaints() (out []string) {
	files, _ := filepath.Glob(filepath.Join(f.dir, "*.log"))
	slices.Sort(files)
	for _, file := range files {
		for line := range strings.Lines(program.Tail(file, 64<<10)) {
			if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
				out = append(out, filepath.Base(file)+": "+strings.TrimSpace(line))
			}
		}
	}
	return out
}

// stop ends the roles, in the reverse order, and removes the database and the
// folder. It works on a fleet that never came up.
func (f *fleet) stop() {
	for _, c := range slices.Backward(f.children) {
		_ = c.process.Stop()
	}
	f.children = nil
	if f.ledger != nil {
		f.ledger.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = f.drop(ctx)
	_ = os.RemoveAll(f.dir)
}

// merge lays settings over each other; the later ones win.
func merge(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
