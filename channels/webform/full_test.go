package webform

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// weighed is a body that counts what of it is in memory, and that ends when the
// house is full.
type weighed struct {
	io.Reader
	held, most int
	room       int // bytes that may be read; 0: all
	read       int
}

func (c *weighed) Read(p []byte) (int, error) {
	if c.room > 0 {
		if c.read >= c.room {
			return 0, fmt.Errorf("full: %w", desk.ErrBusy)
		}
		p = p[:min(len(p), c.room-c.read)]
	}
	n, err := c.Reader.Read(p)
	c.read += n
	c.held += n
	c.most = max(c.most, c.held)
	return n, err
}

func (c *weighed) Close() error { return nil }

func (c *weighed) Passed(n int) { c.held -= n }

func (h *house) postCounted(path string, room int, pairs []string, files ...upFile) (*weighed, int, string) {
	h.t.Helper()
	body, media := multi(h.t, pairs, files...)
	c := &weighed{Reader: body, room: room}
	req := httptest.NewRequest("POST", path, c)
	req.Header.Set("Content-Type", media)
	code, header, page := h.do(req)
	if code == 503 && header.Get("Retry-After") == "" {
		h.t.Error("no Retry-After")
	}
	return c, code, page
}

// A file goes through into a blob: a form needs no more memory for it than for what
// is written by hand, whether the file is wanted or not.
func TestFilesAreNotHeld(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	mega := strings.Repeat("all is well\n", 80000) // almost 1 MB
	for name, c := range map[string]struct {
		files  []upFile
		status int
	}{
		"taken":        {[]upFile{{"files", "a.txt", "text/plain", mega}, {"files", "b.txt", "text/plain", mega}}, 303},
		"of no kind":   {[]upFile{{"files", "a.exe", "text/plain", mega}}, 422},
		"too large":    {[]upFile{{"files", "a.txt", "text/plain", mega + mega}}, 422},
		"not asked":    {[]upFile{{"other", "a.txt", "text/plain", mega}}, 303},
		"of no name":   {[]upFile{{"files", "", "text/plain", mega}}, 303},
		"one too many": {[]upFile{{"files", "a.txt", "text/plain", "x"}, {"files", "b.txt", "text/plain", "x"}, {"files", "c.txt", "text/plain", "x"}, {"files", "d.txt", "text/plain", mega}}, 422},
	} {
		b, code, page := h.postCounted("/forms/site/contact", 0, good(h.token("contact")), c.files...)
		if code != c.status {
			t.Errorf("%s: %d %s", name, code, page)
		}
		if b.most > 64<<10 || b.held < 0 {
			t.Errorf("%s: %d of %d bytes were held at once, and %d in the end", name, b.most, b.read, b.held)
		}
	}
	b, code, _ := h.postCounted("/forms/site/contact", 0, good(h.token("contact"), "message", strings.Repeat("words ", 20000)))
	if code != 303 || b.most < 120000 {
		t.Errorf("a long text: %d, %d bytes were held at once", code, b.most)
	}
}

// While the house is full a person reads so on the form's own page, which shows
// what was read; and it is no fault of theirs.
func TestAFullHouseIsSaidOnThePage(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	file := upFile{"files", "a.txt", "text/plain", strings.Repeat("all is well\n", 80000)}
	for _, room := range []int{1, 2000, 100000} {
		_, code, page := h.postCounted("/forms/site/contact", room, good(token), file)
		if code != 503 || !strings.Contains(page, "reload this page") || strings.Contains(page, `value="Sam Doe"`) != (room > 1) {
			t.Errorf("after %d bytes: %d %s", room, code, page)
		}
		_, code, text := h.postCounted("/forms/site/contact.json", room, good(token), file)
		if code != 503 || !strings.Contains(text, "nothing was lost") {
			t.Errorf("after %d bytes: %d %s", room, code, text)
		}
	}
	for _, media := range []string{"application/json", "application/x-www-form-urlencoded"} {
		req := httptest.NewRequest("POST", "/forms/site/contact.json", &weighed{Reader: strings.NewReader("{}"), room: 1})
		req.Header.Set("Content-Type", media)
		if code, _, text := h.do(req); code != 503 {
			t.Errorf("%s: %d %s", media, code, text)
		}
	}
	if c := h.a.Counts(); c["refused: unavailable"] != 8 || len(c) != 1 {
		t.Errorf("counts %v", c)
	}
	if len(h.all()) != 0 {
		t.Error("the ledger has some of it")
	}
	ok2(t, h, good(token), file) // the page was reloaded
	if !errors.Is(cutOff(io.ErrUnexpectedEOF), errClient) {
		t.Error("a body cut off is our fault")
	}
}
