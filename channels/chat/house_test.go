package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"go.uber.org/goleak"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// block is a config block written in a test.
type block string

func (b block) Decode(into any) error {
	return yaml.UnmarshalWithOptions([]byte(b), into, yaml.Strict())
}

// house is what an adapter is given: blobs and a ledger in memory.
type house struct {
	mu     sync.Mutex
	blobs  map[string][]byte
	rows   []*desk.Draft
	index  map[string]bool
	again  int
	refuse error
}

func (h *house) Put(_ context.Context, r io.Reader) (desk.BlobRef, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return desk.BlobRef{}, err
	}
	sum := sha256.Sum256(b)
	ref := desk.BlobRef{Digest: hex.EncodeToString(sum[:]), Size: int64(len(b))}
	h.mu.Lock()
	defer h.mu.Unlock()
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

func (h *house) bytes(t testing.TB, ref desk.BlobRef) string {
	t.Helper()
	r, err := h.Open(context.Background(), ref)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r)
	return string(b)
}

func (h *house) Submit(_ context.Context, _ *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return nil, h.refuse
	}
	var ids []desk.ReceiptID
	for _, d := range drafts {
		if k := d.Source + "\x00" + d.ExternalID + "\x00" + d.Fingerprint; h.index[k] {
			h.again++
		} else {
			h.index[k] = true
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

// town is a source that runs.
type town struct {
	t   testing.TB
	h   *house
	a   *adapter
	ad  channels.Adapter
	mux *http.ServeMux
	web *httptest.Server
	url string
}

func newTown(t testing.TB, cfg string) *town {
	t.Helper()
	h := &house{blobs: map[string][]byte{}, index: map[string]bool{}}
	ad, err := Kind().Open(channels.Config{Source: desk.Source{Name: "shop", Channel: desk.Chat}, Block: block(cfg), Sink: h, Blobs: h, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, h: h, ad: ad, mux: http.NewServeMux()}
	switch x := ad.(type) {
	case *adapter:
		w.a = x
	case *talker:
		w.a = x.adapter
		t.Cleanup(x.http.CloseIdleConnections)
	case *editor:
		w.a = x.adapter
		t.Cleanup(x.http.CloseIdleConnections)
	}
	for _, r := range w.a.Routes() {
		w.mux.Handle(r.Pattern, r.Handler)
	}
	w.web = httptest.NewServer(w.mux)
	w.url = w.web.URL + "/hooks/chat/shop"
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ad.Run(ctx) }()
	t.Cleanup(func() {
		w.web.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// post sends a request without a network.
func (w *town) post(body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/hooks/chat/shop", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	w.mux.ServeHTTP(out, r)
	return out
}

// sender is the way out of a source that has one.
func (w *town) sender() channels.Sender {
	w.t.Helper()
	s, ok := w.ad.(channels.Sender)
	if !ok {
		w.t.Fatal("this source cannot send")
	}
	return s
}

// reply answers a draft.
func reply(d *desk.Draft, text string) *desk.Reply {
	return &desk.Reply{Message: desk.Message{ID: desk.NewID[desk.MessageID](time.Now()), TicketID: "t1", Text: text, CreatedAt: time.Now()}, Thread: d.Thread, To: []desk.Party{d.From}}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// talker is the same as what it is made of.
func (w *town) talker() *talker {
	w.t.Helper()
	switch s := w.sender().(type) {
	case *talker:
		return s
	case *editor:
		return s.talker
	}
	w.t.Fatal("this source is no talker")
	return nil
}
