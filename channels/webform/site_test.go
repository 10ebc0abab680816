package webform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/store/blob"
)

// house is a source that was opened, with what it hands over.
type house struct {
	t     testing.TB
	a     *adapter
	mux   *http.ServeMux
	blobs *blob.Blobs
	dir   string // where the blobs are
	*ledger

	mu  sync.Mutex
	now time.Time
}

// ledger is a sink that keeps drafts as the real one does: the same external ID
// and fingerprint give the first receipt.
type ledger struct {
	mu       sync.Mutex
	drafts   []*desk.Draft
	receipts map[string]desk.ReceiptID
	fail     error
	states   map[desk.ReceiptID]desk.State
	took     chan *desk.Draft
}

func (l *ledger) Submit(_ context.Context, _ *desk.Cursor, drafts ...*desk.Draft) ([]desk.ReceiptID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	var out []desk.ReceiptID
	for _, d := range drafts {
		key := d.Source + " " + d.ExternalID + " " + d.Fingerprint
		id, known := l.receipts[key]
		if !known {
			id = desk.NewID[desk.ReceiptID](d.ReceivedAt)
			l.receipts[key] = id
			l.states[id] = desk.Accepted
			l.drafts = append(l.drafts, d)
			select {
			case l.took <- d:
			default:
			}
		}
		out = append(out, id)
	}
	return out, nil
}

func (l *ledger) States(_ context.Context, ids []desk.ReceiptID) (map[desk.ReceiptID]desk.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[desk.ReceiptID]desk.State{}
	for _, id := range ids {
		if s, ok := l.states[id]; ok {
			out[id] = s
		}
	}
	return out, nil
}

func (l *ledger) Acquire(context.Context, string, string, time.Time, time.Duration) (int64, bool, error) {
	return 0, false, errors.New("a form holds no lease")
}
func (l *ledger) Release(context.Context, string, string) error { return nil }
func (l *ledger) Cursor(context.Context, string, string) (desk.Cursor, error) {
	return desk.Cursor{}, nil
}

func (l *ledger) setFail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *ledger) all() []*desk.Draft {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drafts
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// block reads a config file and gives the block of its only source.
func block(t testing.TB, yaml string) configs.Block {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(file, func(string) (string, bool) { return "s3cret", true })
	if err != nil {
		t.Fatal(err)
	}
	return c.Sources[0].Block
}

func siteYAML(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func newHouse(t testing.TB, yaml string) *house {
	t.Helper()
	dir := t.TempDir()
	blobs, err := blob.Open(dir, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	h := &house{t: t, blobs: blobs, dir: dir, now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), mux: http.NewServeMux(),
		ledger: &ledger{receipts: map[string]desk.ReceiptID{}, states: map[desk.ReceiptID]desk.State{}, took: make(chan *desk.Draft, 100)}}
	b := block(t, yaml)
	opened, err := Kind().Open(channels.Config{Source: desk.Source{Name: "site", Channel: desk.WebForm}, Block: b, Sink: h, Blobs: blobs,
		Mailboxes: h, Secret: []byte("a secret of thirty-two bytes ...."), Log: slog.New(slog.DiscardHandler), Now: h.clock})
	if err != nil {
		t.Fatal(b.Locate(err))
	}
	h.a = opened.(*adapter)
	for _, r := range h.a.Routes() {
		h.mux.Handle(r.Pattern, r.Handler)
	}
	return h
}

// do sends a request and reads the answer.
func (h *house) do(req *http.Request) (int, http.Header, string) {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, req)
	return w.Code, w.Header(), w.Body.String()
}

func (h *house) get(path string, header ...string) (int, http.Header, string) {
	h.t.Helper()
	req := httptest.NewRequest("GET", path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return h.do(req)
}

var tokenValue = regexp.MustCompile(`name="_token" value="([^"]+)"`)

// token loads a form and waits as long as a person needs.
func (h *house) token(form string) string {
	h.t.Helper()
	code, _, body := h.get("/forms/site/" + form)
	m := tokenValue.FindStringSubmatch(body)
	if code != 200 || m == nil {
		h.t.Fatalf("no form %s: %d %s", form, code, body)
	}
	h.pass(10 * time.Second)
	return m[1]
}

// upFile is a file of a multipart body.
type upFile struct{ field, name, media, data string }

// multi makes a multipart body of names and values in turn, then files.
func multi(t testing.TB, pairs []string, files ...upFile) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		p, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, f.field, f.name)}, "Content-Type": {f.media}})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(p, f.data)
	}
	w.Close()
	return &b, w.FormDataContentType()
}

func (h *house) post(path string, pairs []string, files ...upFile) (int, http.Header, string) {
	h.t.Helper()
	body, media := multi(h.t, pairs, files...)
	req := httptest.NewRequest("POST", path, body)
	req.Header.Set("Content-Type", media)
	return h.do(req)
}

func (h *house) postForm(path string, pairs ...string) (int, http.Header, string) {
	h.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	req := httptest.NewRequest("POST", path, strings.NewReader(v.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.do(req)
}

func (h *house) postJSON(path, body string, header ...string) (int, http.Header, string) {
	h.t.Helper()
	req := httptest.NewRequest("POST", path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return h.do(req)
}

// good is a submission of the form contact that has all it needs.
func good(token string, more ...string) []string {
	return append([]string{"_token", token, "name", "Sam Doe", "email", "Sam@Example.COM", "topic", "question",
		"subject", "A question", "message", "How does it work?\r\n\r\nThank you", "terms", "true"}, more...)
}

// ok wants a redirect to a receipt and returns where.
func ok(t testing.TB, code int, header http.Header, body string) string {
	t.Helper()
	at := header.Get("Location")
	if code != http.StatusSeeOther || !strings.HasPrefix(at, "/forms/site/receipts/") {
		t.Fatalf("%d %q: %s", code, at, body)
	}
	return at
}
