package slack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

func TestUnsignedIsRefused(t *testing.T) {
	w := newTown(t, plan{})
	body := []byte(`{"type":"event_callback","event_id":"Ev1","team_id":"TACME0001","event":{"type":"message","channel":"CHELP0001","user":"UADA00001","ts":"1700000000.000100","text":"hi"}}`)
	now := time.Now()
	sign := func(secret string, at time.Time, b []byte) map[string]string {
		ts, sig := fakeslack.Sign(secret, at, b)
		return map[string]string{headerTimestamp: ts, headerSignature: sig}
	}
	good := w.s.Options().SigningSecret
	for name, h := range map[string]map[string]string{
		"nothing":        {},
		"wrong secret":   sign("other", now, body),
		"empty secret":   sign("", now, body),
		"other body":     sign(good, now, append([]byte(" "), body...)),
		"old":            sign(good, now.Add(-6*time.Minute), body),
		"from tomorrow":  sign(good, now.Add(24*time.Hour), body),
		"no time":        {headerSignature: sign(good, now, body)[headerSignature]},
		"no signature":   {headerTimestamp: sign(good, now, body)[headerTimestamp]},
		"other time":     {headerTimestamp: fmt.Sprint(now.Unix() + 1), headerSignature: sign(good, now, body)[headerSignature]},
		"version":        {headerTimestamp: sign(good, now, body)[headerTimestamp], headerSignature: "v1=" + sign(good, now, body)[headerSignature][3:]},
		"short":          {headerTimestamp: sign(good, now, body)[headerTimestamp], headerSignature: sign(good, now, body)[headerSignature][:20]},
		"capital prefix": {headerTimestamp: sign(good, now, body)[headerTimestamp], headerSignature: "V0=" + sign(good, now, body)[headerSignature][3:]},
	} {
		for _, path := range []string{"/events", "/commands", "/interactions"} {
			if status := w.post(path, body, h); status != 401 {
				t.Errorf("%s to %s: %d", name, path, status)
			}
		}
	}
	if n := len(w.h.drafts()) + len(w.h.blobs); n != 0 {
		t.Errorf("%d things were kept of strangers", n)
	}
	if status := w.post("/events", body, sign(good, now, body)); status != 200 {
		t.Errorf("the good one: %d", status)
	}
	if status := w.post("/events", body, sign(good, now.Add(-4*time.Minute), body)); status != 200 { // a replay within the window
		t.Errorf("the good one again: %d", status)
	}
	w.one()
	if w.s.Calls("download") != nil {
		t.Error("something was fetched")
	}
}

// TestURLVerificationIsSigned: nobody learns by it that we are here.
func TestURLVerificationIsSigned(t *testing.T) {
	w := newTown(t, plan{})
	body := []byte(`{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYP8P"}`)
	if status := w.post("/events", body, nil); status != 401 {
		t.Errorf("unsigned: %d", status)
	}
	if status := w.raw("/events", body); status != 200 {
		t.Errorf("signed: %d", status)
	}
}

// TestOddBodiesAreKept: what is answered 200 and is no message is a row all the
// same, with its bytes and the reason.
func TestOddBodiesAreKept(t *testing.T) {
	w := newTown(t, plan{})
	for name, c := range map[string]struct {
		body string
		kind desk.AutoKind
		why  string
	}{
		"empty":            {"", desk.AutoUnread, "not a JSON object"},
		"no JSON":          {"hello", desk.AutoUnread, "not a JSON object"},
		"half":             {`{"type":"event_callback","event":{"type":"mess`, desk.AutoUnread, "not a JSON object"},
		"list":             {`[1,2,3]`, desk.AutoUnread, "not a JSON object"},
		"null":             {`null`, desk.AutoUnread, "not a JSON object"},
		"deep":             {strings.Repeat("[", 400000) + strings.Repeat("]", 400000), desk.AutoUnread, "not a JSON object"},
		"deep objects":     {strings.Repeat(`{"event":`, 100000) + "1" + strings.Repeat("}", 100000), desk.AutoUnread, "not a JSON object"},
		"no type":          {`{"type":"event_callback","event_id":"Ev7","event":{"user":"UADA00001"}}`, desk.AutoUnread, "no type"},
		"bad UTF-8":        {"{\"type\":\"event_callback\",\"event\":{\"type\":\"\xff\xfe\"}}", desk.AutoNotice, "not known here"},
		"unknown type":     {`{"type":"event_callback","event_id":"Ev9","event":{"type":"new_thing_2031","user":"UADA00001"}}`, desk.AutoNotice, "not known here"},
		"removed":          {`{"type":"event_callback","event_id":"Ev8","event":{"type":"app_uninstalled"}}`, desk.AutoNotice, "removed from the workspace"},
		"unknown subtype":  {`{"type":"event_callback","event":{"type":"message","subtype":"hologram","channel":"CHELP0001","user":"UADA00001","ts":"1700000000.1","text":"x"}}`, desk.AutoUnread, "subtype"},
		"no channel":       {`{"type":"event_callback","event":{"type":"message","user":"UADA00001","ts":"1700000000.1","text":"x"}}`, desk.AutoUnread, "no channel"},
		"channel of blobs": {`{"type":"event_callback","event":{"type":"message","channel":{"id":"C1"},"user":["U"],"ts":17,"text":{}}}`, desk.AutoUnread, "no channel"},
		"ts with colons":   {`{"type":"event_callback","event":{"type":"message","channel":"CHELP0001","user":"UADA00001","ts":"1:2:3","text":"x"}}`, desk.AutoUnread, "no timestamp"},
		"edit of nothing":  {`{"type":"event_callback","event":{"type":"message","subtype":"message_changed","channel":"CHELP0001","ts":"1700000000.1"}}`, desk.AutoUnread, "of which message"},
		"delete nothing":   {`{"type":"event_callback","event":{"type":"message","subtype":"message_deleted","channel":"CHELP0001","ts":"1700000000.1"}}`, desk.AutoUnread, "of which message"},
		"team with colon":  {`{"type":"event_callback","team_id":"T:1","event":{"type":"message","channel":"CHELP0001","user":"UADA00001","ts":"1700000000.1","text":"x"}}`, desk.AutoUnread, "no proper ID"},
		"reaction to air":  {`{"type":"event_callback","event":{"type":"reaction_added","user":"UADA00001","reaction":"ticket","item":{"type":"message"}}}`, desk.AutoUnread, "to which message"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.h.drafts())
			for range 2 { // Slack may come again: it is one row
				if status := w.raw("/events", []byte(c.body)); status != 200 {
					t.Fatalf("answered %d", status)
				}
			}
			sum := sha256.Sum256([]byte(c.body))
			digest := hex.EncodeToString(sum[:])
			ds := w.h.drafts()[before:]
			if len(ds) != 1 {
				t.Fatalf("%d rows, want 1", len(ds))
			}
			d := ds[0]
			if _, ok := w.h.blobs[digest]; !ok && len(d.Kept) == 0 {
				t.Error("the bytes are not kept")
			}
			if d.Auto.Kind != c.kind || !strings.Contains(d.Auto.Reason, c.why) {
				t.Errorf("%q %q, want %q %q", d.Auto.Kind, d.Auto.Reason, c.kind, c.why)
			}
			if d.Source != "acme" || d.Channel != desk.Slack || d.Scope != "SLACK" || d.Raw.Digest != digest || d.Fingerprint == "" || d.Text == "" || d.ReceivedAt.IsZero() {
				t.Errorf("%+v", d)
			}
			if id := d.ExternalID; id != "sha256:"+digest && !(strings.HasPrefix(id, "Ev") && strings.Contains(c.body, `"`+id+`"`)) {
				t.Errorf("external ID %q", id)
			}
			if d.Auto.Reason != desk.Clean(d.Auto.Reason) || d.Text != desk.Clean(d.Text) {
				t.Errorf("not clean: %q %q", d.Auto.Reason, d.Text)
			}
		})
	}
	c := w.a.Counts()
	if c["unreadable"] != 14 || c[string(toKeep)] != 18 || c[string(toNotice)] != 6 {
		t.Errorf("counts %v", c)
	}
}

// TestKeptGoesWithItsRow: a small request is written with its row.
func TestKeptGoesWithItsRow(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.Limits.KeepBytes = 64 << 10 }})
	for _, body := range []string{"", "hello", `{"type":"event_callback","event":{"type":"new_thing_2031"}}`} {
		if status := w.raw("/events", []byte(body)); status != 200 {
			t.Fatalf("answered %d", status)
		}
		ds := w.h.drafts()
		if len(ds) == 0 {
			t.Fatal("no row")
		}
		if d := ds[len(ds)-1]; len(d.Kept) != 1 || string(d.Kept[0].Bytes) != body || d.Kept[0].Ref != d.Raw {
			t.Errorf("%q: %+v", body, d.Kept)
		}
	}
	if len(w.h.blobs) != 0 {
		t.Errorf("%d blobs beside the rows", len(w.h.blobs))
	}
}

// TestKeptOrAskedForAgain: without a row nobody is told yes.
func TestKeptOrAskedForAgain(t *testing.T) {
	w := newTown(t, plan{})
	w.h.refuse = func([]*desk.Draft) error { return desk.ErrUnavailable }
	for path, body := range map[string]string{"/events": "hello", "/commands": "%zz", "/interactions": "payload=%7Bhalf"} {
		if status := w.raw(path, []byte(body)); status != 503 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status := w.raw("/events", []byte(`{"type":"event_callback","event":{"type":"new_thing_2031"}}`)); status != 503 {
		t.Errorf("%d", status)
	}
}

// TestOddFieldsDoNoHarm: what slack-go's parser refuses is a message all the same.
func TestOddFieldsDoNoHarm(t *testing.T) {
	w := newTown(t, plan{})
	body := `{"type":"event_callback","event_id":12345,"event_time":"soon","team_id":"TACME0001","is_ext_shared_channel":"maybe","authorizations":{"0":1},
	"event":{"type":"message","channel":"CHELP0001","channel_type":7,"user":"UADA00001","ts":1700000000.000100,"text":"still readable",
	"blocks":[{"type":"rich_text","block_id":77,"elements":"none"}],"files":"none","edited":[]}}`
	if status := w.raw("/events", []byte(body)); status != 200 {
		t.Fatalf("answered %d", status)
	}
	d := w.one()
	if d.Text != "still readable" || d.ExternalID != "TACME0001:CHELP0001:1700000000.000100" || !strings.Contains(d.Headers["slack-decision"], "left out") {
		t.Errorf("%+v", d)
	}
}

func TestLargeBodies(t *testing.T) {
	w := newTown(t, plan{})
	big := bytes.Repeat([]byte("a"), 10<<20)
	if status := w.raw("/events", big); status != 413 {
		t.Errorf("10 MB: %d", status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/events", struct{ *bytes.Reader }{bytes.NewReader(big)}) // no length told
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("10 MB in chunks: %d", resp.StatusCode)
		}
	}
	if len(w.h.blobs) != 0 {
		t.Error("it was kept")
	}
}

// TestFilesFromElsewhere: the token goes to Slack only, and nothing is fetched
// from an address in a message.
func TestFilesFromElsewhere(t *testing.T) {
	var hits atomic.Int32
	var token atomic.Value
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		token.Store(r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	w := newTown(t, plan{})
	for i, u := range []string{
		elsewhere.URL + "/x", "http://169.254.169.254/latest/meta-data/", "https://files.slack.com.evil.example/x", "https://evilslack.com/x",
		"http://files.slack.com/x", "https://files.slack.com@" + strings.TrimPrefix(elsewhere.URL, "http://") + "/x", "file:///etc/passwd",
		"ftp://files.slack.com/x", "//files.slack.com/x", "https://files.slack.com:8443/x", "https://[::1]/x", "http://" + w.s.Host() + "@127.0.0.1:1/x", "\x7f://",
	} {
		f := w.s.AddFile(fakeslack.File{Name: "x.bin", URL: u, Bytes: []byte("x")})
		w.say(fakeslack.Message{Channel: help, User: ada, Text: fmt.Sprint("file ", i), Files: []*fakeslack.File{f}})
		d := w.h.drafts()[i]
		if len(d.Attachments) != 0 || len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "not one of Slack's") {
			t.Errorf("%s: attachments %v, damage %q", u, d.Attachments, d.Damage)
		}
		if strings.Contains(strings.Join(d.Damage, ""), "://") {
			t.Errorf("%s: the damage tells the address: %q", u, d.Damage)
		}
	}
	// Sent on from Slack's own host to another.
	f := w.s.AddFile(fakeslack.File{Name: "x.bin", Bytes: []byte("x")})
	w.s.Next("download", fakeslack.Fault{Body: elsewhere.URL + "/x"}, fakeslack.Fault{Body: elsewhere.URL + "/x"}, fakeslack.Fault{Body: elsewhere.URL + "/x"})
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "redirect", Files: []*fakeslack.File{f}})
	all := w.h.drafts()
	if d := all[len(all)-1]; len(d.Attachments) != 0 || len(d.Damage) != 1 {
		t.Errorf("redirected: %+v", d)
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests elsewhere, token %v", hits.Load(), token.Load())
	}
}

// TestDialGuard: a name that resolves to a private address is refused when the
// connection is made.
func TestDialGuard(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tr := guarded("https://slack.com/api/")
	defer tr.CloseIdleConnections()
	for _, addr := range []string{l.Addr().String(), "10.0.0.1:80", "[::1]:80", "169.254.169.254:80", "192.168.1.1:443", "[fd00::1]:443", "[::ffff:127.0.0.1]:80",
		"100.64.0.1:80", "0.0.0.0:80", "[64:ff9b::7f00:1]:80", "224.0.0.1:80"} {
		ctx, cancel := context.WithTimeout(t.Context(), hang)
		conn, err := tr.DialContext(ctx, "tcp", addr)
		cancel()
		if err == nil {
			conn.Close()
			t.Errorf("%s: connected", addr)
		} else if !strings.Contains(err.Error(), "private address") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	free := guarded("http://" + l.Addr().String() + "/api/")
	defer free.CloseIdleConnections()
	conn, err := free.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestMayFetch(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://files.slack.com/files-pri/T1-F1/x": true, "https://slack.com/x": true, "https://files.slack-gov.com/x": true,
		"https://FILES.SLACK.COM/x": true, "https://files.slack.com:443/x": true, "http://127.0.0.1:99/files/x": true,
		"http://127.0.0.1:98/x": false, "https://127.0.0.1:99/x": false, "https://notslack.com": false, "https://slack.com.evil/": false, "": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := mayFetch("http://127.0.0.1:99/api/", u); got != want {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

// TestFileTroubleIsDamage: whatever happens to a file, the message is taken.
func TestFileTroubleIsDamage(t *testing.T) {
	three := func(f fakeslack.Fault) []fakeslack.Fault { return []fakeslack.Fault{f, f, f} }
	for name, c := range map[string]struct {
		faults []fakeslack.Fault
		damage string
	}{
		"once down":     {[]fakeslack.Fault{{Status: 503}}, ""},
		"once cut":      {[]fakeslack.Fault{{Cut: true}}, ""},
		"forbidden":     {[]fakeslack.Fault{{Status: 403}}, "403"},
		"gone":          {[]fakeslack.Fault{{Status: 404}}, "404"},
		"always broken": {three(fakeslack.Fault{Status: 500}), "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, plan{})
			f := w.s.AddFile(fakeslack.File{Name: "x.bin", Mimetype: "text/plain", Bytes: bytes.Repeat([]byte("0123456789"), 100000)})
			w.s.Next("download", c.faults...)
			_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "x", Files: []*fakeslack.File{f}})
			if !d.OK {
				t.Fatalf("%+v", d.Attempts)
			}
			x := w.one()
			if c.damage == "" {
				if len(x.Damage) != 0 || len(x.Attachments) != 1 || !bytes.Equal(w.h.blobs[x.Attachments[0].Blob.Digest], f.Bytes) {
					t.Errorf("%v %v", x.Damage, x.Attachments)
				}
			} else if len(x.Damage) != 1 || !strings.Contains(x.Damage[0], c.damage) || len(x.Attachments) != 0 {
				t.Errorf("%q %v", x.Damage, x.Attachments)
			}
		})
	}
}

// TestSignInPage: without the right to read a file Slack answers with a page of
// HTML and 200; that is no file.
func TestSignInPage(t *testing.T) {
	w := newTown(t, plan{})
	w.a.files = slackgo.New("xoxb-without-files-read", slackgo.OptionAPIURL(w.s.APIURL()), slackgo.OptionHTTPClient(w.a.http))
	f := w.s.AddFile(fakeslack.File{Name: "x.bin", Bytes: []byte("x")})
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "x", Files: []*fakeslack.File{f}})
	if d := w.one(); len(d.Attachments) != 0 || len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "sign-in") {
		t.Errorf("%v %q", d.Attachments, d.Damage)
	}
}

func TestRateLimitNotice(t *testing.T) {
	w := newTown(t, plan{})
	if status := w.raw("/events", []byte(`{"type":"app_rate_limited","minute_rate_limited":1518467820,"team_id":"TACME0001","api_app_id":"A1"}`)); status != 200 {
		t.Errorf("answered %d", status)
	}
	if w.a.Counts()[typeRateLimited] != 1 || !strings.Contains(w.logs.String(), "30000") {
		t.Errorf("counts %v", w.a.Counts())
	}
}

// TestTooMuchAtOnce: beyond what may be at work the answer is "later".
func TestTooMuchAtOnce(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.inflight.most = 1; a.answerWithin = 20 * time.Millisecond }})
	hold := make(chan struct{})
	w.h.refuse = func([]*desk.Draft) error { <-hold; return nil }
	done := make(chan int, 1)
	event := func(n int) []byte {
		return fmt.Appendf(nil, `{"type":"event_callback","event_id":"Ev%d","team_id":"TACME0001","event":{"type":"message","channel":"CHELP0001","user":"UADA00001","ts":"170000000%d.000100","text":"hi"}}`, n, n)
	}
	go func() { done <- w.raw("/events", event(1)) }()
	if status := <-done; status != 503 {
		t.Errorf("still at work: %d", status)
	}
	if status := w.raw("/events", event(2)); status != 503 {
		t.Errorf("full: %d", status)
	}
	close(hold)
	await(t, w, func() bool { return len(w.h.drafts()) == 1 })
	w.a.answerWithin = time.Minute
	if status := w.raw("/events", event(1)); status != 200 {
		t.Errorf("sent again: %d", status)
	}
}
