package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// TestOverTheWire talks to a real server: what a recorder cannot show are
// chunked bodies, connections that stay open and answers sent before the body
// was read.
func TestOverTheWire(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	send := func(body io.Reader) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequest("POST", srv.URL+"/v1/tickets", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", h.secrets[desk.RoleIntegration])
		req.Header.Set("Content-Type", "application/json")
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var v map[string]any
		if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, v
	}
	big := `{"title":"x","description":"` + strings.Repeat("y", 2<<20) + `"}`
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"sample":      {strings.NewReader(sample), 201},
		"chunked":     {io.MultiReader(strings.NewReader(sample)), 201},
		"too big":     {strings.NewReader(big), 413},
		"big chunked": {io.MultiReader(strings.NewReader(big)), 413},
		"after that":  {strings.NewReader(`{"title":"y"}`), 201},
		"unfinished":  {strings.NewReader(`{"title":`), 400},
	} {
		if got, v := send(c.body); got != c.want {
			t.Errorf("%s: %d, want %d: %v", name, got, c.want, v)
		}
	}
}
