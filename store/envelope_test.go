package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"switchboard/store/storetest/pgtest"
)

// TestEnvelope: what is there stays, with room for what comes; memory is used
// again while it is long enough, and not kept when it is very long.
func TestEnvelope(t *testing.T) {
	e := &envelope{}
	fill := func(dst string, need int) []byte {
		e.need = need
		got, err := e.Encode([]byte(dst))
		if err != nil || string(got) != dst || cap(got)-len(got) < need {
			t.Fatalf("%d bytes for %q: %q with room for %d, %v", need, dst, got, cap(got)-len(got), err)
		}
		return got
	}
	first := fill("begun", 100<<10)
	if again := fill("other", 90<<10); &again[0] != &first[0] {
		t.Error("memory that is long enough was not used again")
	}
	if same, _ := e.Encode(e.buf[:5]); &same[0] != &first[0] || string(same) != "other" {
		t.Errorf("its own memory handed back holds %q", same)
	}
	fill("x", 200<<10)
	e.need = keepEnvelope
	if got, err := e.Encode([]byte("y")); err != nil || string(got) != "y" || cap(e.buf) > keepEnvelope || cap(got) > 100 {
		t.Errorf("a longer one is %q with room for %d, %d bytes are kept, %v", got, cap(got), cap(e.buf), err)
	}
}

// TestEnvelopesKeepApart: statements of all lengths on few connections, some of
// which pgx gives up after it was handed the envelope, say what they should.
func TestEnvelopesKeepApart(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: pgtest.New(t), MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var all sync.WaitGroup
	for worker := range 6 {
		all.Go(func() {
			for n := range 60 {
				want := fmt.Sprintf("%d, %d ", worker, n) + strings.Repeat(string(rune('a'+worker)), []int{10, 3 << 10, 5 << 10, 300 << 10, keepEnvelope + 7}[n%5])
				ask := func(sql string, more ...any) (got string, err error) {
					lists, done := spacious([]any{&[]string{want}})
					defer done()
					err = s.read(t.Context()).Raw(sql, append(lists, more...)...).Row().Scan(&got)
					return got, err
				}
				const echo = "SELECT v FROM unnest(?::text[]) AS l(v)"
				if got, err := ask(echo); err != nil || got != want {
					t.Errorf("%.20q (%d bytes) came back as %.20q (%d): %v", want, len(want), got, len(got), err)
					return
				}
				if _, err := ask(echo+" WHERE ?::text <> ''", struct{ A chan int }{}); err == nil {
					t.Error("a channel was sent")
				}
			}
		})
	}
	all.Wait()
}
