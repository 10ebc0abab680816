package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"switchboard/workers/broker"
)

func requests(n int, path string) (out [][]byte) {
	for range n {
		out = append(out, fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", path))
	}
	return out
}

func TestDrive(t *testing.T) {
	var got atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /short", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Add(int64(len(b)))
		io.WriteString(w, "ok")
	})
	mux.HandleFunc("POST /chunked", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 10_000))
		w.(http.Flusher).Flush()
		io.WriteString(w, "end")
	})
	mux.HandleFunc("POST /closing", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "ok")
	})
	mux.HandleFunc("POST /busy", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	for _, path := range []string{"/short", "/chunked", "/closing"} {
		var steps atomic.Int64
		d, err := drive{addr: addr, requests: requests(100, path), conns: 4, done: func() { steps.Add(1) }}.run(t.Context())
		if err != nil || d.check() != nil || steps.Load() != 100 || len(d.latency) != 100 || quantile(d.latency, 0) <= 0 {
			t.Errorf("%s: %v, %v, %d steps", path, err, d.check(), steps.Load())
		}
	}
	if got.Load() != 200 {
		t.Errorf("%d bytes arrived", got.Load())
	}
	d, err := drive{addr: addr, requests: requests(10, "/busy"), conns: 2}.run(t.Context())
	if err != nil || d.refused[503] != 10 || d.check() == nil {
		t.Errorf("busy: %v, %v", err, d.refused)
	}
	srv.Close()
	d, err = drive{addr: addr, requests: requests(3, "/short"), conns: 2}.run(t.Context())
	if err != nil || d.refused[0] != 3 || !errors.Is(d.check(), syscall.ECONNREFUSED) {
		t.Errorf("nobody there: %v, %v", err, d.check())
	}
}

// TestTimetable: when the server stands still, the latency of what waited behind
// counts too.
func TestTimetable(t *testing.T) {
	const stall = 200 * time.Millisecond
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			time.Sleep(stall) // the fault under test
		}
	}))
	defer srv.Close()
	d, err := drive{addr: srv.Listener.Addr().String(), requests: requests(20, "/"), conns: 1, rate: 100}.run(t.Context())
	if err != nil || d.check() != nil {
		t.Fatal(err, d.check())
	}
	if d.latency[1] < stall/2 {
		t.Errorf("the second waited %v, of a stall of %v", d.latency[1], stall)
	}
	if d.took < 190*time.Millisecond {
		t.Errorf("20 at 100/s took %v", d.took)
	}
}

func TestDriveStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cancel() }))
	defer srv.Close()
	if _, err := (drive{addr: srv.Listener.Addr().String(), requests: requests(1000, "/"), conns: 2, rate: 1}).run(ctx); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

func TestNoop(t *testing.T) {
	b, err := broker.Open(t.Context(), broker.Options{Mode: broker.Embedded}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var steps atomic.Int64
	took, latency, err := newNoop(b.AsynqOpt(), 8, 5*time.Millisecond).run(t.Context(), 300, 0, func() { steps.Add(1) })
	if err != nil || took <= 0 || steps.Load() != 300 {
		t.Fatal(took, steps.Load(), err)
	}
	for i, l := range latency {
		if l <= 0 || l > took {
			t.Fatalf("task %d: %v of %v", i, l, took)
		}
	}
	took, _, err = newNoop(b.AsynqOpt(), 8, 5*time.Millisecond).run(t.Context(), 50, 200, nil)
	if err != nil || took < 245*time.Millisecond {
		t.Errorf("50 at 200/s took %v: %v", took, err)
	}
}

func TestReadAnswer(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":                            "200 true <nil>",
		"HTTP/1.1 204 No Content\r\n\r\n":                                           "204 true <nil>",
		"HTTP/1.1 503 Busy\r\ncontent-length:0\r\nconnection: close\r\n\r\n":        "503 false <nil>",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": "200 true <nil>",
		"HTTP/1.1 200 OK\r\n\r\nto the end":                                         "200 false <nil>",
		"HTTP/1.1 2x0 OK\r\n\r\n":                                                   "0 false no HTTP answer that can be read",
		"SSH-2.0-OpenSSH\r\n":                                                       "0 false no HTTP answer that can be read",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok":                            "200 true EOF",
	} {
		status, keep, err := readAnswer(bufio.NewReader(strings.NewReader(text)))
		if got := fmt.Sprintf("%d %t %v", status, keep, err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if status, _, err := readAnswer(bufio.NewReader(strings.NewReader(text))); err == nil && !strings.HasPrefix(text, "HTTP/1.") {
			t.Errorf("%q is an answer with status %d", text, status)
		}
	})
}
