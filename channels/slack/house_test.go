package slack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"

	"switchboard/channels"
	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// block is a config block written in a test.
type block string

func (b block) Decode(into any) error {
	return yaml.UnmarshalWithOptions([]byte(b), into, yaml.Strict())
}

// house is what an adapter is given: blobs, a ledger and a desk in memory.
type house struct {
	mu      sync.Mutex
	blobs   map[string][]byte
	rows    []*desk.Draft
	index   map[string]int
	again   int // drafts that were in the ledger
	refuse  func([]*desk.Draft) error
	noBlobs error
	moves   []string // statuses set
	known   map[string]bool
	moveErr error
	moveNot int // moves refused with ErrNotFound first
}

func newHouse() *house {
	return &house{blobs: map[string][]byte{}, index: map[string]int{}, known: map[string]bool{}}
}

func (h *house) Put(_ context.Context, r io.Reader) (desk.BlobRef, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return desk.BlobRef{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.noBlobs != nil {
		return desk.BlobRef{}, h.noBlobs
	}
	sum := sha256.Sum256(b)
	ref := desk.BlobRef{Digest: hex.EncodeToString(sum[:]), Size: int64(len(b))}
	h.blobs[ref.Digest] = b
	return ref, nil
}

func (h *house) Open(_ context.Context, ref desk.BlobRef) (io.ReadCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.blobs[ref.Digest]
	if !ok {
		return nil, desk.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (h *house) Submit(ctx context.Context, _ *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		if err := h.refuse(drafts); err != nil {
			return nil, err
		}
	}
	var ids []desk.ReceiptID
	for _, d := range drafts {
		k := d.Source + "\x00" + d.ExternalID + "\x00" + d.Fingerprint
		if _, ok := h.index[k]; ok {
			h.again++
		} else {
			h.index[k] = len(h.rows)
			h.rows = append(h.rows, d)
		}
		ids = append(ids, desk.NewID[desk.ReceiptID](time.Now()))
	}
	return ids, nil
}

func (h *house) drafts() []*desk.Draft {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*desk.Draft(nil), h.rows...)
}

func (h *house) keep(b []byte) desk.BlobRef {
	ref, err := h.Put(context.Background(), bytes.NewReader(b))
	if err != nil {
		panic(err)
	}
	return ref
}

// Knows says what is in the ledger, or in known.
func (h *house) Knows(_ context.Context, scope, key string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known[key] {
		return true, nil
	}
	for _, d := range h.rows {
		if d.Scope == scope && (d.ExternalID == key || d.Thread.Key == key) {
			return true, nil
		}
	}
	return false, nil
}

func (h *house) SetStatus(_ context.Context, scope, key string, status desk.Status, by desk.Actor) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.moveErr != nil {
		return h.moveErr
	}
	if h.moveNot > 0 {
		h.moveNot--
		return desk.ErrNotFound
	}
	h.moves = append(h.moves, strings.Join([]string{scope, key, string(status), string(by.Kind), by.ID, by.Name}, "|"))
	return nil
}

// town is a workspace with our app in it.
type town struct {
	t    testing.TB
	h    *house
	s    *fakeslack.Fake
	a    *adapter
	url  string // http://host/hooks/slack/acme
	mux  *http.ServeMux
	web  *httptest.Server
	logs *logs
}

// hang is longer than anything here takes on the busiest machine.
const hang = 2 * time.Minute

// options of a town.
type plan struct {
	block   string // more keys of the block
	fake    fakeslack.Options
	noDesk  bool
	source  desk.Source
	prepare func(*adapter)
}

const (
	ada  = "UADA00001"
	bob  = "UBOB00001" // of another workspace
	cleo = "UCLEO0001" // our own people
	help = "CHELP0001"
	talk = "CTALK0001" // shared with another workspace
)

func newTown(t testing.TB, p plan) *town {
	t.Helper()
	if p.fake.Retry == nil {
		p.fake.Retry = []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	}
	if p.fake.Patience == 0 {
		p.fake.Patience = hang // a slow machine is no reason to come again
	}
	if p.fake.PostEvery == 0 {
		p.fake.PostEvery = -1
	}
	fake, err := fakeslack.New(p.fake)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	fake.AddUser(fakeslack.User{ID: ada, Name: "Ada", Email: "ada@example.com", Confirmed: true, TimeZone: "Europe/Berlin", Locale: "de-DE", Phone: "+49 30 1"})
	fake.AddUser(fakeslack.User{ID: bob, Name: "Bob", Team: "TOTHER001", Email: "ada@example.com", Confirmed: true})
	fake.AddUser(fakeslack.User{ID: cleo, Name: "Cleo", Email: "cleo@desk.example", Confirmed: true})
	fake.AddChannel(fakeslack.Channel{ID: help, Name: "help"})
	fake.AddChannel(fakeslack.Channel{ID: talk, Name: "talk", Shared: true})
	o := fake.Options()
	if p.source.Name == "" {
		p.source = desk.Source{Name: "acme", Channel: desk.Slack}
	}
	h := newHouse()
	l := &logs{}
	c := channels.Config{Source: p.source, Sink: h, Blobs: h, Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Block: block("signingSecret: " + o.SigningSecret + "\nbotToken: " + o.BotToken + "\napiURL: " + fake.APIURL() + "\n" + p.block)}
	if !p.noDesk {
		c.Desk = h
	}
	a, err := open(c)
	if err != nil {
		t.Fatal(err)
	}
	a.answerWithin = hang
	if p.prepare != nil {
		p.prepare(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	w := &town{t: t, h: h, s: fake, a: a, mux: http.NewServeMux(), logs: l}
	for _, r := range a.Routes() {
		w.mux.Handle(r.Pattern, r.Handler)
	}
	w.web = httptest.NewServer(w.mux)
	w.url = w.web.URL + "/hooks/slack/" + p.source.Name
	t.Cleanup(func() {
		w.web.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	if err := fake.Connect(t.Context(), w.url); err != nil {
		t.Fatal(err)
	}
	return w
}

// say lets somebody say something and fails when the app does not say yes.
func (w *town) say(m fakeslack.Message) fakeslack.Message {
	w.t.Helper()
	said, d := w.s.Say(w.t.Context(), m)
	w.yes(d)
	return said
}

func (w *town) yes(d fakeslack.Delivery) {
	w.t.Helper()
	if !d.OK || len(d.Attempts) != 1 {
		w.t.Fatalf("the app did not take it at once: %+v\n%s", d.Attempts, w.logs)
	}
}

// one returns the only draft.
func (w *town) one() *desk.Draft {
	w.t.Helper()
	ds := w.h.drafts()
	if len(ds) != 1 {
		w.t.Fatalf("%d drafts, want 1\n%s", len(ds), w.logs)
	}
	return ds[0]
}

// raw sends a body with a good signature and returns the status.
func (w *town) raw(path string, body []byte) int {
	w.t.Helper()
	ts, sig := fakeslack.Sign(w.s.Options().SigningSecret, time.Now(), body)
	return w.post(path, body, map[string]string{headerTimestamp: ts, headerSignature: sig})
}

func (w *town) post(path string, body []byte, headers map[string]string) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// logs keeps what was logged, to look for what must not be there.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// corpus finds the folder of other people's test data.
func corpus(t testing.TB) string {
	dir := os.Getenv("SWITCHBOARD_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the corpus is missing: %v", err)
		}
		t.Skipf("no corpus at %s: set SWITCHBOARD_CORPUS", dir)
	}
	return filepath.Join(dir, "webhook")
}

var errDown = errors.New("down")
