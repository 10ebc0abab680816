package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// TestMain finds goroutines that we leave behind. Those of the fault proxy are
// let be: a link that was a black hole when we closed it ends with the process.
func TestMain(m *testing.M) {
	const proxy = "github.com/Shopify/toxiproxy/v2"
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/emersion/go-imap/v2/imapserver.(*Conn).serve"),
		goleak.IgnoreAnyFunction(proxy+".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(proxy+".(*ToxicLink).write"),
		goleak.IgnoreAnyFunction(proxy+"/toxics.(*ToxicStub).Run"))
}

// ledger is a store in memory, true to what Sink and Mailboxes promise: a
// submission is taken whole with its cursor or not at all, a lost lease takes
// nothing, a draft seen before gives its first receipt.
type ledger struct {
	mu      sync.Mutex
	changed chan struct{} // closed and made anew at each change
	rows    []desk.Receipt
	index   map[string]int
	cursors map[string]desk.Cursor
	holder  map[string]string
	token   map[string]int64
	until   map[string]time.Time
	states  map[desk.ReceiptID]desk.State
	submits int
	waits   int // times somebody asked for a lease in vain
	again   int // drafts that were there before

	// refuse, when set, is asked before a submission is taken.
	refuse func(drafts []*desk.Draft) error

	blobs blobs
}

func newLedger() *ledger {
	return &ledger{changed: make(chan struct{}), index: map[string]int{}, cursors: map[string]desk.Cursor{},
		holder: map[string]string{}, token: map[string]int64{}, until: map[string]time.Time{}, states: map[desk.ReceiptID]desk.State{}}
}

func (l *ledger) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) Submit(ctx context.Context, cursor *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.broadcast()
	l.submits++
	if l.refuse != nil {
		if err := l.refuse(drafts); err != nil {
			return nil, err
		}
	}
	if cursor != nil {
		if l.token[cursor.Lease] != cursor.Token || l.holder[cursor.Lease] == "" {
			return nil, fmt.Errorf("ledger: %w", desk.ErrLeaseLost)
		}
		key := cursor.Source + "/" + cursor.Folder
		next := *cursor
		if old := l.cursors[key]; old.UIDValidity == next.UIDValidity {
			next.LastUID = max(next.LastUID, old.LastUID)
		}
		l.cursors[key] = next
	}
	var ids []desk.ReceiptID
	for _, d := range drafts {
		key := d.Source + "\x00" + d.ExternalID + "\x00" + d.Fingerprint
		i, ok := l.index[key]
		if !ok {
			i = len(l.rows)
			l.index[key] = i
			r := desk.NewReceipt(d, time.Now())
			l.rows = append(l.rows, r)
			l.states[r.ID] = desk.Accepted
		} else {
			l.again++
		}
		ids = append(ids, l.rows[i].ID)
	}
	return ids, nil
}

func (l *ledger) Acquire(_ context.Context, name, holder string, now time.Time, ttl time.Duration) (int64, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder[name] != "" && l.holder[name] != holder && now.Before(l.until[name]) {
		l.waits++
		l.broadcast()
		return 0, false, nil
	}
	if l.holder[name] != holder {
		l.token[name]++
		l.holder[name] = holder
		l.broadcast()
	}
	l.until[name] = now.Add(ttl)
	return l.token[name], true, nil
}

func (l *ledger) Release(_ context.Context, name, holder string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder[name] == holder {
		delete(l.holder, name)
		l.broadcast()
	}
	return nil
}

func (l *ledger) Cursor(_ context.Context, source, folder string) (desk.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors[source+"/"+folder], nil
}

func (l *ledger) States(_ context.Context, ids []desk.ReceiptID) (map[desk.ReceiptID]desk.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[desk.ReceiptID]desk.State{}
	for _, id := range ids {
		out[id] = l.states[id]
	}
	return out, nil
}

func (l *ledger) cursor(folder string) desk.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors["support/"+folder]
}

// repeats tells how many drafts were submitted that were there before.
func (l *ledger) repeats() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.again
}

// settle gives every row that of picks its state.
func (l *ledger) settle(of func(d *desk.Draft) desk.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rows {
		l.states[r.ID] = of(r.Draft)
	}
	l.broadcast()
}

// hang is longer than anything here takes on the busiest machine.
const hang = 3 * time.Minute

// await waits until is true of the ledger; is runs under its lock.
func (l *ledger) await(t testing.TB, what string, is func() bool) {
	t.Helper()
	timeout := time.After(hang)
	for {
		l.mu.Lock()
		ok, changed := is(), l.changed
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("%s: not within %s; %d rows, %d submissions, cursors %v", what, hang, len(l.rows), l.submits, l.cursors)
		}
	}
}

func (l *ledger) awaitRows(t testing.TB, n int) {
	t.Helper()
	l.await(t, fmt.Sprintf("%d rows", n), func() bool { return len(l.rows) >= n })
}

func (l *ledger) drafts() []*desk.Draft {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*desk.Draft
	for _, r := range l.rows {
		out = append(out, r.Draft)
	}
	return out
}

// awaitHolder waits until somebody, or nobody, holds the source.
func (l *ledger) awaitHolder(t testing.TB, holder string) {
	t.Helper()
	l.await(t, "lease of "+holder, func() bool { return l.holder["mailbox:support"] == holder })
}

// blobs keeps bytes in memory. refuse, when set, is asked first.
type blobs struct {
	mu     sync.Mutex
	kept   map[string][]byte
	refuse func(data []byte) error
}

func (b *blobs) Put(_ context.Context, r io.Reader) (desk.BlobRef, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return desk.BlobRef{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(data); err != nil {
			return desk.BlobRef{}, err
		}
	}
	sum := sha256.Sum256(data)
	ref := desk.BlobRef{Digest: hex.EncodeToString(sum[:]), Size: int64(len(data))}
	if b.kept == nil {
		b.kept = map[string][]byte{}
	}
	b.kept[ref.Digest] = data
	return ref, nil
}

func (b *blobs) Open(_ context.Context, ref desk.BlobRef) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.kept[ref.Digest]
	if !ok {
		return nil, desk.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (b *blobs) get(t testing.TB, ref desk.BlobRef) []byte {
	t.Helper()
	r, err := b.Open(t.Context(), ref)
	if err != nil {
		t.Fatalf("blob %v: %v", ref, err)
	}
	data, _ := io.ReadAll(r)
	return data
}

// block is a source's block as the config has it.
type block string

func (b block) Decode(into any) error {
	return yaml.UnmarshalWithOptions([]byte(b), into, yaml.Strict())
}

// fast is the pace of tests.
func fast() pace {
	return pace{
		leaseTTL: time.Minute, leaseRenew: 20 * time.Millisecond, leaseWait: 5 * time.Millisecond,
		retryMin: time.Millisecond, retryMax: 20 * time.Millisecond, retryStore: 5 * time.Millisecond, retryAuth: time.Millisecond,
		roomMax: time.Minute,
		idleMin: 5 * time.Minute, idleMax: 9 * time.Minute, idleFirst: 20 * time.Millisecond,
		moveMin: time.Millisecond, moveMax: 20 * time.Millisecond,
		sleep: defaultPace().sleep,
	}
}

// account is the block of a mailbox at addr, with more lines.
func account(addr string, more ...string) block {
	host, port, _ := net.SplitHostPort(addr)
	lines := append([]string{"host: " + host, "port: " + port, "tls: plain", "user: support", "password: secret"}, more...)
	return block(strings.Join(lines, "\n") + "\n")
}

// newAdapter opens a source whose ledger is l.
func newAdapter(t testing.TB, l *ledger, b block, change ...func(*adapter)) *adapter {
	t.Helper()
	var out io.Writer = io.Discard
	if testing.Verbose() && os.Getenv("EMAIL_TEST_LOG") != "" {
		out = os.Stderr
	}
	opened, err := Kind().Open(channels.Config{
		Source: desk.Source{Name: "support", Channel: desk.Email, Addresses: []string{"support@example.org"}},
		Block:  b, Sink: l, Blobs: &l.blobs, Mailboxes: l, Secret: testSecret, Holder: "one",
		Log: slog.New(slog.NewTextHandler(out, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := opened.(*adapter)
	a.pace = fast()
	a.settings.Timeouts.GiveUp = 0 // by the number of failures alone
	for _, c := range change {
		c(a)
	}
	return a
}

// start runs an adapter until the function it returns is called, or the test ends.
func start(t testing.TB, a *adapter) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(hang):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

func poll(d time.Duration) func(*adapter) { return func(a *adapter) { a.settings.Poll = d } }

// rawMail is a mail of about size bytes, unlike that of any other n.
func rawMail(n, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Message-ID: <%d@customer.example>\r\nFrom: Customer %d <c%d@customer.example>\r\nTo: support@example.org\r\n", n, n, n)
	fmt.Fprintf(&b, "Subject: Mail %d\r\nDate: Mon, 02 Jan 2023 15:04:05 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", n)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "Line %d of mail %d, which goes on for a while.\r\n", i, n)
	}
	fmt.Fprintf(&b, "End of mail %d.\r\n", n)
	return b.Bytes()
}

func rawMails(from, n, size int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, rawMail(from+i, size))
	}
	return out
}

// exactly checks that the ledger holds these mails, each once, each whole.
func (l *ledger) exactly(t testing.TB, want [][]byte) {
	t.Helper()
	left := map[string]int{}
	for _, raw := range want {
		left[string(raw)]++
	}
	for _, d := range l.drafts() {
		raw := string(l.blobs.get(t, d.Raw))
		if left[raw] == 0 {
			t.Errorf("%s: not a mail of the mailbox, or for the second time (%d bytes)", d.ExternalID, len(raw))
			continue
		}
		if left[raw]--; left[raw] == 0 {
			delete(left, raw)
		}
		if len(d.Damage) > 0 && len(raw) < 1<<20 { // of longer text, letter shows a part
			t.Errorf("%s: damage %q", d.ExternalID, d.Damage)
		}
	}
	if len(left) > 0 {
		t.Errorf("%d of %d mails are not in the ledger", len(left), len(want))
	}
}

// inOrder checks that mails 0..n-1 were submitted in this order.
func (l *ledger) inOrder(t testing.TB) {
	t.Helper()
	last := -1
	for _, d := range l.drafts() {
		n, err := strconv.Atoi(strings.TrimSuffix(d.ExternalID, "@customer.example"))
		if err != nil || n <= last {
			t.Fatalf("%s came after mail %d", d.ExternalID, last)
		}
		last = n
	}
}

var errDown = errors.New("the database is down")
