package msteams

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"switchboard/channels"
	"switchboard/channels/msteams/faketeams"
	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/store/blob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger is a Sink that keeps drafts as the real one does: once for each source,
// external ID and fingerprint.
type ledger struct {
	mu       sync.Mutex
	drafts   []*desk.Draft
	receipts map[string]desk.ReceiptID
	calls    int
	fail     func(*desk.Draft) error
}

func (l *ledger) Submit(_ context.Context, _ *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	var ids []desk.ReceiptID
	for _, d := range drafts {
		if l.fail != nil {
			if err := l.fail(d); err != nil {
				return nil, err
			}
		}
		key := d.Source + "\x00" + d.ExternalID + "\x00" + d.Fingerprint
		id, ok := l.receipts[key]
		if !ok {
			id = desk.NewID[desk.ReceiptID](time.Now())
			l.receipts[key] = id
			l.drafts = append(l.drafts, d)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (l *ledger) all() []*desk.Draft {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*desk.Draft(nil), l.drafts...)
}

// refuse makes the ledger fail; nil ends it.
func (l *ledger) refuse(fn func(*desk.Draft) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = fn
}

// book keeps contacts as the store does: the newest stays.
type book struct {
	mu   sync.Mutex
	by   map[string]desk.Contact
	fail error
}

func (b *book) KeepContact(_ context.Context, c desk.Contact) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := string(c.Kind) + c.Handle
	if old, ok := b.by[key]; b.fail == nil && (!ok || !old.At.After(c.At)) {
		b.by[key] = c
	}
	return b.fail
}

func (b *book) Contact(_ context.Context, _ string, kind desk.ContactKind, handle string) (desk.Contact, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.by[string(kind)+handle]
	if !ok {
		return c, desk.ErrNotFound
	}
	return c, b.fail
}

func (b *book) Contacts(_ context.Context, _ string, kind desk.ContactKind, limit int) (out []desk.Contact, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.by {
		if c.Kind == kind && c.Gone == "" && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, b.fail
}

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is a bot at work beside a Microsoft.
type house struct {
	*adapter
	fake     *faketeams.Server
	ledger   *ledger
	book     *book
	blobs    *blob.Blobs
	clock    *clock
	server   *httptest.Server
	endpoint string
	person   faketeams.Person
}

type options struct {
	extra    string                  // more lines of the block
	settings func(*settings)         // after it is loaded
	before   func(*faketeams.Server) // before the bot starts
	single   bool                    // the bot is a single-tenant one
}

func newHouse(t testing.TB, o options) *house {
	t.Helper()
	h := &house{ledger: &ledger{receipts: map[string]desk.ReceiptID{}}, book: &book{by: map[string]desk.Contact{}}, clock: &clock{now: time.Now().Truncate(time.Second)}}
	var err error
	if h.fake, err = faketeams.Start(faketeams.Options{SingleTenant: o.single, Now: h.clock.Now, Tries: 3, Pause: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.fake.Close)
	if o.before != nil {
		o.before(h.fake)
	}
	if h.blobs, err = blob.Open(t.TempDir(), blob.Options{MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	source := desk.Source{Name: "chat", Channel: desk.MSTeams}
	opened, err := Kind().Open(channels.Config{Source: source, Block: block(t, h.fake.Block("", "${BOT}")+o.extra), Sink: h.ledger, Blobs: h.blobs, Contacts: h.book,
		Secret: []byte("house secret"), Now: h.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.adapter = opened.(*adapter)
	h.adapter.settings.Timeouts.Member = time.Minute // however slow the machine
	if o.settings != nil {
		o.settings(&h.adapter.settings)
	}
	mux := http.NewServeMux()
	for _, r := range h.Routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	h.server = httptest.NewServer(mux)
	h.endpoint = h.server.URL + "/hooks/msteams/chat/messages"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		h.server.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	h.person = h.fake.Person("Ada Okafor", "ada@customer.example")
	return h
}

// block is a source's block with the given lines, read by the real decoder.
func block(t testing.TB, lines string) channels.Block {
	t.Helper()
	b, err := blockOf(t, lines)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func blockOf(t testing.TB, lines string) (channels.Block, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "switchboard.yaml")
	text := "sources:\n  - name: chat\n    channel: msteams\n    msteams:\n"
	for line := range strings.Lines(lines) {
		text += "      " + line
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(file, func(name string) (string, bool) { return map[string]string{"BOT": "bot-password"}[name], name == "BOT" })
	if err != nil {
		return nil, err
	}
	for _, s := range c.Sources {
		if s.Name == "chat" {
			return s.Block, nil
		}
	}
	return nil, errors.New("the source is not in the config")
}

// deliver sends an activity and expects a status.
func (h *house) deliver(t testing.TB, a faketeams.Activity, want int) faketeams.Answer {
	t.Helper()
	answer, err := h.fake.Deliver(t.Context(), h.endpoint, a)
	if err != nil || answer.Status != want {
		t.Fatalf("the bot answered %d %q (%v), want %d", answer.Status, answer.Body, err, want)
	}
	return answer
}

// one is the only draft the ledger has.
func (h *house) one(t testing.TB) *desk.Draft {
	t.Helper()
	all := h.ledger.all()
	if len(all) != 1 {
		t.Fatalf("the ledger has %d drafts, want 1", len(all))
	}
	return all[0]
}

func (h *house) bytes(t testing.TB, ref desk.BlobRef) []byte {
	t.Helper()
	r, err := h.blobs.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// well fails the test when Microsoft has complaints, or the bot panicked.
func (h *house) well(t testing.TB) {
	t.Helper()
	for _, p := range h.fake.Problems() {
		t.Error("Microsoft complains: " + p)
	}
	if n := h.Counts()["panics"]; n > 0 {
		t.Errorf("%d panics", n)
	}
}

// answerTo is a public answer of an agent in a draft's thread.
func answerTo(d *desk.Draft, text string, files ...desk.Attachment) *desk.Reply {
	return &desk.Reply{Thread: d.Thread, To: []desk.Party{d.From}, Message: desk.Message{
		ID: "01HV0000000000000000000002", Direction: desk.Outbound, Public: true, Text: text, Attachments: files}}
}
