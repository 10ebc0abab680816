package slack

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// row is a case of the corpus, as far as Slack is concerned.
type row struct {
	ID         string            `json:"id"`
	Kind       string            `json:"kind"`
	Body       string            `json:"body"`
	BodyBase64 string            `json:"body_base64"`
	Digest     string            `json:"input_sha256"`
	Scheme     string            `json:"scheme"`
	Secret     string            `json:"secret"`
	Headers    map[string]string `json:"headers"`
	Now        int64             `json:"now"`
	Expect     struct {
		Valid    bool   `json:"valid"`
		Outer    string `json:"outer_type"`
		Event    string `json:"event_type"`
		Subtype  string `json:"subtype"`
		Type     string `json:"type"`
		Callback string `json:"callback_id"`
		Contains string `json:"response_contains"`
		Command  string `json:"command"`
	} `json:"expect"`
	body []byte
}

func rows(t testing.TB, name string) []row {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus(t), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []row
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 8<<20)
	for sc.Scan() {
		var r row
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		r.body = []byte(r.Body)
		if r.BodyBase64 != "" {
			if r.body, err = base64.StdEncoding.DecodeString(r.BodyBase64); err != nil {
				t.Fatal(err)
			}
		}
		if sum := sha256.Sum256(r.body); hex.EncodeToString(sum[:]) != r.Digest {
			t.Fatalf("%s: the input is not what it was: line endings converted?", r.ID)
		}
		out = append(out, r)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCorpusSignatures(t *testing.T) {
	right, all := 0, 0
	for _, r := range rows(t, "signatures.jsonl") {
		if r.Scheme != "slack-v0" {
			continue
		}
		all++
		h := http.Header{}
		for k, v := range r.Headers {
			h.Set(k, v)
		}
		err := verify(r.Secret, 5*time.Minute, time.Unix(r.Now, 0), h, r.body)
		if (err == nil) != r.Expect.Valid {
			t.Errorf("%s: %v, want valid %v", r.ID, err, r.Expect.Valid)
			continue
		}
		right++
	}
	if right != 12 || all != 12 {
		t.Errorf("%d of %d right, want 12 of 12", right, all)
	}
}

// TestCorpusEvents: every shape Slack documents is decoded and answered 200, and
// those with nothing but blanks make no ticket.
func TestCorpusEvents(t *testing.T) {
	w := newTown(t, plan{})
	all := rows(t, "slack_events.jsonl")
	for i, r := range all {
		e, odd, err := decode(r.body)
		if err != nil || odd != "" {
			t.Errorf("%s: %v %s", r.ID, err, odd)
			continue
		}
		if string(e.Type) != r.Expect.Outer || r.Expect.Event != "" && string(e.Event.Type) != r.Expect.Event || string(e.Event.Subtype) != r.Expect.Subtype {
			t.Errorf("%s: read as %q, %q, %q", r.ID, e.Type, e.Event.Type, e.Event.Subtype)
		}
		if status := w.raw("/events", r.body); status != 200 {
			t.Errorf("%s: answered %d", r.ID, status)
		}
		if got := w.a.Inspect(t.Context(), r.body); len(got) < 2 {
			t.Errorf("%s: %q explains nothing", r.ID, got)
		}
		full := fill(t, r.body, i)
		if status := w.raw("/events", full); status != 200 {
			t.Errorf("%s, filled: answered %d\n%s", r.ID, status, full)
		}
	}
	if len(all) != 97 {
		t.Errorf("%d shapes, want 97", len(all))
	}
	took := map[string]int{}
	for _, d := range w.h.drafts() {
		if d.ExternalID == "" || d.Fingerprint == "" || d.Raw.Digest == "" {
			t.Errorf("a draft without identity: %+v", d)
		}
		if k := d.Auto.Kind; k == desk.AutoUnread || k == desk.AutoNotice {
			took[string(k)]++
			continue
		}
		took[string(d.Act)+"/"+d.Headers["slack-subtype"]]++
		if d.From.Handle == "" {
			t.Errorf("a draft of nobody: %+v", d)
		}
	}
	for _, want := range []string{"/", "/file_share", "/thread_broadcast", "/me_message", "edit/", "delete/", "unread", "notice"} {
		if took[want] == 0 {
			t.Errorf("no draft of the kind %q: %v", want, took)
		}
	}
	c := w.a.Counts()
	if c[string(toKeep)] == 0 || c[string(toNotice)] == 0 || c[string(toNobody)] == 0 {
		t.Errorf("counts %v", c)
	}
	for _, r := range all[:1] { // of no use
		sum := sha256.Sum256(r.body)
		if _, ok := w.h.blobs[hex.EncodeToString(sum[:])]; ok && r.Expect.Event == "app_home_opened" {
			t.Errorf("%s has no use and was kept", r.ID)
		}
	}
}

// fill puts plausible values into a shape of blanks.
func fill(t *testing.T, body []byte, n int) []byte {
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	words := 0
	var walk func(v any, name string) any
	walk = func(v any, name string) any {
		switch x := v.(type) {
		case map[string]any:
			for k, e := range x {
				x[k] = walk(e, k)
			}
		case []any:
			for i := range x {
				x[i] = walk(x[i], name)
			}
		case string:
			if x != "" && !strings.HasPrefix(x, "0000000000") {
				return x
			}
			switch {
			case name == "ts" || name == "thread_ts" || name == "event_ts" || name == "deleted_ts":
				return fmt.Sprintf("1700000000.%06d", n)
			case name == "channel" || name == "channel_id":
				return help
			case name == "user" || name == "user_id" || name == "item_user":
				return ada
			case name == "team" || name == "team_id":
				return "TACME0001"
			case name == "text":
				words++
				return fmt.Sprint("words ", words)
			case strings.HasPrefix(name, "bot_") || name == "app_id" || name == "api_app_id" || name == "subtype":
				return ""
			case strings.HasPrefix(name, "url_private"):
				return "http://169.254.169.254/latest/meta-data"
			}
		}
		return v
	}
	walk(v, "")
	if e, ok := v["event"].(map[string]any); ok && e["event_ts"] != nil {
		v["event_id"] = "Ev" + strings.ToUpper(hex.EncodeToString([]byte(e["type"].(string))))
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCorpusInteractions(t *testing.T) {
	w := newTown(t, plan{})
	all := rows(t, "slack_interactions.jsonl")
	for _, r := range all {
		path := "/interactions"
		if r.Kind == "slack_command" {
			path = "/commands"
		} else if i, err := decodeInteraction(r.body); err != nil || string(i.Type) != r.Expect.Type || r.Expect.Callback != "" && string(i.CallbackID) != r.Expect.Callback {
			t.Errorf("%s: read as %q, %q: %v", r.ID, i.Type, i.CallbackID, err)
		}
		if status := w.raw(path, r.body); status != 200 {
			t.Errorf("%s: answered %d", r.ID, status)
		}
	}
	if len(all) != 11 {
		t.Errorf("%d shapes, want 11", len(all))
	}
}
