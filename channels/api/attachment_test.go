package api_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/channels/email"
	"switchboard/pipeline/desk"
)

// lamp is bytes that any reading as text would spoil.
var lamp = append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte("\x00\xff\r\n.\r\nline\n"), 9000)...)

// attached is a file of a mail: the header fields of its part, and its bytes.
type attached struct {
	header string
	bytes  []byte
}

// posted reads a mail with files as its mailbox would and files it; it returns the
// ticket and the comment the mail became.
func (h *house) posted(id string, files ...attached) (ticket string, comment map[string]any) {
	h.t.Helper()
	mail := "From: Sam <sam@x.example>\nTo: desk@house.example\nSubject: Broken\nMessage-ID: <" + id + "@x.example>\n" +
		"Date: Mon, 2 Mar 2026 08:59:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nsee " + id + "\n"
	for _, f := range files {
		mail += "--x\n" + f.header + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(f.bytes) + "\n"
	}
	mail = strings.ReplaceAll(mail+"--x--\n", "\n", "\r\n")
	d, err := email.Parse(h.t.Context(), strings.NewReader(mail), h.blobs, h.policy.Sources["mail"], nil, h.clock())
	if err != nil {
		h.t.Fatal(err)
	}
	return h.filed(d)
}

func (h *house) filed(d *desk.Draft) (ticket string, comment map[string]any) {
	h.t.Helper()
	r, err := h.intake.FileNow(h.t.Context(), d)
	if err != nil || r.TicketID == "" {
		h.t.Fatal(r, err)
	}
	ticket = string(r.TicketID)
	for _, c := range items(h.get("/v1/tickets/" + ticket + "/comments")) {
		if c["id"] == string(r.MessageID) {
			return ticket, c
		}
	}
	h.t.Fatalf("message %s is not on ticket %s", r.MessageID, ticket)
	return "", nil
}

// withFile is the draft of a mail with a file.
func withFile(id string, file desk.Attachment, at time.Time) *desk.Draft {
	return &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: id, From: desk.Party{Handle: "sam@x.example"},
		Subject: "Help", Text: "Please", SentAt: at, ReceivedAt: at, Thread: desk.Thread{Key: id}, Attachments: []desk.Attachment{file}}
}

// filesOf are the attachments of a comment.
func filesOf(comment map[string]any) []map[string]any {
	var out []map[string]any
	for _, a := range comment["attachments"].([]any) {
		out = append(out, a.(map[string]any))
	}
	return out
}

const pngPart = "Content-Type: image/png\nContent-Disposition: attachment; filename=lamp.png"

func TestAttachment(t *testing.T) {
	h := newHouse(t)
	ticket, comment := h.posted("1", attached{pngPart, lamp}, attached{"Content-Type: text/plain\nContent-Disposition: attachment; filename=empty.txt", nil})
	all := filesOf(comment)
	if len(all) != 2 {
		t.Fatalf("%v", comment)
	}
	url := all[0]["url"].(string)
	if want := "/v1/tickets/" + ticket + "/comments/" + comment["id"].(string) + "/attachments/" + all[0]["sha256"].(string); url != want {
		t.Errorf("url %s, want %s", url, want)
	}
	a := h.get(url)
	if !bytes.Equal(a.raw, lamp) {
		t.Errorf("%d bytes, want the %d that were sent", len(a.raw), len(lamp))
	}
	for name, want := range map[string]string{"Content-Type": "image/png", "Content-Disposition": `attachment; filename="lamp.png"`, "Content-Length": strconv.Itoa(len(lamp)),
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-cache",
		"Etag": `"` + all[0]["sha256"].(string) + `"`, "Accept-Ranges": "bytes"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if e := h.get(all[1]["url"].(string)); len(e.raw) != 0 || e.Header.Get("Content-Type") != "text/plain" || e.Header.Get("Content-Length") != "0" {
		t.Errorf("the empty file: %v %q", e.Header, e.raw)
	}
	// By number, in any case, as elsewhere.
	h.get("/v1/tickets/1/comments/" + strings.ToLower(comment["id"].(string)) + "/attachments/" + strings.ToUpper(all[0]["sha256"].(string)))
	head := h.do(desk.RoleReader, "HEAD", url, nil).want(t, 200)
	if head.Header.Get("Content-Length") != strconv.Itoa(len(lamp)) || head.Header.Get("Content-Disposition") == "" {
		t.Errorf("HEAD: %v", head.Header)
	}
	h.do(desk.RoleReader, "DELETE", url, nil).want(t, 405)
	h.do(desk.RoleReader, "GET", url+"?download=1", nil).want(t, 422)
}

// Bytes small enough to be kept in the books are read from there.
func TestAttachmentKeptInTheBooks(t *testing.T) {
	h := newHouse(t)
	small := desk.Keep([]byte("small"))
	d := withFile("k", desk.Attachment{Name: "s.txt", ContentType: "text/plain", Blob: small.Ref}, h.clock())
	d.Attachments, d.Kept = append(d.Attachments, desk.Attachment{Name: "never fetched"}), small.List()
	_, comment := h.filed(d)
	all := filesOf(comment)
	if _, there := all[1]["url"]; there {
		t.Errorf("a file without bytes has a url: %v", all[1])
	}
	if a := h.get(all[0]["url"].(string)); string(a.raw) != "small" {
		t.Errorf("%q", a.raw)
	}
	if a := h.do(desk.RoleReader, "GET", all[0]["url"].(string), nil, "Range", "bytes=1-2").want(t, 206); string(a.raw) != "ma" {
		t.Errorf("%q", a.raw)
	}
}

func TestAttachmentRanges(t *testing.T) {
	h := newHouse(t)
	_, comment := h.posted("1", attached{pngPart, lamp})
	url, n := filesOf(comment)[0]["url"].(string), len(lamp)
	tag := h.get(url).Header.Get("ETag")
	get := func(headers ...string) answer { return h.do(desk.RoleReader, "GET", url, nil, headers...) }
	for _, c := range []struct {
		headers  []string
		from, to int
	}{
		{[]string{"Range", "bytes=0-0"}, 0, 1}, {[]string{"Range", "bytes=5000-"}, 5000, n}, {[]string{"Range", "bytes=-7"}, n - 7, n},
		{[]string{"Range", "bytes=10-999999999"}, 10, n}, {[]string{"Range", "bytes=3-8", "If-Range", tag}, 3, 9},
	} {
		a := get(c.headers...).want(t, 206)
		if !bytes.Equal(a.raw, lamp[c.from:c.to]) || a.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", c.from, c.to-1, n) {
			t.Errorf("%v: %d bytes, %s", c.headers, len(a.raw), a.Header.Get("Content-Range"))
		}
	}
	if a := get("Range", "bytes=3-8", "If-Range", `"other"`).want(t, 200); !bytes.Equal(a.raw, lamp) {
		t.Errorf("If-Range of another file: %d bytes", len(a.raw))
	}
	several := get("Range", "bytes=0-3,100-109").want(t, 206)
	_, params, err := mime.ParseMediaType(several.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(bytes.NewReader(several.raw), params["boundary"])
	for _, want := range [][]byte{lamp[:4], lamp[100:110]} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	for _, r := range []string{"bytes=999999999-", "bytes=9-3", "bytes=x", "lines=1-2"} {
		a := get("Range", r).want(t, 416)
		if !strings.Contains(a.str("detail"), strconv.Itoa(n)+" bytes") || a.Header.Get("Content-Disposition") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v %s", r, a.Header, a.raw)
		}
	}
	for _, match := range []string{tag, "*", `"x", ` + tag, "W/" + tag} {
		if a := get("If-None-Match", match).want(t, 304); len(a.raw) != 0 || a.Header.Get("ETag") != tag || a.Header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %v %q", match, a.Header, a.raw)
		}
	}
	get("If-None-Match", `"other"`).want(t, 200)
	get("If-Match", tag).want(t, 200)
	if a := get("If-Match", `"other"`).want(t, 412); !strings.Contains(a.str("detail"), "If-Match") {
		t.Errorf("%s", a.raw)
	}
}

// Who may read a comment may read its files, and nobody else: knowing a digest
// opens nothing.
func TestAttachmentIsReadLikeItsComment(t *testing.T) {
	h := newHouse(t)
	ticket, comment := h.posted("1", attached{pngPart, lamp})
	other, others := h.posted("2", attached{"Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt", []byte("of another ticket")})
	url, id, digest := filesOf(comment)[0]["url"].(string), comment["id"].(string), filesOf(comment)[0]["sha256"].(string)
	theirs, secret := others["id"].(string), filesOf(others)[0]["sha256"].(string)
	note := h.do(desk.RoleAgent, "POST", "/v1/tickets/"+ticket+"/comments", `{"content":"inside"}`).want(t, 201).str("id")
	unheard := strings.Repeat("0", 64)
	path := func(ticket, comment, digest string) string {
		return "/v1/tickets/" + ticket + "/comments/" + comment + "/attachments/" + digest
	}
	for name, c := range map[string]struct{ path, field string }{
		"another ticket's file":       {path(ticket, id, secret), "sha256"},
		"another ticket's comment":    {path(ticket, theirs, secret), "messageId"},
		"its file, another ticket":    {path(other, id, digest), "messageId"},
		"its file, another comment":   {path(ticket, note, digest), "sha256"},
		"no such ticket":              {path("999", id, digest), "id"},
		"no such comment":             {path(ticket, "01KJPWD6M0DT8SBDG9PQBZ02J0", digest), "messageId"},
		"not a comment":               {path(ticket, "x", digest), "messageId"},
		"a digest nobody has":         {path(ticket, id, unheard), "sha256"},
		"a digest cut short":          {path(ticket, id, digest[:63]), "sha256"},
		"not a digest":                {path(ticket, id, "lamp.png"), "sha256"},
		"a path":                      {path(ticket, id, "..%2f..%2fswitchboard.db"), "sha256"},
		"NUL and worse":               {path(ticket, id, "%00%ff"), "sha256"},
		"the raw mail":                {path(ticket, id, h.message(id).Raw.Digest), "sha256"},
		"blanks around a good digest": {path(ticket, id, "%20"+digest[:62]), "sha256"},
	} {
		a := h.do(desk.RoleAdmin, "GET", c.path, nil).want(t, 404)
		if f := a.fields(); len(f) != 1 || f[0] != c.field {
			t.Errorf("%s names %v, want %s", name, f, c.field)
		}
		h.do(desk.RoleAdmin, "GET", c.path, nil, "If-None-Match", "*").want(t, 404)
	}
	h.do(desk.RoleAdmin, "GET", path(ticket, id, digest+"0"), nil).want(t, 422)
	for _, role := range desk.Roles() {
		want := 403
		if role.May(desk.ReadTickets) {
			want = 200
		}
		h.do(role, "GET", url, nil).want(t, want)
	}
	h.do("", "GET", url, nil).want(t, 401)

	// What is taken back is hidden with its files, for copies too, until it is restored.
	tag := h.get(url).Header.Get("ETag")
	for _, act := range []desk.Act{desk.ActDelete, desk.ActRestore} {
		h.pass(time.Minute)
		d := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: "e" + string(act), Fingerprint: string(act), From: desk.Party{Handle: "sam@x.example"},
			Act: act, Target: h.message(id).ExternalID, SentAt: h.clock(), ReceivedAt: h.clock()}
		if _, now := h.filed(d); (now["deletedAt"] != nil) != (act == desk.ActDelete) {
			t.Fatalf("%v", now)
		}
		if act == desk.ActDelete {
			if a := h.do(desk.RoleAdmin, "GET", url, nil, "If-None-Match", tag).want(t, 404); !strings.Contains(a.str("detail"), "deleted") {
				t.Errorf("%s", a.raw)
			}
		}
	}
	h.get(url)
	h.do(desk.RoleAdmin, "DELETE", "/v1/tickets/"+ticket, nil).want(t, 204)
	h.do(desk.RoleAdmin, "GET", url, nil).want(t, 404)
}

// message is a comment as the books have it.
func (h *house) message(comment string) *desk.Message {
	h.t.Helper()
	m, err := h.store.Message(h.t.Context(), desk.MessageID(comment))
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

// A comment may have a file of which the store has no bytes, or not all.
func TestAttachmentWithoutItsBytes(t *testing.T) {
	h := newHouse(t)
	_, comment := h.posted("1", attached{pngPart, lamp})
	url, digest := filesOf(comment)[0]["url"].(string), filesOf(comment)[0]["sha256"].(string)
	name := filepath.Join(h.blobDir, digest[:2], digest[2:4], digest)
	if err := os.Truncate(name, 100); err != nil {
		t.Fatal(err)
	}
	h.do(desk.RoleReader, "GET", url, nil).want(t, 500)
	h.do(desk.RoleReader, "GET", url, nil, "If-None-Match", "*").want(t, 500)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if a := h.do(desk.RoleReader, "GET", url, nil).want(t, 404); !strings.Contains(a.str("detail"), "gone") {
		t.Errorf("%s", a.raw)
	}
}

// Names and types are strangers' words.
func TestAttachmentNames(t *testing.T) {
	h := newHouse(t)
	for i, c := range []struct{ name, contentType, disposition, sentType string }{
		{"lamp.png", "image/png", `attachment; filename="lamp.png"`, "image/png"},
		{`a "b" \ c.png`, "IMAGE/PNG", `attachment; filename="c.png"`, "image/png"},
		{`say "hi".txt`, "text/plain; charset=utf-8", `attachment; filename="say _hi_.txt"; filename*=UTF-8''say%20%22hi%22.txt`, "text/plain; charset=utf-8"},
		{"x.txt\r\nSet-Cookie: a=b", "text/html\r\nX-Evil: 1", `attachment; filename="x.txtSet-Cookie: a=b"`, "application/octet-stream"},
		{"Lämpe 電球.pdf", "application/pdf; name=Lämpe.pdf", `attachment; filename="L_mpe __.pdf"; filename*=UTF-8''L%C3%A4mpe%20%E9%9B%BB%E7%90%83.pdf`, "application/octet-stream"},
		{"../../etc/passwd", "pdf", `attachment; filename="passwd"`, "application/octet-stream"},
		{`C:\Users\sam\b.doc`, "application/msword;", `attachment; filename="b.doc"`, "application/msword"},
		{"..", "", `attachment; filename="file"`, "application/octet-stream"},
		{"", "*/*", `attachment; filename="file"`, "application/octet-stream"},
		{" \t\x00/", "text/", `attachment; filename="file"`, "application/octet-stream"},
		{".bashrc", "text/plain; charset", `attachment; filename="_bashrc"`, "application/octet-stream"},
		{"50%41.txt", "multipart/byteranges; boundary=x", `attachment; filename="50_41.txt"; filename*=UTF-8''50%2541.txt`, "application/octet-stream"},
		{"gpj\u202eexe.doc\u2028", "text/" + strings.Repeat("x", 300), `attachment; filename="gpjexe.doc"`, "application/octet-stream"},
		{strings.Repeat("é", 400) + ".tar", "text/html", "", "text/html"},
		{"bad \xff utf", "a/b/c", `attachment; filename="bad _ utf"; filename*=UTF-8''bad%20%EF%BF%BD%20utf`, "application/octet-stream"},
	} {
		key := fmt.Sprintf("n%d", i)
		bytes := desk.Keep([]byte(key))
		draft := withFile(key, desk.Attachment{Name: c.name, ContentType: c.contentType, Blob: bytes.Ref}, h.clock())
		draft.Kept = bytes.List()
		_, comment := h.filed(draft)
		a := h.get(filesOf(comment)[0]["url"].(string))
		d := a.Header.Get("Content-Disposition")
		if c.disposition != "" && d != c.disposition {
			t.Errorf("%q: %s\nwant %s", c.name, d, c.disposition)
		}
		if got := a.Header.Get("Content-Type"); got != c.sentType {
			t.Errorf("%q: type %q, want %q", c.contentType, got, c.sentType)
		}
		if kind, params, err := mime.ParseMediaType(d); err != nil || kind != "attachment" || params["filename"] == "" || len(params["filename"]) > 200 || strings.ContainsAny(d, "\r\n") {
			t.Errorf("%q: %q %v", c.name, d, err)
		}
		if a.Header.Get("Set-Cookie")+a.Header.Get("X-Evil") != "" || string(a.raw) != key {
			t.Errorf("%q: %v %q", c.name, a.Header, a.raw)
		}
	}
}

// timed is a client's connection that notes how long its writes may take.
type timed struct {
	*httptest.ResponseRecorder
	until  time.Time // of the next write; zero: for ever
	spared int       // writes that had time of their own
	writes int
}

func (c *timed) SetWriteDeadline(at time.Time) error { c.until = at; return nil }

func (c *timed) Write(b []byte) (int, error) {
	if c.writes++; time.Until(c.until) > time.Hour {
		c.spared++
	}
	c.until = time.Now()
	return c.ResponseRecorder.Write(b)
}

// However long a file takes, each piece of it has its time anew, and what comes on
// the connection after it is not bound by it.
func TestSlowReaderHasTimeForEachPiece(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Limits.Stall = 2 * time.Hour })
	_, comment := h.posted("1", attached{pngPart, bytes.Repeat(lamp, 20)})
	c := &timed{ResponseRecorder: httptest.NewRecorder()}
	req := mustRequest("GET", filesOf(comment)[0]["url"].(string))
	req.Header.Set("X-Api-Key", h.secrets[desk.RoleReader])
	h.handler.ServeHTTP(c, req)
	if !bytes.Equal(c.Body.Bytes(), bytes.Repeat(lamp, 20)) || c.writes < 10 || c.spared != c.writes || !c.until.IsZero() {
		t.Errorf("%d bytes in %d writes, %d of them with time of their own; the next has until %v", c.Body.Len(), c.writes, c.spared, c.until)
	}
}

// A client that takes nothing is let go.
func TestStalledReaderIsLetGo(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Limits.Stall = time.Second })
	ref, err := h.blobs.Put(t.Context(), bytes.NewReader(make([]byte, 32<<20))) // more than the connection holds
	if err != nil {
		t.Fatal(err)
	}
	_, comment := h.filed(withFile("s", desk.Attachment{Name: "s", Blob: ref}, h.clock()))
	done := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.handler.ServeHTTP(w, r)
		done <- struct{}{}
	}))
	defer srv.Close()
	res := h.ask(srv, filesOf(comment)[0]["url"].(string))
	defer res.Body.Close()
	<-done
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("what was cut off looks whole")
	}
}

// ask begins a request over the wire.
func (h *house) ask(srv *httptest.Server, path string) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), "GET", srv.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", h.secrets[desk.RoleReader])
	res, err := srv.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}
