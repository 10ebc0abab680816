package webform

import (
	"encoding/json"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

func TestSubmission(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00\xff\r\n", 5000)
	at := ok2(t, h, good(token, "topic", "", "phone", "+49 30 1234", "order", "A-1", "campaign", "spring|[x](y)", "kind", "BUG"),
		upFile{"files", `C:\fakepath\..\shot 1.png`, "text/html", png})
	drafts := h.all()
	if len(drafts) != 1 {
		t.Fatalf("%d drafts", len(drafts))
	}
	d := drafts[0]
	if d.Source != "site" || d.Channel != desk.WebForm || d.Scope != "WEB_FORM" || !strings.HasPrefix(d.ExternalID, "form:contact:") || d.Thread.Key != d.ExternalID || d.Fingerprint == "" {
		t.Errorf("%+v", d)
	}
	if d.From != (desk.Party{Name: "Sam Doe", Handle: "Sam@example.com"}) || string(d.Thread.Address) != `{"email":"Sam@example.com","name":"Sam Doe"}` {
		t.Errorf("from %+v, address %s", d.From, d.Thread.Address)
	}
	want := "**Phone:** +49 30 1234\n**What is it about?** A question\n**You may keep what I write here to answer me.** yes\n**campaign:** spring\\|\\[x\\](y)\n\nHow does it work?\n\nThank you"
	if d.Text != want || d.Subject != "A question" {
		t.Errorf("subject %q, text %q", d.Subject, d.Text)
	}
	ask := &desk.Ask{Title: "A question", Description: want, Type: "QUESTION"}
	if !reflect.DeepEqual(d.Ask, ask) {
		t.Errorf("asks %+v", d.Ask)
	}
	if len(d.Attachments) != 1 || d.Attachments[0].Name != "shot 1.png" || d.Attachments[0].ContentType != "image/png" {
		t.Fatalf("%+v", d.Attachments)
	}
	if got := h.read(d.Attachments[0].Blob); got != png {
		t.Errorf("the file was changed: %d bytes of %d", len(got), len(png))
	}
	var rec record
	if err := json.Unmarshal([]byte(h.read(d.Raw)), &rec); err != nil || rec.Form != "contact" || len(rec.Files) != 1 || rec.Values["order"] != nil || !slices.Equal(rec.Values["name"], []string{"Sam Doe"}) {
		t.Errorf("%v %+v", err, rec)
	}
	// The page says thank you, and how far it is.
	code, header, body := h.get(at)
	id := string(h.receipts[d.Source+" "+d.ExternalID+" "+d.Fingerprint])
	for _, part := range []string{"Thank you", "We have your message.", id, "being processed", "mailto:help@example.com?subject=Contact%20us%20" + url.PathEscape(desk.ReceiptToken(h.a.Secret, desk.ReceiptID(id))), "2026-03-02 09:30 UTC"} {
		if !strings.Contains(body, part) {
			t.Errorf("the receipt lacks %q:\n%s", part, body)
		}
	}
	if code != 200 || header.Get("X-Robots-Tag") == "" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", code, header)
	}
	h.states[desk.ReceiptID(id)] = desk.Filed
	if _, _, body := h.get(at + "&lang=de"); !strings.Contains(body, "a ticket is open") {
		t.Errorf("still: %s", body)
	}
}

// ok2 posts to the form contact, in English, and wants a receipt.
func ok2(t *testing.T, h *house, pairs []string, files ...upFile) string {
	t.Helper()
	code, header, body := h.post("/forms/site/contact?lang=en", pairs, files...)
	return ok(t, code, header, body)
}

func (h *house) read(ref desk.BlobRef) string {
	h.t.Helper()
	r, err := h.blobs.Open(h.t.Context(), ref)
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// TestTwice: a double click, a reload and a retry are one message; other words
// with the same token are kept too.
func TestTwice(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	first := ok2(t, h, good(token))
	h.pass(time.Minute)
	if second := ok2(t, h, good(token)); second != first || len(h.all()) != 1 {
		t.Errorf("%d drafts; %s and %s", len(h.all()), first, second)
	}
	if other := ok2(t, h, good(token, "phone", "030 1234567")); other == first || len(h.all()) != 2 {
		t.Errorf("%d drafts", len(h.all()))
	}
	if d := h.all(); d[0].ExternalID != d[1].ExternalID || d[0].Fingerprint == d[1].Fingerprint {
		t.Error("the second must be the same ID with another fingerprint")
	}
}

// TestConditions: what is hidden is neither asked for nor kept, whatever was
// sent.
func TestConditions(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	sent := func(pairs ...string) *desk.Draft {
		t.Helper()
		ok2(t, h, append([]string{"_token", h.token("contact"), "name", "S", "email", "s@example.com", "subject", "x", "message", "y", "terms", "on"}, pairs...))
		d := h.all()
		return d[len(d)-1]
	}
	d := sent("topic", "order", "order", "A-7", "impact", "HIGH", "since", "2026-02-01", "people", "12", "devices", "phone")
	if d.Ask.Priority != desk.High || !reflect.DeepEqual(d.Ask.CustomFields, map[string]any{"orderNumber": "A-7", "affectedUsers": 12.0}) || d.Ask.Tags != nil || !strings.Contains(d.Text, "**Since when?** 2026-02-01") {
		t.Errorf("%+v %s", d.Ask, d.Text)
	}
	// The middle of the chain goes: what hangs on it goes too.
	d = sent("topic", "broken", "order", "A-7", "impact", "MEDIUM", "since", "2026-02-01", "people", "12", "devices", "computer", "devices", "phone")
	if d.Ask.Priority != desk.Medium || d.Ask.CustomFields != nil || !slices.Equal(d.Ask.Tags, []string{"phone", "computer"}) || strings.Contains(d.Text, "2026") {
		t.Errorf("%+v %s", d.Ask, d.Text)
	}
	d = sent("topic", "question", "impact", "HIGH", "order", "not even valid", "since", "never", "people", "-1", "devices", "fridge")
	if d.Ask.Priority != "" || d.Ask.CustomFields != nil || d.Ask.Tags != nil {
		t.Errorf("%+v", d.Ask)
	}
	// Shown, it must be there and right.
	for _, order := range []string{"", "4711", "A-123456789"} {
		code, _, body := h.post("/forms/site/contact", []string{"_token", h.token("contact"), "name", "S", "email", "s@example.com", "subject", "x", "message", "y", "terms", "on", "topic", "order", "order", order})
		if code != 422 || !strings.Contains(body, `href="#f4">Order number`) {
			t.Errorf("%q: %d %s", order, code, body)
		}
	}
}

// TestMistakes: every wrong field is named beside it and above, and what was
// written is still there, files too.
func TestMistakes(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	code, header, body := h.post("/forms/site/contact?lang=de", []string{"_token", token, "name", `<script>alert("x")</script>`, "email", "nobody", "topic", "order", "message", "Zeile 1\nZeile 2 </textarea>"},
		upFile{"files", "log.txt", "", "all is well\n"})
	if code != 422 || header.Get("Content-Language") != "de" {
		t.Fatalf("%d %v", code, header)
	}
	for _, part := range []string{
		`<title>Fehler: Schreiben Sie uns</title>`, `role="alert" tabindex="-1" autofocus`, "4 Felder stimmen noch nicht",
		`<a href="#f1">E-Mail-Adresse</a> – Bitte eine E-Mail-Adresse`, `<p class="problem" id="f1-problem">Bitte eine E-Mail-Adresse`, `aria-describedby="f1-help f1-problem" required aria-invalid="true"`,
		`<a href="#f4">Bestellnummer</a> – Bitte ausfüllen.`, `<a href="#f9">Betreff</a>`, `<a href="#f12">`,
		`value="&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;"`, "Zeile 1\nZeile 2 &lt;/textarea&gt;</textarea>", `<option value="order" selected>`,
		`name="_token" value="` + token + `"`, "log.txt (12 B) ist schon hier. Behalten.",
	} {
		if !strings.Contains(body, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
	if len(h.all()) != 0 {
		t.Error("it was taken")
	}
	// Sent again with the file that is here already.
	_, kept, _ := strings.Cut(body, `name="_kept" value="`)
	kept, _, _ = strings.Cut(kept, `"`)
	ok2(t, h, good(token, "_kept", kept, "_kept", kept+"x", "_kept", "x.y"))
	d := h.all()[0]
	if len(d.Attachments) != 1 || d.Attachments[0].Name != "log.txt" || h.read(d.Attachments[0].Blob) != "all is well\n" {
		t.Errorf("%+v", d.Attachments)
	}
	// It is worth nothing for another form, another source or when it is old.
	if _, ok := h.a.signer.readKept("short", kept, h.clock()); ok {
		t.Error("another form took it")
	}
	if _, ok := newSigner([]byte("a secret of thirty-two bytes ...."), "other").readKept("contact", kept, h.clock()); ok {
		t.Error("another source took it")
	}
	if _, ok := h.a.signer.readKept("contact", kept, h.clock().Add(25*time.Hour)); ok {
		t.Error("it never ends")
	}
}

// TestBooksDown: nobody hears thank you before the ledger has it.
func TestBooksDown(t *testing.T) {
	for _, fail := range []error{desk.ErrBusy, desk.ErrUnavailable, io.ErrUnexpectedEOF} {
		h := newHouse(t, siteYAML(t))
		token := h.token("contact")
		h.fail = fail
		code, header, body := h.post("/forms/site/contact", good(token))
		if code != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, "nothing was lost") || !strings.Contains(body, `value="Sam Doe"`) {
			t.Errorf("%v: %d %v", fail, code, header)
		}
		h.fail = nil
		ok2(t, h, good(tokenValue.FindStringSubmatch(body)[1]))
	}
}

func TestLanguages(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "en"}, {"", "de-AT,de;q=0.9,en;q=0.8", "de"}, {"", "pt-BR,es;q=0.5", "es"}, {"", "ja", "en"}, {"?lang=fr", "de", "fr"}, {"?lang=xx", "de", "de"},
		{"", strings.Repeat("de,", 100), "en"}, {"", "\xff;;q=", "en"},
	} {
		_, header, body := h.get("/forms/site/contact"+c.query, "Accept-Language", c.accept)
		if header.Get("Content-Language") != c.want || !strings.Contains(body, `<html lang="`+c.want+`"`) {
			t.Errorf("%+v: %s", c, header.Get("Content-Language"))
		}
	}
	_, _, body := h.get("/forms/site/contact?order=A-9&topic=order&name=Ann%22%3E&kind=BUG&files=x&unknown=y")
	for _, part := range []string{`value="A-9"`, `value="order" selected`, `value="Ann&#34;&gt;"`, `value="QUESTION"`} {
		if !strings.Contains(body, part) {
			t.Errorf("not filled in: %s", part)
		}
	}
	words := dictionary["en"]
	for lang, w := range dictionary {
		for key, text := range w {
			if strings.TrimSpace(text) == "" || words[key] == "" || strings.Contains(words[key], "{0}") != strings.Contains(text, "{0}") || strings.Contains(words[key], "{1}") != strings.Contains(text, "{1}") {
				t.Errorf("%s: %q is %q", lang, key, text)
			}
		}
		if len(w) != len(words) {
			t.Errorf("%s has %d texts of %d", lang, len(w), len(words))
		}
	}
}

func TestPageHeaders(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	_, header, body := h.get("/forms/site/contact")
	if got := header.Get("Content-Security-Policy"); got != "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors https://www.example.com" {
		t.Error(got)
	}
	if header.Get("X-Frame-Options") != "" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", header)
	}
	if strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "<script>") || strings.Contains(body, " onclick") {
		t.Error("the page has something inline")
	}
	_, header, _ = h.get("/forms/site/short")
	if !strings.HasSuffix(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("%v", header)
	}
	for _, line := range strings.Split(body, "\n") {
		for _, attr := range []string{`href="/forms/site/-/`, `src="/forms/site/-/`} {
			if _, rest, found := strings.Cut(line, attr); found {
				path, _, _ := strings.Cut(rest, `"`)
				code, header, file := h.get("/forms/site/-/" + path)
				if code != 200 || !strings.Contains(header.Get("Cache-Control"), "immutable") || len(file) < 50 || header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s: %d %v", path, code, header)
				}
				if code, _, _ := h.get("/forms/site/-/"+path, "If-None-Match", header.Get("Etag")); code != 304 {
					t.Errorf("%s: %d for the same version", path, code)
				}
			}
		}
	}
	if code, _, _ := h.get("/forms/site/-/other.css"); code != 404 {
		t.Errorf("%d for a file there is not", code)
	}
	for _, bad := range []string{"x", "x.y", h.a.signer.receiptToken("contact", "01ARZ3NDEKTSV4RRFFQ69G5FAV") + "A", h.a.signer.receiptToken("other", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), h.a.signer.receiptToken("contact", "nothing")} {
		if code, _, body := h.get("/forms/site/receipts/" + bad); code != 404 || !strings.Contains(body, "There is nothing here") {
			t.Errorf("%s: %d", bad, code)
		}
	}
}

func TestEmbedScript(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	code, header, body := h.get("/forms/site/contact/embed.js")
	if code != 200 || header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || header.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(body, `"origins":["https://www.example.com"]`) {
		t.Errorf("%d %v %s", code, header, body)
	}
	_, _, body = h.get("/forms/site/contact?embed=1&origin=https://www.example.com")
	if !strings.Contains(body, `class="embedded"`) || !strings.Contains(body, `data-parent="https://www.example.com"`) || !strings.Contains(body, `action="/forms/site/contact?embed=1&amp;lang=en&amp;origin=https%3A%2F%2Fwww.example.com"`) {
		t.Error(body)
	}
	_, _, body = h.get("/forms/site/contact?embed=1&origin=https://evil.example")
	if !strings.Contains(body, `data-parent=""`) {
		t.Error("it would tell anybody")
	}
	token := h.token("contact")
	code, header, body = h.post("/forms/site/contact?embed=1&origin=https://www.example.com", good(token))
	at := ok(t, code, header, body)
	if d := h.all()[0]; d.Headers["form-page"] != "https://www.example.com" || d.Headers["form"] != "contact" || d.Headers["form-language"] != "en" {
		t.Errorf("%v", d.Headers)
	}
	if _, _, body := h.get(at); !strings.Contains(body, `class="embedded"`) {
		t.Error("the receipt forgot where it is")
	}
}
