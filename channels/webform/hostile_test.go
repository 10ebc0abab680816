package webform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"switchboard/pipeline/desk"
)

const generic = "We could not take the form as it was sent."

// TestMachines: what gives a machine away is one answer, and nothing is kept.
func TestMachines(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	now := h.clock()
	fresh := func() string { return h.a.signer.token("contact", h.clock()) }
	other := newSigner([]byte("another secret"), "site")
	old := func(d time.Duration, form string, s signer) string { return s.token(form, now.Add(-d)) }
	for name, pairs := range map[string][]string{
		"no token":          good(""),
		"rubbish":           good("<script>"),
		"forged":            good(old(time.Minute, "contact", other)),
		"other form":        good(old(time.Minute, "short", h.a.signer)),
		"other source":      good(old(time.Minute, "contact", newSigner([]byte("a secret of thirty-two bytes ...."), "else"))),
		"a receipt's":       good(h.a.signer.receiptToken("contact", "01ARZ3NDEKTSV4RRFFQ69G5FAV")),
		"expired":           good(old(25*time.Hour, "contact", h.a.signer)),
		"from the future":   good(old(-time.Hour, "contact", h.a.signer)),
		"too fast":          good(fresh()),
		"bait":              good(old(time.Minute, "contact", h.a.signer), "website", "https://spam.example"),
		"changed":           good(strings.Map(func(r rune) rune { return r ^ 1 }, old(time.Minute, "contact", h.a.signer))),
		"long token":        good(strings.Repeat("A", 100_000)),
		"token after files": {"name", "x"},
	} {
		files := []upFile{{"files", "a.txt", "text/plain", "hello"}}
		code, _, body := h.post("/forms/site/contact", pairs, files...)
		if code != 422 || !strings.Contains(body, generic) || !tokenValue.MatchString(body) {
			t.Errorf("%s: %d", name, code)
		}
		code, header, body := h.post("/forms/site/contact.json?lang=en", pairs, files...)
		if code != 422 || header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, generic) || strings.Contains(body, `"errors"`) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if len(h.all()) != 0 {
		t.Errorf("%d drafts", len(h.all()))
	}
	if n := h.kept(); n != 0 {
		t.Errorf("%d blobs were kept for nobody", n)
	}
	// Whoever was too fast sends the same page again, and it goes through.
	_, _, body := h.post("/forms/site/contact", good(fresh()))
	h.pass(4 * time.Second)
	ok2(t, h, good(tokenValue.FindStringSubmatch(body)[1]))
}

// kept counts the blobs there are.
func (h *house) kept() (n int) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// TestHugeBodies: every limit is a clear refusal.
func TestHugeBodies(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	send := func(media string, body io.Reader) int {
		t.Helper()
		req := httptest.NewRequest("POST", "/forms/site/contact", body)
		req.Header.Set("Content-Type", media)
		code, _, answer := h.do(req)
		if code == 500 || !strings.Contains(answer, "<form") {
			t.Errorf("no page: %d", code)
		}
		return code
	}
	fields := bytes.Buffer{}
	for i := range 10_000 {
		fmt.Fprintf(&fields, "f%d=x&", i)
	}
	many, manyType := multi(t, append([]string{"_token", token}, strings.Split(strings.Repeat("name,x,", 10_000), ",")...))
	longText, longType := multi(t, good(token, "message2", "x", "message", strings.Repeat("x", 2<<20)))
	unknown, unknownType := multi(t, good(token, "nobody", strings.Repeat("x", 10<<20)))
	for name, c := range map[string]struct {
		media string
		body  io.Reader
		want  int
	}{
		"10 MB of text":         {"application/x-www-form-urlencoded", strings.NewReader("message=" + strings.Repeat("x", 10<<20)), 413},
		"10000 fields":          {"application/x-www-form-urlencoded", &fields, 413},
		"10000 parts":           {manyType, many, 413},
		"one long field":        {longType, longText, 413},
		"an unknown long field": {unknownType, unknown, 413},
		"no end":                {"multipart/form-data; boundary=x", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nabc"), 400},
		"no boundary":           {"multipart/form-data", strings.NewReader("x"), 400},
		"bad escapes":           {"application/x-www-form-urlencoded", strings.NewReader("name=%zz"), 400},
		"a header without end":  {"multipart/form-data; boundary=x", strings.NewReader("--x\r\n" + strings.Repeat("A: b\r\n", 20_000) + "\r\n"), 400},
		"plain text":            {"text/plain", strings.NewReader("hello"), 415},
		"no type":               {"", strings.NewReader("hello"), 415},
		"nothing":               {"application/x-www-form-urlencoded", strings.NewReader(""), 422},
	} {
		if got := send(c.media, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	deep := `{"token":"` + token + `","values":{"name":` + strings.Repeat("[", 400_000) + strings.Repeat("]", 400_000) + `}}`
	if code, _, body := h.postJSON("/forms/site/contact.json", deep); code != 400 {
		t.Errorf("deep JSON: %d %s", code, body)
	}
	if len(h.all()) != 0 {
		t.Error("something was taken")
	}
}

func TestUploads(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	mb := strings.Repeat("x", 1<<20)
	txt := func(name, data string) upFile { return upFile{"files", name, "image/png", data} }
	for name, c := range map[string]struct {
		files []upFile
		want  string
	}{
		"too large":      {[]upFile{txt("a.txt", mb+"x")}, "a.txt is larger than 1 MB."},
		"too many":       {[]upFile{txt("a.txt", "a"), txt("b.txt", "b"), txt("c.txt", "c"), txt("d.txt", "d")}, "at most 3 files"},
		"together":       {[]upFile{txt("a.txt", mb), txt("b.txt", mb), txt("c.txt", "x")}, "larger than 2 MB together"},
		"wrong type":     {[]upFile{{"files", "a.exe", "image/png", "MZ"}}, "a.exe is not a kind of file we take"},
		"another's name": {[]upFile{{"files", "a.png", "image/png", "<html><script>alert(1)</script>"}}, "a.png is not a kind of file we take"},
		"empty":          {[]upFile{txt("a.txt", "")}, "a.txt is empty"},
		"hostile name":   {[]upFile{txt(`<img src=x onerror=alert(1)>.exe`, "x")}, "_img src=x onerror=alert(1)_.exe is not"},
	} {
		code, _, body := h.post("/forms/site/contact", good(h.token("contact")), c.files...)
		if code != 422 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d\n%s", name, code, body)
		}
	}
	if code, _, _ := h.post("/forms/site/contact", good(h.token("contact")), txt("a.txt", strings.Repeat(mb, 7))); code != 413 {
		t.Errorf("far too large: %d", code)
	}
	if len(h.all()) != 0 {
		t.Error("something was taken")
	}
	// What fits exactly is taken; an input without a file is none.
	ok2(t, h, good(h.token("contact")), txt("a.txt", mb), txt("b.txt", mb), upFile{"files", "", "application/octet-stream", ""})
	if a := h.all()[0].Attachments; len(a) != 2 || a[0].Blob.Size != 1<<20 || a[0].ContentType != "text/plain" {
		t.Errorf("%+v", a)
	}
	// A file in a field that takes none is no file.
	ok2(t, h, good(h.token("contact")), upFile{"phone", "evil.exe", "", "030 123456"}, upFile{"nobody", "evil.exe", "", "x"})
	if d := h.all()[1]; len(d.Attachments) != 0 || !strings.Contains(d.Text, "030 123456") {
		t.Errorf("%+v", d)
	}
}

// brokenBlobs fails as a full disk does.
type brokenBlobs struct{ err error }

func (b brokenBlobs) Put(context.Context, io.Reader) (desk.BlobRef, error) {
	return desk.BlobRef{}, b.err
}
func (b brokenBlobs) Open(context.Context, desk.BlobRef) (io.ReadCloser, error) {
	return nil, b.err
}

func TestDiskFull(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	h.a.Blobs = brokenBlobs{errors.New("no space left on device")}
	for _, files := range [][]upFile{nil, {{"files", "a.txt", "", "x"}}} {
		if code, header, body := h.post("/forms/site/contact", good(token), files...); code != 503 || header.Get("Retry-After") == "" || strings.Contains(body, "space") {
			t.Errorf("%d %v", code, header)
		}
	}
}

func TestRates(t *testing.T) {
	yaml := strings.Replace(siteYAML(t), "perIP: { rate: 0.5, burst: 1000 }, perForm: { rate: 1, burst: 1000 }", "perIP: { rate: 0.5, burst: 3 }, perForm: { rate: 1, burst: 5 }", 1)
	h := newHouse(t, yaml)
	token := h.token("contact")
	n := 0
	post := func(remote, forwarded string) (int, string) {
		n++
		body, media := multi(t, good(token, "phone", fmt.Sprintf("030 %06d", n)))
		req := httptest.NewRequest("POST", "/forms/site/contact", body)
		req.Header.Set("Content-Type", media)
		req.RemoteAddr = remote
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		code, header, _ := h.do(req)
		return code, header.Get("Retry-After")
	}
	for i := range 3 {
		if code, _ := post("198.51.100.1:1", fmt.Sprintf("203.0.113.%d", i)); code != 303 { // a stranger's header means nothing
			t.Errorf("%d: %d", i, code)
		}
	}
	if code, retry := post("198.51.100.1:2", "203.0.113.9"); code != 429 || retry != "2" {
		t.Errorf("%d after %s", code, retry)
	}
	if code, _ := post("192.0.2.7:1", "198.51.100.1, 192.0.2.8"); code != 429 { // through our proxies it is the same sender
		t.Errorf("%d", code)
	}
	if code, _ := post("192.0.2.7:1", "6.6.6.6, 203.0.113.5"); code != 303 {
		t.Errorf("%d", code)
	}
	if code, _ := post("192.0.2.7:1", "203.0.113.6"); code != 303 {
		t.Errorf("%d", code)
	}
	if code, _ := post("192.0.2.7:1", "203.0.113.7"); code != 429 { // the form has had five
		t.Errorf("%d", code)
	}
	h.pass(10 * time.Second)
	if code, _ := post("198.51.100.1:1", ""); code != 303 {
		t.Errorf("%d after a while", code)
	}
	// Rubbish does not use up the form.
	h.pass(time.Minute)
	for i := range 20 {
		req := httptest.NewRequest("POST", "/forms/site/contact", strings.NewReader("_token=x"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.RemoteAddr = fmt.Sprintf("203.0.113.%d:1", 100+i)
		h.do(req)
	}
	if code, _ := post("[2001:db8::1]:1", ""); code != 303 {
		t.Errorf("%d after rubbish of others", code)
	}
	// One network of IPv6 is one sender.
	post("[2001:db8::2]:1", "")
	post("[2001:db8::3]:1", "")
	if code, _ := post("[2001:db8::4]:1", ""); code != 429 {
		t.Errorf("%d for the fourth of one network", code)
	}
}

func TestOrigins(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	body := `{"token":"` + token + `","values":{"name":"S","email":"s@example.com","topic":"question","subject":"x","message":"y","terms":true}}`
	for _, c := range []struct {
		origin, site string
		want         int
		allowed      string
	}{
		{"", "", 202, ""},
		{"https://www.example.com", "cross-site", 202, "https://www.example.com"},
		{"https://evil.example", "cross-site", 403, ""},
		{"https://evil.example", "", 403, ""},
		{"https://www.example.com.evil.example", "cross-site", 403, ""},
		{"null", "cross-site", 403, ""},
		{"http://example.com", "same-origin", 202, ""},
		{"http://example.com", "", 202, ""}, // our own host
		{"https://other.example.com", "same-site", 403, ""},
	} {
		var header []string
		if c.origin != "" {
			header = append(header, "Origin", c.origin)
		}
		if c.site != "" {
			header = append(header, "Sec-Fetch-Site", c.site)
		}
		code, got, answer := h.postJSON("/forms/site/contact.json", body, header...)
		if code != c.want || got.Get("Access-Control-Allow-Origin") != c.allowed || !strings.Contains(strings.Join(got.Values("Vary"), ","), "Origin") {
			t.Errorf("%+v: %d %v %s", c, code, got, answer)
		}
	}
	if len(h.all()) != 1 {
		t.Errorf("%d drafts", len(h.all()))
	}
	for origin, want := range map[string]string{"https://www.example.com": "https://www.example.com", "https://evil.example": ""} {
		req := httptest.NewRequest("OPTIONS", "/forms/site/contact.json", nil)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "POST")
		code, header, _ := h.do(req)
		if code != 204 || header.Get("Access-Control-Allow-Origin") != want || (header.Get("Access-Control-Allow-Methods") != "") != (want != "") || header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", origin, code, header)
		}
	}
	// A page of another site cannot post a form here either.
	b, media := multi(t, good(token, "phone", "1234567"))
	req := httptest.NewRequest("POST", "/forms/site/contact", b)
	req.Header.Set("Content-Type", media)
	req.Header.Set("Origin", "https://evil.example")
	if code, _, _ := h.do(req); code != 403 {
		t.Errorf("%d", code)
	}
}

func TestJSON(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	code, header, body := h.get("/forms/site/contact.json?lang=de", "Origin", "https://www.example.com")
	var f formJSON
	if err := json.Unmarshal([]byte(body), &f); err != nil || code != 200 || header.Get("Access-Control-Allow-Origin") != "https://www.example.com" {
		t.Fatalf("%d %v %v", code, header, err)
	}
	if f.Title != "Schreiben Sie uns" || f.Language != "de" || len(f.Fields) != 14 || f.MinSeconds != 3 || f.Upload.Files != 3 || string(f.Fields[4].When) != `{"field":"topic","in":["order"]}` || f.Fields[3].Options[1].Label != "Eine Bestellung" {
		t.Errorf("%+v", f)
	}
	h.pass(5 * time.Second)
	values := `"name":"S","email":"s@example.com","topic":"broken","subject":"x","message":"y","terms":true,"devices":["phone","tablet"],"impact":"HIGH","since":"2026-01-01","people":12`
	code, header, body = h.postJSON("/forms/site/contact.json?lang=de", `{"token":"`+f.Token+`","values":{`+values+`,"phone":null}}`)
	var a acceptedJSON
	if err := json.Unmarshal([]byte(body), &a); err != nil || code != 202 || a.State != "accepted" || !desk.IsID(a.Receipt) || header.Get("Location") != a.URL || !strings.HasPrefix(a.Message, "Wir haben") {
		t.Fatalf("%d %s %v", code, body, err)
	}
	if code, _, page := h.get(a.URL); code != 200 || !strings.Contains(page, a.Receipt) {
		t.Errorf("no receipt: %d", code)
	}
	if d := h.all()[0]; d.Ask.CustomFields["affectedUsers"] != 12.0 || len(d.Ask.Tags) != 2 || d.Ask.Priority != desk.High {
		t.Errorf("%+v", d.Ask)
	}
	for in, want := range map[string]string{
		`{"token":"T","values":{` + values + `,"teamId":"x"}}`:                                     `"field":"teamId","message":"is not a field of this form"`,
		`{"token":"T","values":{` + values + `,"phone":{"a":1}}}`:                                  `"field":"phone"`,
		`{"token":"T","values":{` + values + `,"phone":[["a"]]}}`:                                  `"field":"phone"`,
		`{"token":"T","values":{` + values + `,"files":"x"}}`:                                      `"field":"files"`,
		`{"token":"T","values":{"terms":"<script>alert(1)</script>"}}`:                             `"errors":[{"field":"name"`,
		`{"token":"T","values":{` + strings.Replace(values, "2026-01-01", "<b>bold</b>", 1) + `}}`: `Bitte ein Datum`,
		`{"token":"` + "x" + `","values":{}}`:                                                      `"token":"`,
		`{"token":"T","values":{` + values + `,"message":"z"}}`:                                    `"status":400`,
		`{"token":"T","values":{` + values + `},"values":{"name":"z"}}`:                            `"status":400`,
		`{"token":"T","values":{` + values + `,"phone":["1234","5678"]}}`:                          `"field":"phone"`,
		`{"token":"T","values":{},"extra":1}`:                                                      `"status":400`,
		`{"token":"T","values":[]}`:                                                                `"status":400`,
		`{"token":"T","values":{}} {}`:                                                             `"status":400`,
		`null`:                                                                                     `"status":422`,
		`{"token":"T","values":{` + values + `,"website":"spam"}}`:                                 `"status":422`,
	} {
		code, header, body := h.postJSON("/forms/site/contact.json?lang=de", strings.Replace(in, `"T"`, `"`+f.Token+`"`, 1))
		var p problemJSON
		if err := json.Unmarshal([]byte(body), &p); err != nil || code < 400 || p.Status != code || header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, want) || strings.Contains(body, "<") || strings.Contains(body, `\u003c`) {
			t.Errorf("%s: %d %s %v", in, code, body, err)
		}
	}
	if len(h.all()) != 1 {
		t.Errorf("%d drafts", len(h.all()))
	}
}

// TestCaptcha asks a verifier as the services are asked.
func TestCaptcha(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	status, answer := 200, `{"success": true}`
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Method != "POST" || r.PostFormValue("secret") != "s3cret" || r.PostFormValue("response") != "solved" || r.PostFormValue("remoteip") != "192.0.2.1" || r.PostFormValue("sitekey") != "key" {
			t.Errorf("asked with %v", r.PostForm)
		}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	for _, open := range []bool{false, true} {
		yaml := formYAML(fmt.Sprintf(`spam: { minSeconds: 0, captcha: { verifyURL: "%s", siteKey: key, secret: "${S}", scriptURL: "https://captcha.example/api.js", class: cf, response: cf-response, failOpen: %v } }, fields: [{ name: a, label: A }]`, srv.URL, open))
		h := newHouse(t, yaml)
		_, header, body := h.get("/forms/site/f")
		if !strings.Contains(header.Get("Content-Security-Policy"), "script-src 'self' https://captcha.example; ") || !strings.Contains(header.Get("Content-Security-Policy"), "frame-src https://captcha.example;") || !strings.Contains(body, `<div class="cf" data-sitekey="key">`) || !strings.Contains(body, `src="https://captcha.example/api.js"`) || !strings.Contains(body, "<noscript>") {
			t.Errorf("%v %s", header, body)
		}
		if strings.Contains(body, "s3cret") {
			t.Error("the secret is on the page")
		}
		var page string
		send := func(response string) (code int) {
			code, header, page = h.postForm("/forms/site/f", "_token", h.token("f"), "a", "what I wrote", "cf-response", response)
			return code
		}
		status, answer = 200, `{"success": true}`
		if code := send("solved"); code != 303 {
			t.Errorf("solved: %d", code)
		}
		before := asked
		if code := send(""); code != 422 || asked != before {
			t.Errorf("not answered: %d", code)
		}
		answer = `{"success": false, "error-codes": ["timeout"]}`
		if code := send("solved"); code != 422 {
			t.Errorf("refused: %d", code)
		}
		want := 503 // the service's fault, not the visitor's
		if open {
			want = 303
		}
		for _, bad := range []string{"<html>", "", `{"success": false, "error-codes": ["invalid-input-secret"]}`, `{"success": false, "error-codes": ["internal-error"]}`} {
			if answer = bad; send("solved") != want {
				t.Errorf("answer %q, open %v", bad, open)
			}
		}
		if status, answer = 500, `{"success": true}`; send("solved") != want {
			t.Errorf("status 500, open %v", open)
		}
		if !open && (header.Get("Retry-After") == "" || !strings.Contains(page, "nothing was lost") || !strings.Contains(page, `value="what I wrote"`)) {
			t.Errorf("%v %s", header, page)
		}
		if c := h.a.Counts(); !open && (c["refused: unavailable"] != 5 || c["refused: captcha"] != 2) {
			t.Errorf("counts %v", c)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.a.Run(ctx); err != nil {
			t.Error(err)
		}
	}
	srv.Close()
}

// FuzzBody: whatever is sent, there is an answer that is a page, and nothing is
// taken without a token of ours.
func FuzzBody(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte("_token=x&name=y"))
	f.Add("application/json", []byte(`{"token":"x","values":{"name":["a",1,true,null]}}`))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nx\r\n--b--\r\n"))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"_token\"\r\n\r\nTOKEN\r\n--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--b--\r\n"))
	h := newHouse(f, siteYAML(f))
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		for _, path := range []string{"/forms/site/contact", "/forms/site/contact.json"} {
			h.pass(time.Minute)
			token := h.a.signer.token("contact", h.clock().Add(-time.Minute))
			req := httptest.NewRequest("POST", path, bytes.NewReader(bytes.ReplaceAll(body, []byte("TOKEN"), []byte(token))))
			req.Header.Set("Content-Type", media)
			before := len(h.all())
			w := httptest.NewRecorder()
			h.mux.ServeHTTP(w, req)
			code, answer := w.Code, w.Body.String()
			if code >= 500 || code == 200 || len(answer) == 0 && code != 303 || len(h.all()) != before && !bytes.Contains(body, []byte("TOKEN")) {
				t.Errorf("%d %s", code, answer)
			}
		}
	})
}
