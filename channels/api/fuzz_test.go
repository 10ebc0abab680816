package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// keep is an intake that remembers the last draft and files nothing.
type keep struct{ draft *desk.Draft }

func (k *keep) Submit(_ context.Context, _ *desk.Cursor, ds ...*desk.Draft) ([]desk.ReceiptID, error) {
	k.draft = ds[0]
	return []desk.ReceiptID{desk.NewID[desk.ReceiptID](ds[0].ReceivedAt)}, nil
}

func (k *keep) FileNow(_ context.Context, d *desk.Draft) (desk.Receipt, error) {
	k.draft = d
	return desk.NewReceipt(d, d.ReceivedAt), nil
}

// FuzzCreate posts any bytes as a ticket: the answer is 202 or a problem, never
// a 500, and a draft that comes out is clean, within its limits, and the same
// when it is posted again.
func FuzzCreate(f *testing.F) {
	for _, s := range []string{sample, `{}`, `null`, `{"title":"x","dueDate":"2026-01-01T00:00:00Z","customFields":{"a":[1,{"b":null}],"seats":3}}`,
		`{"description":"\u0000\ud800","tags":["a"," A ",""],"requester":{"email":"a@B.example","name":"\u0000"}}`, `{"title":"x","customFields":{"n":1e400}}`,
		`{"title":1e5}`, `{"title":"x","title":"y"}`, `[[[[`, "{\"title\":\"\xff\"}", `{"title":"x","priority":" urgent ","status":"In-Progress","source":"ms teams"}`} {
		f.Add([]byte(s))
	}
	k := &keep{}
	h := newHouse(f, func(o *api.Options) { o.Intake = k; o.Limits.Rate = -1 })
	post := func(body []byte) *httptest.ResponseRecorder {
		req := httptest.NewRequest("POST", "/v1/tickets", strings.NewReader(string(body)))
		req.Header.Set("X-Api-Key", h.secrets[desk.RoleIntegration])
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, req)
		return w
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		k.draft = nil
		w := post(body)
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d: body is not JSON: %q", w.Code, w.Body)
		}
		if w.Code != http.StatusAccepted {
			if w.Code < 400 || w.Code >= 500 || k.draft != nil {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
			return
		}
		d := k.draft
		if d.Ask.Title == "" && strings.TrimSpace(d.Ask.Description) == "" || utf8.RuneCountInString(d.Ask.Title) > 500 {
			t.Fatalf("title %q", d.Ask.Title)
		}
		all, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(all); !utf8.ValidString(s) || strings.Contains(s, `\u0000`) && !strings.Contains(s, `\\u0000`) {
			t.Fatalf("not clean: %q", s)
		}
		hash := d.Ask.RequestHash
		if post(body); k.draft.Ask.RequestHash != hash {
			t.Fatal("the same body has two hashes")
		}
	})
}

func recordOf(h *house, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func mustRequest(method, path string) *http.Request { return httptest.NewRequest(method, path, nil) }
