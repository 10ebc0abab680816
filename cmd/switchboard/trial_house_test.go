//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/blob"
	"switchboard/workers/broker/brokertest"
	"switchboard/workers/broker/program"
)

// trial is one scenario: its servers, its processes, what was sent and what was
// broken. Its methods are called from the test's goroutine unless they say
// otherwise.
type trial struct {
	t      *testing.T
	ctx    context.Context
	name   string
	bin    string
	size   trialSize
	seed   uint64
	random *rand.Rand

	dir      string
	env      []string
	mail     emailtest.Mailbox
	redis    *brokertest.Handle // nil: the embedded queue
	books    *store.Store
	blobs    *blob.Blobs
	mailName string
	url      string // of HTTP
	key      string
	keyID    desk.KeyID
	roles    []*trialRole

	post      []*trialMail
	threads   int
	calls     []*trialCall
	delivered int          // mails of post
	asked     int          // calls of the round
	called    atomic.Int64 // calls begun

	began    time.Time // the first mail or call
	settled  time.Time
	lastKill time.Time
	kills    int
	hit      int64 // messages on their way at the kills, added up
}

// trialConfig is what the processes run on. Everything a deployment would leave
// alone is left at its default.
const trialConfig = `server: { addr: %[1]q }
database: { url: "${TRIAL_DATABASE}" }
redis: %[2]s
blobs: { dir: %[3]q }

agents:
  - { id: ada, name: Ada, email: ada@desk.example }
  - { id: bo, name: Bo, email: bo@desk.example }
  - { id: chen, name: Chen, email: chen@desk.example }

teams:
  - { id: support, name: Support, members: [ada, bo, chen], strategy: round_robin }

slas:
  - name: standard
    targets: { firstResponse: 4h, nextResponse: 4h, resolution: 16h }

sources:
  - name: support
    channel: email
    addresses: [support@desk.example]
    email:
      host: 127.0.0.1
      port: %[4]s
      tls: plain
      user: support@desk.example
      password: ${TRIAL_IMAP_PASSWORD}
      folders: [INBOX, Website]
      poll: %[5]s
  - name: sales
    channel: email
    addresses: [sales@desk.example]
    email:
      host: 127.0.0.1
      port: %[4]s
      tls: plain
      user: sales@desk.example
      password: ${TRIAL_IMAP_PASSWORD}
      poll: %[5]s
`

// open makes the mailboxes, the mail, the config, the tables and a key, and
// opens the books beside the processes. An empty database means SQLite.
func (tr *trial) open(database string) {
	t := tr.t
	t.Helper()
	tr.dir = t.TempDir()
	const password = "trial"
	for _, user := range []string{trialSupport, trialSales} {
		tr.mail.AddUser(user, password)
	}
	tr.post, tr.threads = trialPost(tr.random, tr.size.mails)
	tr.calls = trialCalls(tr.random, tr.size.calls)
	for _, p := range trialPlaces { // a folder that is missing is a mistake of the config
		tr.mail.Append(p.user, p.folder, time.Now().Add(-48*time.Hour), seedMail(p.user, p.folder))
	}

	queue := "{ mode: embedded }"
	env := append(os.Environ(), "TRIAL_IMAP_PASSWORD="+password)
	poll := "2m" // IDLE tells of new mail
	if tr.redis != nil {
		queue = fmt.Sprintf(`{ mode: single, addrs: [%q], password: "${TRIAL_REDIS_PASSWORD}" }`, tr.redis.Options.Addrs[0])
		env = append(env, "TRIAL_REDIS_PASSWORD="+tr.redis.Options.Password)
	} else if _, ok := tr.mail.(*emailtest.MemoryServer); ok {
		poll = "1s" // its IDLE misses mail
	}
	if database == "" {
		database = "sqlite:" + filepath.Join(tr.dir, "switchboard.db")
	}
	tr.env = append(env, "TRIAL_DATABASE="+database)
	addr := fmt.Sprintf("127.0.0.1:%d", program.FreePort())
	tr.url = "http://" + addr
	_, imap, _ := net.SplitHostPort(tr.mail.Addr())
	config := fmt.Sprintf(trialConfig, addr, queue, filepath.Join(tr.dir, "blobs"), imap, poll)
	if err := os.WriteFile(tr.in("trial.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.makeKey()

	var err error
	if tr.books, err = store.Open(tr.ctx, store.Options{URL: database, MaxConns: 4}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.books.Close() })
	if tr.blobs, err = blob.Open(tr.in("blobs"), blob.Options{Elsewhere: tr.books.Kept}); err != nil {
		t.Fatal(err)
	}
	keys, err := tr.books.Keys(tr.ctx)
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys: %v, %v", keys, err)
	}
	tr.keyID = keys[0].ID
	tr.began = time.Now()
}

// seedMail makes a folder be there before anything runs; it is one more ticket.
func seedMail(user, folder string) []byte {
	return fmt.Appendf(nil, "From: seed@seed.example\r\nTo: %s\r\nSubject: the first mail of %s\r\nMessage-ID: <%s.%s@seed.example>\r\nDate: Mon, 06 Jan 2025 10:00:00 +0000\r\n\r\nHello.\r\n",
		user, folder, folder, strings.ReplaceAll(user, "@", "."))
}

// makeKey asks the binary itself, as its users do.
func (tr *trial) makeKey() {
	tr.t.Helper()
	cmd := exec.CommandContext(tr.ctx, tr.bin, "keys", "create", "--name", "trial", "--role", "integration", "--config", tr.in("trial.yaml"), "--data", tr.dir)
	cmd.Env = tr.env
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		tr.t.Fatalf("keys create: %v\n%s", err, said.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	tr.key = lines[len(lines)-1]
}

func (tr *trial) in(name string) string { return filepath.Join(tr.dir, name) }

// deliver puts mails into their folders.
func (tr *trial) deliver(mails []*trialMail) {
	tr.t.Helper()
	for _, m := range mails {
		tr.mail.Deliver(m.user, m.folder, m.raw)
	}
	tr.delivered += len(mails)
}

// rounds sends the mails and the calls in n parts, one each hurtEvery, and lets
// hurt do its damage while a part is on its way. It returns when every call was
// answered.
func (tr *trial) rounds(n int, hurt func()) {
	tr.t.Helper()
	tick := time.NewTicker(hurtEvery)
	defer tick.Stop()
	var calling sync.WaitGroup
	defer calling.Wait()
	for round := range n {
		mails := tr.post[len(tr.post)*round/n : len(tr.post)*(round+1)/n]
		calls := tr.calls[len(tr.calls)*round/n : len(tr.calls)*(round+1)/n]
		calling.Go(func() { tr.callAll(calls) })
		tr.deliver(mails)
		tr.asked = len(calls)
		hurt()
		select {
		case <-tick.C:
		case <-tr.ctx.Done():
			tr.t.Fatal("the trial took too long: ", tr.ctx.Err())
		}
	}
}

// settle waits until the ledger has everything that was sent and nothing in it
// is open.
func (tr *trial) settle() {
	tr.t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(tr.ctx, tr.size.settle)
	defer cancel()
	want := int64(tr.delivered + len(trialPlaces) + len(tr.calls))
	var all, open int64
	err := tr.until(ctx, func(ctx context.Context) (err error) {
		if all, open, err = tr.ledger(ctx); err == nil && (all < want || open > 0) {
			err = fmt.Errorf("%d of %d are in the ledger, %d of them not settled", all, want, open)
		}
		return err
	})
	tr.settled = time.Now()
	if err != nil {
		tr.t.Errorf("%s after the last was sent: %v", time.Since(begun).Round(time.Second), err)
	}
}

// midway waits for a moment when messages are on their way, and adds up how
// many are: at once, or when some mails of the round are accepted, or when the
// first of them are settled. It gives up in the end, for a dead process may be
// the one that everything waits for.
func (tr *trial) midway() {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.ctx, 2*hurtEvery)
	defer cancel()
	calls := int64(tr.asked)
	all, open, err := tr.ledger(ctx)
	phase, settled, some := tr.random.IntN(3), all-open+calls, all+calls+1+tr.random.Int64N(10)
	for err == nil && ctx.Err() == nil && (phase == 1 && all < some || phase == 2 && all-open <= settled) {
		all, open, err = tr.ledger(ctx)
	}
	if err != nil && ctx.Err() == nil {
		tr.t.Fatal(err)
	}
	tr.hit += max(int64(tr.delivered+len(trialPlaces))+tr.called.Load()-(all-open), 0)
}

// ledger counts the rows of the ledger, and those not settled.
func (tr *trial) ledger(ctx context.Context) (all, open int64, err error) {
	counts, err := tr.books.Counts(ctx)
	for _, n := range counts {
		all += n
	}
	return all, counts[desk.Accepted], err
}

// until asks until the answer is nil, or returns the last answer when ctx ends.
func (tr *trial) until(ctx context.Context, ask func(context.Context) error) (last error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // else it says only that time is up
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last
		}
	}
}
