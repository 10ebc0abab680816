package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"switchboard/configs"
)

// TestPprof: profiles are answered when the config says so, and else nowhere.
func TestPprof(t *testing.T) {
	for text, want := range map[string]int{"server: { pprof: true }\n": http.StatusOK, "server: { pprof: false }\n": http.StatusTeapot, "log: {}\n": http.StatusTeapot} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := configs.NewReloader(file, os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		rest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		w := httptest.NewRecorder()
		(&house{config: r}).withPprof(rest).ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/cmdline", nil))
		if w.Code != want {
			t.Errorf("%q: status %d, want %d", text, w.Code, want)
		}
		w = httptest.NewRecorder()
		(&house{config: r}).withPprof(rest).ServeHTTP(w, httptest.NewRequest("GET", "/v1/tickets", nil))
		if w.Code != http.StatusTeapot {
			t.Errorf("%q: the rest answers %d", text, w.Code)
		}
	}
}
