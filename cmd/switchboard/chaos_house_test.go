//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"switchboard/channels/chat/fakechat"
	"switchboard/channels/email/emailtest"
	"switchboard/channels/email/fakesmtp"
	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/brokertest"
)

// chaos is one run: its servers, its processes, what was sent and what was
// broken.
type chaos struct {
	t     *testing.T
	plan  chaosPlan
	dir   string
	began time.Time

	binNow, binNext string
	env             []string

	pg       *pgtest.Server
	pgAddr   string
	database string
	books    *pgxpool.Pool // past the wires
	redis    *brokertest.Handle
	mail     *emailtest.DovecotServer
	post     *fakesmtp.Server
	slack    *fakeslack.Fake
	teams    *faketeams.Server
	chat     *fakechat.Fake
	teamsGo  *wire // Microsoft's own service address, the same for all

	key    string // of an integration, for tickets
	keyID  string
	agent  string // of an agent, for comments
	roles  []*chaosRole
	blobs  string
	small  bool // the blobs are on a file system of their own that can be filled
	client *http.Client

	life     context.Context // of everything that goes on in a run
	traffic  *chaosTraffic
	watch    *chaosWatch
	faults   map[string]int
	notes    *os.File
	mu       sync.Mutex
	failures int
}

// chaosPlan says how large a run is.
type chaosPlan struct {
	seed  uint64
	lasts time.Duration // of traffic and faults
	kills int           // at least so many kill -9
	rate  float64       // messages a second through all doors
	quiet time.Duration // most that may pass until all is settled after the last fault
}

// chaosConfig is what the processes run on: everything a deployment would leave
// alone is at its default, except the delivery's patience, which would make the
// end of a run wait for minutes.
const chaosConfig = `server: { addr: "${CHAOS_ADDR}" }
database: { url: "${CHAOS_DATABASE}", maxConns: 8, timeout: 10s }
redis: { url: "${CHAOS_REDIS}" }
blobs: { dir: %[1]q, keepBytes: 4KB } # some bytes in the database, some in files
limits: { requestsPerKey: { rate: 500, burst: 1000 } }
delivery: { sendTimeout: 10s, firstRetry: 1s, mostRetry: 10s, sweepAgain: 15s }

agents:
  - { id: ada, name: Ada, email: ada@desk.example }
  - { id: bo, name: Bo, email: bo@desk.example }
  - { id: chen, name: Chen, email: chen@desk.example }

teams:
  - { id: support, name: Support, members: [ada, bo, chen], strategy: round_robin }
  - { id: billing, name: Billing, members: [chen], strategy: round_robin }

slas:
  - name: standard
    targets: { firstResponse: 4h, nextResponse: 4h, resolution: 16h }

rules:
  - name: outage
    when: subject matches "(?i)\\boutage\\b"
    then: { priority: URGENT, tags: [outage] }
  - name: chats
    when: source == "shop"
    then: { tags: [chat] }

routes:
  - name: money
    when: subject matches "(?i)\\binvoice\\b"
    team: billing

sources:
  - name: support
    channel: email
    addresses: [support@desk.example]
    email: &mailbox
      host: 127.0.0.1
      port: ${CHAOS_IMAP_PORT}
      tls: plain
      user: support@desk.example
      password: ${CHAOS_PASSWORD}
      folders: [INBOX, Website]
      poll: 30s
      timeouts: { connect: 10s, command: 15s, body: 30s }
      smtp:
        host: 127.0.0.1
        port: ${CHAOS_SMTP_PORT}
        tls: plain
        user: support@desk.example
        password: ${CHAOS_PASSWORD}
        from: Desk Support <support@desk.example>
        timeout: 10s
        dataTimeout: 10s
  - name: sales
    channel: email
    addresses: [sales@desk.example]
    email:
      host: 127.0.0.1
      port: ${CHAOS_IMAP_PORT}
      tls: plain
      user: sales@desk.example
      password: ${CHAOS_PASSWORD}
      poll: 30s
      timeouts: { connect: 10s, command: 15s, body: 30s }
  - name: acme-slack
    channel: slack
    slack:
      apiURL: ${CHAOS_SLACK}
      signingSecret: ${CHAOS_SLACK_SECRET}
      botToken: ${CHAOS_SLACK_TOKEN}
      window: 0s
  - name: teams
    channel: msteams
    msteams:
      appID: ${CHAOS_TEAMS_APP}
      appPassword: ${CHAOS_PASSWORD}
      tenants: ["${CHAOS_TEAMS_TENANT}"]
      metadataURLs: ["http://${CHAOS_TEAMS}/v1/.well-known/openidconfiguration"]
      tokenURL: http://${CHAOS_TEAMS}/botframework.com/oauth2/v2.0/token
      serviceURLHosts: ["${CHAOS_TEAMS_SERVICE}"]
      fileHosts: ["${CHAOS_TEAMS_SERVICE}"]
      timeouts: { send: 8s }
  - name: shop
    channel: chat
    chat:
      signature: { scheme: standard-webhooks, secret: "${CHAOS_HOOK_SECRET}" }
      mapping:
        id: body.id
        thread: body.conversation
        from: body.author
        fromName: body.author
        text: body.text
        sentAt: body.at
      send:
        via: callback
        url: ${CHAOS_CHAT}
        secret: ${CHAOS_CALLBACK_SECRET}
        timeout: 8s
  - name: site
    channel: webform
    webform:
      forms:
        - name: contact
          title: Contact us
          spam: { minSeconds: 0, perIP: { rate: 1000, burst: 1000 }, perForm: { rate: 1000, burst: 1000 } }
          fields:
            - { name: name, label: Your name, required: true, to: requester.name }
            - { name: email, type: email, label: Mail address, required: true, to: requester.email }
            - { name: subject, label: Subject, required: true, to: title }
            - { name: message, type: longtext, label: Message, required: true, to: description }
`

const chaosPassword = "chaos-password"

// openChaos starts the servers and the other sides of the doors, and makes the
// tables and the keys. A missing server skips the test.
func openChaos(t *testing.T, plan chaosPlan) *chaos {
	t.Helper()
	c := &chaos{t: t, plan: plan, faults: map[string]int{}}
	c.mail = emailtest.Dovecot(t)
	c.redis = brokertest.StartSentinel(t)
	c.pg = pgtest.Start(t)
	c.database = c.pg.Database(t)
	c.pgAddr = net.JoinHostPort("127.0.0.1", fmt.Sprint(c.pg.Port()))
	c.makeDir()
	var err error
	if c.notes, err = os.Create(c.in("timeline.jsonl")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.notes.Close() })
	for _, user := range []string{trialSupport, trialSales} {
		c.mail.AddUser(user, chaosPassword)
	}
	for _, p := range trialPlaces {
		c.mail.Append(p.user, p.folder, time.Now().Add(-48*time.Hour), seedMail(p.user, p.folder))
	}
	c.build()
	c.mountBlobs()
	c.openSides()
	if err := os.WriteFile(c.in("chaos.yaml"), fmt.Appendf(nil, chaosConfig, c.blobs), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.books, err = pgxpool.New(t.Context(), c.database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.books.Close)
	c.client = &http.Client{Transport: &balancer{c: c, to: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}}}
	c.openRoles()
	c.key, c.agent = c.makeKey("chaos", "integration"), c.makeKey("ada", "agent")
	if err := c.books.QueryRow(t.Context(), `SELECT id FROM api_keys WHERE name = 'chaos'`).Scan(&c.keyID); err != nil {
		t.Fatal(err)
	}
	return c
}

// makeDir makes the folder of everything that is kept when the run fails.
func (c *chaos) makeDir() {
	c.t.Helper()
	var err error
	if c.dir = os.Getenv("SWITCHBOARD_CHAOS_DIR"); c.dir != "" {
		c.dir = filepath.Join(c.dir, fmt.Sprintf("seed-%d-%s", c.plan.seed, time.Now().Format("150405")))
		err = os.MkdirAll(c.dir, 0o700)
	} else {
		c.dir, err = os.MkdirTemp("", "switchboard-chaos-")
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		switch {
		case c.t.Failed():
			for _, log := range append(c.redis.Logs(), c.pg.Log(), c.mail.Log()) {
				if text, err := os.ReadFile(log); err == nil {
					_ = os.WriteFile(c.in(strings.ReplaceAll(strings.Trim(log, "/"), "/", "_")), text, 0o600)
				}
			}
			c.t.Logf("logs, config, timeline and acknowledged file are kept in %s", c.dir)
		case os.Getenv("SWITCHBOARD_CHAOS_DIR") == "":
			_ = os.RemoveAll(c.dir)
		}
	})
}

// build makes the two versions of the binary.
func (c *chaos) build() {
	c.t.Helper()
	c.binNow, c.binNext = c.in("switchboard"), c.in("switchboard-next")
	for bin, how := range map[string][]string{
		c.binNow:  {"-tags", "chaos", "-ldflags", "-X main.version=chaos-1"},
		c.binNext: {"-tags", "chaos,chaosnext", "-ldflags", "-X main.version=chaos-2"},
	} {
		args := append(append([]string{"build"}, how...), "-o", bin, ".")
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			c.t.Fatalf("go build: %v\n%s", err, out)
		}
	}
}

// mountBlobs puts the blobs on a small file system of their own, so that it can
// be full. Only root may. It is unmounted at once and lives on behind an open
// file of ours, so that nothing is left of it however this process ends.
func (c *chaos) mountBlobs() {
	c.t.Helper()
	c.blobs = c.in("blobs")
	if err := os.Mkdir(c.blobs, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if os.Getuid() != 0 {
		c.t.Log("the fault \"full disk\" needs root and is not run")
		return
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=512m,mode=0700", "tmpfs", c.blobs).CombinedOutput(); err != nil {
		c.t.Logf("the fault \"full disk\" is not run: mount: %v: %s", err, out)
		return
	}
	disk, err := os.Open(c.blobs)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { disk.Close() })
	if out, err := exec.Command("umount", "-l", c.blobs).CombinedOutput(); err != nil {
		c.t.Fatalf("umount: %v: %s", err, out)
	}
	c.blobs, c.small = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), disk.Fd()), true
}

// openSides starts the vendors.
func (c *chaos) openSides() {
	c.t.Helper()
	must := func(err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	var err error
	c.post, err = fakesmtp.Start(fakesmtp.Options{Users: map[string]string{trialSupport: chaosPassword}})
	must(err)
	c.t.Cleanup(c.post.Close)
	calls := &http.Client{Transport: &balancer{c: c, to: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}}}
	c.slack, err = fakeslack.New(fakeslack.Options{Retry: []time.Duration{0, time.Second}, Echo: true, Client: calls})
	must(err)
	c.t.Cleanup(c.slack.Close)
	c.teams, err = faketeams.Start(faketeams.Options{Password: chaosPassword, Tries: 2, Pause: 500 * time.Millisecond,
		Client: &http.Client{Timeout: 15 * time.Second, Transport: &balancer{c: c, to: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second}}}})
	must(err)
	c.t.Cleanup(c.teams.Close)
	c.chat, err = fakechat.New(nil)
	must(err)
	c.t.Cleanup(c.chat.Close)
	c.teamsGo, err = newWire("all", toTeams, c.teams.Host())
	must(err)
	c.t.Cleanup(c.teamsGo.proxy.Stop)
	c.env = append(os.Environ(), "CHAOS_PASSWORD="+chaosPassword,
		"CHAOS_SLACK_SECRET="+c.slack.Options().SigningSecret, "CHAOS_SLACK_TOKEN="+c.slack.Options().BotToken,
		"CHAOS_TEAMS_APP="+c.teams.AppID, "CHAOS_TEAMS_TENANT="+c.teams.Tenant, "CHAOS_TEAMS_SERVICE="+c.teamsGo.listen,
		"CHAOS_HOOK_SECRET="+fakechat.HookSecret, "CHAOS_CALLBACK_SECRET="+fakechat.CallbackSecret)
}

// openRoles makes the fleet; startRoles starts it.
func (c *chaos) openRoles() {
	c.t.Helper()
	for _, r := range []struct{ name, command string }{
		{"web-1", "web"}, {"web-2", "web"}, {"listen-1", "listen"}, {"listen-2", "listen"}, {"work-1", "work"}, {"work-2", "work"}, {"work-3", "work"},
	} {
		role, err := c.newRole(r.name, r.command)
		if err != nil {
			c.t.Fatal(err)
		}
		c.roles = append(c.roles, role)
		c.t.Cleanup(role.abandon)
	}
}

func (c *chaos) startRoles() {
	c.t.Helper()
	for _, r := range c.roles {
		if err := r.start(); err != nil {
			c.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for _, r := range c.roles {
		if err := r.ready(ctx); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.slack.Connect(ctx, "http://desk.example/hooks/slack/acme-slack"); err != nil {
		c.t.Fatal(err)
	}
}

// makeKey asks the binary itself, as its users do.
func (c *chaos) makeKey(name, role string) string {
	c.t.Helper()
	out, err := c.command(c.t.Context(), c.binNow, "keys", "create", "--name", name, "--role", role)
	if err != nil {
		c.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// command runs one of the binary's commands beside the fleet.
func (c *chaos) command(ctx context.Context, bin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, bin, append(args, "--config", c.in("chaos.yaml"), "--data", c.in("beside"))...)
	cmd.Env = append(slices.Clone(c.roles[0].env), "SWITCHBOARD_CHAOS_CLOCK=", "CHAOS_DATABASE="+c.database)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("switchboard %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out), err
}

// web returns one of the web processes.
func (c *chaos) webs() (list []*chaosRole) {
	for _, r := range c.roles {
		if r.command == "web" {
			list = append(list, r)
		}
	}
	return list
}

// balancer sends each request to one of the web processes, over its wire, as a
// load balancer without health checks does.
type balancer struct {
	c    *chaos
	to   http.RoundTripper
	next atomic.Int64
}

func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	list := b.c.webs()
	r = r.Clone(r.Context())
	u := *r.URL
	u.Host = list[int(b.next.Add(1))%len(list)].wires[toDoor].listen
	u.Scheme = "http"
	r.URL, r.Host = &u, u.Host
	return b.to.RoundTrip(r)
}

// door is the address of a path at any of the web processes.
func (c *chaos) door(path string) string {
	return (&url.URL{Scheme: "http", Host: "desk.example", Path: path}).String()
}

// fail notes a failure and lets the run go on.
func (c *chaos) fail(format string, args ...any) {
	c.mu.Lock()
	c.failures++
	many := c.failures > 50
	c.mu.Unlock()
	c.note("failure", "", fmt.Sprintf(format, args...))
	if !many {
		c.t.Errorf("%s "+format, append([]any{c.at()}, args...)...)
	} else {
		c.t.Fail()
	}
}

func (c *chaos) at() string {
	if c.began.IsZero() {
		return "before the start:"
	}
	return "at " + time.Since(c.began).Round(100*time.Millisecond).String() + ":"
}

// note writes a line of the timeline.
func (c *chaos) note(what, target, detail string) {
	line, err := json.Marshal(map[string]any{"at": time.Now().UTC().Format("15:04:05.000"), "since": time.Since(c.began).Seconds(),
		"what": what, "target": target, "detail": detail})
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.notes.Write(append(line, '\n'))
}

// exchangeJSON sends JSON to a door and reads JSON.
func (c *chaos) exchangeJSON(ctx context.Context, method, path string, header map[string]string, body, into any) (status int, text string, err error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, "", err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.door(path), sent)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, "", err
	}
	if into != nil && resp.StatusCode >= 200 && resp.StatusCode < 300 {
		if err := json.Unmarshal(answer, into); err != nil {
			return 0, "", errors.Join(errors.New("the answer is no JSON"), err)
		}
	}
	return resp.StatusCode, string(answer), nil
}
