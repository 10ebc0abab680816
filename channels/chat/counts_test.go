package chat

import (
	"maps"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

// TestCounts: what is taken and what is refused is counted, each by its reason
// and nothing else.
func TestCounts(t *testing.T) {
	w := newTown(t, "signature: {scheme: standard-webhooks, secret: "+fakechat.HookSecret+"}\nmessages: 3\nverifyToken: v\nbodyBytes: 2048\n"+genericMapping)
	counter, ok := w.ad.(Counter)
	if !ok {
		t.Fatal("not a Counter")
	}
	signed := func(body string, at time.Time) []string {
		return []string{"Webhook-Id", "1", "Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10), "Webhook-Signature", fakechat.StandardSignature(fakechat.HookSecret, "1", at, []byte(body))}
	}
	one := `{"id":"m1","text":"hi","author":{"id":1}}`
	talk := func(events ...string) string {
		return `{"conversation":{"id":"c"},"events":[` + strings.Join(events, ",") + `]}`
	}
	now := time.Now()
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, tc := range []struct {
		name, body string
		headers    []string
		want       map[string]int64
	}{
		{"taken, repeated and ignored", talk(one, one, `{"kind":"typing"}`), nil, map[string]int64{"taken": 1, "repeated": 1, "ignored": 1}},
		{"nothing in it", talk(), nil, map[string]int64{"ignored": 1}},
		{"nothing where the mapping looks", `{"Events":[` + one + `]}`, nil, map[string]int64{"ignored": 1}},
		{"unsigned", talk(one), []string{"X", "y"}, map[string]int64{"refused no signature": 1}},
		{"wrong", talk(one), signed("other", now), map[string]int64{"refused bad signature": 1}},
		{"old", talk(one), signed(talk(one), now.Add(-time.Hour)), map[string]int64{"refused old signature": 1}},
		{"large", strings.Repeat("x", 3000), nil, map[string]int64{"refused too large": 1}},
		{"deep", deep, nil, map[string]int64{"refused too deep": 1}},
		{"many", talk(one, one, one, one), nil, map[string]int64{"refused too many messages": 1}},
		{"malformed", `{"events":`, nil, map[string]int64{"refused malformed": 1}},
		{"no sender", talk(`{"id":"m2","text":"hi"}`), nil, map[string]int64{"refused mapping failed": 1}},
	} {
		before := counter.Counts()
		headers := tc.headers
		if headers == nil {
			headers = signed(tc.body, now)
		}
		out := w.post(tc.body, headers...)
		if got := since(before, counter.Counts()); !maps.Equal(got, tc.want) {
			t.Errorf("%s: %d %v, want %v", tc.name, out.Code, got, tc.want)
		}
		if strings.HasPrefix(tc.name, "nothing ") && !strings.Contains(out.Body.String(), `"ignored":["there is nothing at body.events[]"]`) {
			t.Errorf("%s: %s", tc.name, out.Body)
		}
	}
	before := counter.Counts()
	w.h.refuse = desk.ErrBusy
	w.post(talk(one), signed(talk(one), now)...)
	r := httptest.NewRequest("POST", "/hooks/chat/shop", iotest.ErrReader(iotest.ErrTimeout))
	w.mux.ServeHTTP(httptest.NewRecorder(), r)
	for _, q := range []string{"", "?hub.mode=subscribe&hub.verify_token=x", "?hub.mode=subscribe&hub.verify_token=v"} {
		w.mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/hooks/chat/shop"+q, nil))
	}
	r = httptest.NewRequest("POST", "/hooks/chat/shop", iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 3000))))
	w.mux.ServeHTTP(httptest.NewRecorder(), r)
	want := map[string]int64{"later": 1, "refused cut off": 1, "refused subscription": 2, "refused too large": 1}
	if got := since(before, counter.Counts()); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// since is what was added.
func since(before, after map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for k, n := range after {
		if n != before[k] {
			out[k] = n - before[k]
		}
	}
	return out
}
