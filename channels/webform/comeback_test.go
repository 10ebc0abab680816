package webform

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// offered finds the file a page says is here already.
func offered(page string) string {
	_, kept, _ := strings.Cut(page, `name="_kept" value="`)
	kept, _, _ = strings.Cut(kept, `"`)
	return kept
}

// A form that is refused before anybody looked at the files that are here already
// comes back with them: sent again as it stands, it has them.
func TestARefusedPageKeepsItsFiles(t *testing.T) {
	log := upFile{"files", "log.txt", "text/plain", "all is well\n"}
	for name, c := range map[string]struct {
		status int
		token  func(h *house, had string) string // what it is sent with
	}{
		"the form is full": {429, func(h *house, had string) string {
			for h.a.rates["contact"].form.AllowN(h.clock(), 1) {
			}
			return had
		}},
		"the page is old": {422, func(h *house, had string) string { h.pass(20 * time.Hour); return had }},
		"too fast":        {422, func(h *house, _ string) string { return h.a.signer.token("contact", h.clock()) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, siteYAML(t))
			token := h.token("contact")
			h.pass(12 * time.Hour)
			_, _, page := h.post("/forms/site/contact", []string{"_token", token, "name", "Sam Doe"}, log)
			kept := offered(page)
			if kept == "" {
				t.Fatalf("no file is offered: %s", page)
			}
			code, _, page := h.post("/forms/site/contact", good(c.token(h, token), "_kept", kept))
			if code != c.status || offered(page) == "" {
				t.Fatalf("%d, and the file is offered: %v", code, offered(page) != "")
			}
			h.pass(time.Minute)
			ok2(t, h, good(tokenValue.FindStringSubmatch(page)[1], "_kept", offered(page)))
			if d := h.all()[0]; len(d.Attachments) != 1 || d.Attachments[0].Name != "log.txt" {
				t.Errorf("%+v", d.Attachments)
			}
		})
	}
}

// A page that was open for too long comes back with all that was written, also
// behind a file; nothing of the file is kept.
func TestAnOldPageComesBackWhole(t *testing.T) {
	h := newHouse(t, strings.Replace(siteYAML(t), "            - { name: terms,", "            - { name: more, label: More }\n            - { name: terms,", 1))
	token := h.token("contact")
	h.pass(48 * time.Hour)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i, pairs := 0, good(token); i < len(pairs); i += 2 {
		w.WriteField(pairs[i], pairs[i+1])
	}
	f, err := w.CreateFormFile("files", "log.txt")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("all is well\n"))
	w.WriteField("more", "words behind the file")
	w.Close()
	req := httptest.NewRequest("POST", "/forms/site/contact", &b)
	req.Header.Set("Content-Type", w.FormDataContentType())
	code, _, page := h.do(req)
	if code != 422 || !strings.Contains(page, `value="Sam Doe"`) || !strings.Contains(page, `value="words behind the file"`) {
		t.Errorf("%d %s", code, page)
	}
	if offered(page) != "" || h.walks(time.Now().Add(time.Hour)) != 0 {
		t.Error("the file was kept")
	}
	if c := h.a.Counts(); c["refused: token expired"] != 1 || len(c) != 1 {
		t.Errorf("counts %v", c)
	}
}

// Whoever is one of many at an address reads on the page that nothing of the form
// was read, and how their browser sends it once more.
func TestAFullAddressIsSaidOnThePage(t *testing.T) {
	h := newHouse(t, strings.Replace(siteYAML(t), "perIP: { rate: 0.5, burst: 1000 }", "perIP: { rate: 0.5, burst: 1 }", 1))
	token := h.token("contact")
	ok2(t, h, good(token))
	code, header, page := h.post("/forms/site/contact?lang=en", good(token))
	if code != 429 || header.Get("Retry-After") == "" || !strings.Contains(page, "reload this page") {
		t.Errorf("%d %s", code, page)
	}
	if code, _, text := h.post("/forms/site/contact.json?lang=en", good(token)); code != 429 || !strings.Contains(text, "Too much was sent at once") {
		t.Errorf("%d %s", code, text)
	}
}
