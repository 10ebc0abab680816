package chat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

const tokenBlock = "signature: {scheme: token, header: X-Key, secret: k}\nattachments: {hosts: [files.example, '*.cdn.example', '127.0.0.1', localhost, 10.0.0.1]}\n" +
	"mapping: {id: body.id, from: body.from, text: body.text, thread: body.thread, attachments: body.files, sentAt: body.at}\n"

// TestRefused: what a stranger sends is refused with a status that says why,
// and nothing of it is in the ledger.
func TestRefused(t *testing.T) {
	w := newTown(t, tokenBlock)
	good := `{"id":1,"from":"ada","text":"hi"}`
	deep := strings.Repeat(`[`, 100000) + strings.Repeat(`]`, 100000)
	for _, tc := range []struct {
		name, body, key, kind string
		status                int
		says                  string
	}{
		{"no signature", good, "", "", 401, ""},
		{"wrong signature", good, "x", "", 401, ""},
		{"a signature that begins right", good, "kk", "", 401, ""},
		{"too large", `{"text":"` + strings.Repeat("x", 11<<20) + `"}`, "k", "", 413, ""},
		{"deep", deep, "k", "", 400, "nested deeper"},
		{"cut off", good[:20], "k", "", 400, "not valid JSON"},
		{"more behind it", good + "{}", "k", "", 400, "follows"},
		{"empty", "", "k", "", 400, ""},
		{"no sender", `{"id":1,"text":"hi"}`, "k", "", 400, "from: is missing"},
		{"nothing said", `{"id":1,"from":"ada","text":" "}`, "k", "", 400, "text: is missing"},
		{"text is a list", `{"id":1,"from":"ada","text":["hi"]}`, "k", "", 400, "text: want text, got a list"},
		{"sender is an object", `{"id":1,"from":{"a":1},"text":"hi"}`, "k", "", 400, "from: want text, got an object"},
		{"files are a number", `{"id":1,"from":"ada","text":"hi","files":7}`, "k", "", 400, "attachments: want a list of files"},
		{"a bare list", `[1,2]`, "k", "", 400, "from: is missing"},
		{"null", `null`, "k", "", 400, "from: is missing"},
		{"plain text", "hello", "k", "text/plain", 400, "neither JSON nor a form"},
		{"a form of nothing but &", strings.Repeat("&", 1<<20), "k", "application/x-www-form-urlencoded", 400, ""},
		{"a form without boundary", "x", "k", "multipart/form-data", 400, "boundary"},
		{"many fields", strings.Repeat("a=b&", 5000), "k", "application/x-www-form-urlencoded", 400, "more than"},
	} {
		headers := []string{"X-Key", tc.key}
		if tc.kind != "" {
			headers = append(headers, "Content-Type", tc.kind)
		}
		start := time.Now()
		out := w.post(tc.body, headers...)
		if out.Code != tc.status || !strings.Contains(out.Body.String(), tc.says) {
			t.Errorf("%s: %d %s, want %d with %q", tc.name, out.Code, out.Body, tc.status, tc.says)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: took %s", tc.name, took)
		}
	}
	if n := len(w.h.drafts()); n != 0 {
		t.Errorf("%d drafts", n)
	}
	w.h.refuse = desk.ErrBusy
	if out := w.post(good, "X-Key", "k"); out.Code != http.StatusServiceUnavailable || out.Header().Get("Retry-After") == "" {
		t.Error(out.Code)
	}
	w.h.refuse = nil
	odd := `{"id":12345678901234567890,"from":"a\u0000da","text":"x\ud800","at":"soon","thread":{}}`
	if out := w.post(strings.Replace(odd, `{}`, `true`, 1), "X-Key", "k"); out.Code != 200 {
		t.Error(out.Code, out.Body)
	}
	if d := w.h.drafts()[0]; d.ExternalID != "shop:12345678901234567890" || strings.ContainsRune(d.From.Handle, 0) || len(d.Damage) != 1 || d.SentAt.IsZero() == false {
		t.Errorf("%+v", d)
	}
}

// TestFilesElsewhere: a file from where it may not come is Damage, and nobody is
// called.
func TestFilesElsewhere(t *testing.T) {
	called := make(chan struct{}, 100)
	inner := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { called <- struct{}{}; _, _ = io.WriteString(w, "secret") }))
	defer inner.Close()
	u, err := url.Parse(inner.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := newTown(t, tokenBlock)
	for i, address := range []string{inner.URL, "http://files.example/x", "https://other.example/x", "https://files.example.evil.example/x", "https://user@files.example/x", "https://files.example:8443/x",
		"file:///etc/passwd", "https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1/x", "//files.example/x", "https://[::1]/x", "https://cdn.example/x", ":"} {
		out := w.post(`{"id":`+words1(i)+`,"from":"ada","text":"hi","files":["`+address+`"]}`, "X-Key", "k")
		d := w.h.drafts()[i]
		if out.Code != 200 || len(d.Attachments) != 0 || len(d.Damage) != 1 {
			t.Errorf("%s: %d %+v", address, out.Code, d)
		}
	}
	if len(called) != 0 {
		t.Error("it was fetched")
	}
	for _, ip := range []string{"127.0.0.1:443", "10.1.2.3:443", "192.168.1.1:443", "169.254.169.254:443", "[::1]:443", "[fd00::1]:443", "[::ffff:10.0.0.1]:443", "0.0.0.0:443", "100.64.0.1:443", "[64:ff9b::a00:1]:443", "224.0.0.1:443", "nonsense"} {
		if onlyPublic("tcp", ip, nil) == nil {
			t.Errorf("%s would be connected to", ip)
		}
	}
	if err := onlyPublic("tcp", "93.184.216.34:443", nil); err != nil {
		t.Error(err)
	}
	// The way there is open when the host is named and public: only then.
	t.Run("allowed", func(t *testing.T) {
		transport := inner.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.ServerName = "example.com"
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, u.Host)
		}
		w.a.files.CloseIdleConnections()
		w.a.files.Transport = transport
		if out := w.post(`{"id":99,"from":"ada","text":"hi","files":["https://files.example/a/report.txt"]}`, "X-Key", "k"); out.Code != 200 {
			t.Fatal(out.Code)
		}
		ds := w.h.drafts()
		d := ds[len(ds)-1]
		if len(d.Attachments) != 1 || d.Attachments[0].Name != "report.txt" || w.h.bytes(t, d.Attachments[0].Blob) != "secret" {
			t.Errorf("%+v", d)
		}
		w.a.settings.Attachments.FileBytes = 3
		if out := w.post(`{"id":100,"from":"ada","text":"hi","files":["https://files.example/a"]}`, "X-Key", "k"); out.Code != 200 {
			t.Fatal(out.Code)
		}
		ds = w.h.drafts()
		if d := ds[len(ds)-1]; len(d.Attachments) != 0 || len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "larger than fileBytes") {
			t.Errorf("%+v", d)
		}
	})
}

func words1(v any) string { s, _ := words(v); return s }

// TestSettings: every block that is wrong is refused by its key.
func TestSettings(t *testing.T) {
	base := "signature: {scheme: token, header: X-Key, secret: k}\n"
	m := "mapping: {from: body.a, text: body.b}\n"
	for _, tc := range []struct{ block, field string }{
		{"preset: nobody", "preset"},
		{m, "signature.scheme"},
		{"signature: {scheme: none}\n" + m, "signature.scheme"},
		{"signature: {scheme: token, header: X}\n" + m, "signature.secret"},
		{"signature: {scheme: hmac, secret: x}\n" + m, "signature.header"},
		{"signature: {scheme: standard-webhooks, secret: whsec_x}\n" + m, "signature.secret"},
		{"signature: {scheme: basic, secret: x}\n" + m, "signature.user"},
		{"signature: {scheme: discord, publicKey: zz}\n" + m, "signature.publicKey"},
		{"signature: {scheme: sendgrid, publicKey: zz}\n" + m, "signature.publicKey"},
		{"signature: {scheme: twilio, secret: x}\n" + m, "url"},
		{"url: http://desk.example\n" + base + m, "url"},
		{base, "mapping.from"},
		{base + "mapping: {from: body.a, text: 'body.'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: '1..9'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'let x = 1; x'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'map(body, map(#, #))'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'map(body, # in body)'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'reduce(body, #)'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'body.a()'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'nobody.a'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: 'body.a matches \"x\"'}", "mapping.text"},
		{base + "mapping: {from: body.a, text: body.b, each: 'item[]'}", "mapping.each"},
		{base + "mapping: {from: body.a, text: body.b, each: 'body.x'}", "mapping.each"},
		{base + m + "depth: 0", "depth"},
		{base + m + "attachments: {hosts: ['*']}", "attachments.hosts[0]"},
		{base + m + "send: {url: https://x.example}", "send"},
		{base + m + "send: {via: pigeon}", "send.via"},
		{base + m + "send: {via: callback, secret: x}", "send.url"},
		{base + m + "send: {via: callback, url: 'http://x.example', secret: x}", "send.url"},
		{base + m + "send: {via: intercom, token: x}", "send.sender"},
		{base + m + "samples: [{body: {a: 1, b: x}, want: {text: y}}]", "samples[0].want.text"},
		{base + m + "samples: [{body: {a: 1, b: x}, want: {colour: y}}]", "samples[0].want.colour"},
		{base + m + "samples: [{body: {a: 1, b: x}}, {body: {a: 1}}]", "samples[1]"},
		{base + m + "samples: [{want: {text: y}}]", "samples[0]"},
		{base + m + "samples: [{file: /nowhere/at/all}]", "samples[0]"},
	} {
		err := Kind().Check(block(tc.block))
		var bad *desk.Invalid
		if !errors.As(err, &bad) || bad.Field != tc.field {
			t.Errorf("%s:\n%v, want %s", tc.block, err, tc.field)
		}
	}
	if err := Kind().Check(nil); err == nil {
		t.Error("no block is good")
	}
	for _, good := range []string{
		base + m + "samples: [{body: {a: 1, b: x}, want: {from: 1, text: x, messages: 1, attachments: 0, spam: false}}, {body: 'a=1&b=x', headers: {Content-Type: application/x-www-form-urlencoded}, want: {text: x}}]",
		"preset: postmark\nsignature: {user: u, secret: s}\nsamples: [{body: {RawEmail: \"From: a@b.example\\nSubject: S\\nMessage-ID: <1@b>\\n\\nHi\"}, want: {from: a@b.example, subject: S, text: Hi, id: 1@b}}]",
	} {
		if err := Kind().Check(block(good)); err != nil {
			t.Errorf("%s:\n%v", good, err)
		}
	}
	for name := range presets() {
		if name == "" {
			continue
		}
		p := "preset: " + name + "\nurl: https://desk.example/x\nsignature: {user: u, secret: s, publicKey: " + strings.Repeat("ab", 32) + "}\n"
		if err := Kind().Check(block(p)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ad := newTown(t, p); ad.a == nil {
			t.Error("not opened")
		}
	}
}

// FuzzBody: whatever a body is, every preset answers, and in time.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `{"message":{"chat":{"id":1},"from":{"id":1},"text":"x"}}`, `{"entry":[{"changes":[{"value":{"messages":[{"from":"1"}]}}]}]}`,
		`a[b][c]=1&a[b]=2&from=x`, `mandrill_events=[{"event":"inbound","msg":{"raw_msg":"From: a\n\nx"}}]`, "--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nFrom: a\r\n\r\nhi\r\n--x--", `{"type":2,"data":{"options":[{"type":3,"value":[]}]}}`,
		`{"Attachments":[{"Content":"!!"},{"Content":"eA=="},7],"From":1e400,"Headers":[[1,2],{"Name":"x"}]}`} {
		f.Add([]byte(s), "application/json", `body.a ?? first(body.b)`)
		f.Add([]byte(s), "application/x-www-form-urlencoded", `join(map(body.x, #.y), header(body, "a"))`)
		f.Add([]byte(s), "multipart/form-data; boundary=x", `{"a": [where(body, "a", 1)]}`)
	}
	var all []settings
	for name := range presets() {
		if name == "" {
			continue
		}
		s, err := load(block("preset: " + name + "\nurl: https://desk.example/x\nsignature: {user: u, secret: s, publicKey: " + strings.Repeat("ab", 32) + "}\n"))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, s)
	}
	f.Fuzz(func(t *testing.T, body []byte, kind, src string) {
		start := time.Now()
		header := http.Header{"Content-Type": {kind}, "Authorization": {string(body[:min(len(body), 30)])}}
		for i := range all {
			in := &request{header: header, query: url.Values{}, body: body, form: func() (url.Values, error) { return formOf(kind, body) }}
			_ = all[i].Signature.verify(time.Unix(0, 0), in)
			found, _, err := all[i].read(in)
			var b *malformed
			var m *missing
			if err != nil && !errors.As(err, &b) && !errors.As(err, &m) {
				t.Fatalf("%T %v", err, err)
			}
			for j := range found {
				if found[j].Ignore != "" {
					continue
				}
				d := all[i].draft(&found[j], origin{source: desk.Source{Name: "x", Channel: desk.Chat}, raw: desk.BlobRef{Digest: "d"}})
				if d.ExternalID == "" || d.Thread.Key == "" || d.Text != desk.Clean(d.Text) || d.Subject != desk.Clean(d.Subject) || d.From.Handle != desk.Clean(d.From.Handle) || bytes.ContainsRune(d.Thread.Address, 0) {
					t.Fatalf("%+v", d)
				}
			}
		}
		if p, err := compileExpr(src); err == nil {
			if v, err := decodeBody(kind, body, 40); err == nil {
				out, err := p.run(&env{Body: v.body, Item: v.body})
				if err == nil {
					_, _ = words(out)
					_, _ = fileRefs(out)
					_, _ = instant(out)
				}
			}
		}
		_, _ = telegramHTML(src), whatsappMarks(src)
		if took := time.Since(start); took > 30*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}

// TestLayouts: what leaves for Telegram is what Telegram parses.
func TestLayouts(t *testing.T) {
	f := newFake(t)
	w := newTown(t, telegramBlock(f))
	if status, text, err := f.Telegram(t.Context(), w.url, obj{"update_id": 1, "message": fakechat.TelegramMessage(5, 1, "A", "x", 1)}); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	d := w.h.drafts()[0]
	for _, md := range []string{"a\nb\n\nc", "1. x\n2. y\n   - z", "```go\nif a < b {\n\tx()\n}\n```", "| a | b |\n|---|---|\n| 1 | 2 |", "**a *b* c**", "> q\n> **r**\n\nafter", "<b>raw</b> & \"q\"", "![i](https://x.example/i.png)", "- [ ] t\n- [x] u", "~~s~~ `c`", "# h\n## i"} {
		if _, err := w.sender().Send(t.Context(), reply(d, md)); err != nil {
			t.Errorf("%q: %v", md, err)
		}
	}
	for i, want := range map[int]string{0: "a\nb\n\nc", 2: "<pre>if a &lt; b {\n\tx()\n}\n</pre>", 6: "&lt;b&gt;raw&lt;/b&gt; &amp; &quot;q&quot;"} {
		if got := f.Sent()[i].Text; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
