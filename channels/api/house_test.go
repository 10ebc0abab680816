package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/blob"
)

// house is the interface on real books and a real line.
type house struct {
	t       testing.TB
	store   *store.Store
	blobs   *blob.Blobs
	blobDir string
	handler http.Handler
	policy  *desk.Policy
	intake  *intake
	secrets map[desk.Role]string
	keys    map[desk.Role]desk.Key

	mu  sync.Mutex
	now time.Time
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	h.now = h.now.Add(d)
	h.mu.Unlock()
}

// newHouse opens books in a temporary folder, with a key of every role; set may
// change the options.
func newHouse(t testing.TB, set ...func(*api.Options)) *house {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "books.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	p := desk.NewPolicy()
	p.Agents = []desk.Agent{{ID: "ann", Name: "Ann", Email: "ann@house.example"}, {ID: "bob", Name: "Bob"}}
	p.Teams = append(p.Teams, desk.Team{ID: "billing", Name: "Billing", Members: []desk.AgentID{"bob"}})
	p.SLAs = []desk.SLA{{Name: "standard", Targets: []desk.Target{
		{Metric: desk.FirstResponse, Default: 4 * time.Hour}, {Metric: desk.Resolution, Default: 24 * time.Hour}}}}
	p.Sources["mail"] = desk.Source{Name: "mail", Channel: desk.Email}
	p.Fields = []desk.Field{{Name: "seats", Kind: desk.NumberField}}
	dir := t.TempDir()
	blobs, err := blob.Open(dir, blob.Options{Elsewhere: s.Kept})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	h := &house{t: t, store: s, blobs: blobs, blobDir: dir, policy: p, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		secrets: map[desk.Role]string{}, keys: map[desk.Role]desk.Key{}}
	h.intake = &intake{h: h}
	for _, r := range desk.Roles() {
		secret, key := api.NewKey(r, "the "+string(r), h.now)
		if err := s.AddKey(ctx, key); err != nil {
			t.Fatal(err)
		}
		h.secrets[r], h.keys[r] = secret, key
	}
	o := api.Options{Books: s, Files: blobs, Intake: h.intake, Policy: func() *desk.Policy { return p }, Now: h.clock, PublicURL: "https://desk.example",
		Log:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
		Names: func(ctx context.Context) (api.Names, error) { return s.View(ctx, nil) }}
	for _, f := range set {
		f(&o)
	}
	if h.handler, err = api.New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

// intake files through the real line, in the caller's goroutine. While slow is
// set it only accepts; busy makes it refuse.
type intake struct {
	h    *house
	slow bool
	busy bool
}

func (i *intake) Submit(ctx context.Context, c *desk.Cursor, ds ...*desk.Draft) ([]desk.ReceiptID, error) {
	if i.busy {
		return nil, desk.ErrBusy
	}
	rs := make([]desk.Receipt, len(ds))
	for n, d := range ds {
		rs[n] = desk.NewReceipt(d, i.h.clock())
	}
	return i.h.store.Accept(ctx, c, rs)
}

func (i *intake) FileNow(ctx context.Context, d *desk.Draft) (desk.Receipt, error) {
	ids, err := i.Submit(ctx, nil, d)
	if err != nil {
		return desk.Receipt{}, err
	}
	if !i.slow {
		if err := i.file(ctx, ids[0]); err != nil {
			return desk.Receipt{}, err
		}
	}
	return i.h.store.Receipt(ctx, ids[0])
}

func (i *intake) file(ctx context.Context, id desk.ReceiptID) error {
	for {
		r, err := i.h.store.Receipt(ctx, id)
		if err != nil || r.State != desk.Accepted {
			return err
		}
		v, err := i.h.store.View(ctx, []*desk.Draft{r.Draft})
		if err != nil {
			return err
		}
		pass := pipeline.NewPass(r, i.h.policy, v, i.h.clock())
		line := pipeline.Line{Stages: pipeline.Standard()}
		if err := line.Run(ctx, pass); err != nil {
			return err
		}
		res, err := i.h.store.File(ctx, []*desk.Filing{pass.Filing()})
		if err == nil {
			err = res[0].Err
		}
		if err == nil || errors.Is(err, desk.ErrSettled) {
			return nil
		}
		if !errors.Is(err, desk.ErrConflict) {
			return err
		}
	}
}

// answer is a response, its body read.
type answer struct {
	*http.Response
	raw  []byte
	json map[string]any
}

// do sends a request with the key of a role; body is a string as it is, or a
// value to encode. Headers come in pairs.
func (h *house) do(role desk.Role, method, path string, body any, headers ...string) answer {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req := httptest.NewRequest(method, path, r)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s := h.secrets[role]; s != "" {
		req.Header.Set("Authorization", "Bearer "+s)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return h.send(req)
}

func (h *house) send(req *http.Request) answer {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, req)
	a := answer{Response: w.Result(), raw: w.Body.Bytes()}
	if strings.Contains(a.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.raw, &a.json); err != nil {
			h.t.Fatalf("%s %s: body is not JSON: %v\n%s", req.Method, req.URL, err, a.raw)
		}
	}
	if a.StatusCode >= 400 {
		if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" || a.json["status"] != float64(a.StatusCode) {
			h.t.Errorf("%s %s: %d is no problem+json: %q %s", req.Method, req.URL, a.StatusCode, ct, a.raw)
		}
	}
	return a
}

// want fails unless the status is the one given.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%d, want %d: %s", a.StatusCode, status, a.raw)
	}
	return a
}

// fields are the wrong fields a problem names.
func (a answer) fields() []string {
	var out []string
	errs, _ := a.json["errors"].([]any)
	for _, e := range errs {
		m := e.(map[string]any)
		out = append(out, m["field"].(string))
	}
	return out
}

func (a answer) str(path ...string) string {
	var v any = a.json
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

// ticket makes a ticket and returns its uid.
func (h *house) ticket(body any) string {
	h.t.Helper()
	return h.do(desk.RoleIntegration, "POST", "/v1/tickets", body).want(h.t, 201).str("uid")
}

func (h *house) get(path string) answer {
	h.t.Helper()
	return h.do(desk.RoleReader, "GET", path, nil).want(h.t, 200)
}

func items(a answer) []map[string]any {
	list, _ := a.json["items"].([]any)
	out := make([]map[string]any, len(list))
	for i, e := range list {
		out[i] = e.(map[string]any)
	}
	return out
}
