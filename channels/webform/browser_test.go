package webform

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp/kb"

	"switchboard/channels/webform/webformtest"
	"switchboard/pipeline/desk"
)

// pictures is where the pictures of the pages go, to be looked at.
func pictures(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "switchboard-webform")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// web serves a house over HTTP, where nobody is too fast.
func web(t *testing.T, yaml string) (*house, string) {
	t.Helper()
	h := newHouse(t, strings.Replace(yaml, "minSeconds: 3", "minSeconds: 0", 1))
	srv := httptest.NewServer(h.mux)
	t.Cleanup(srv.Close)
	return h, srv.URL
}

func picture(t *testing.T) (file, data string) {
	t.Helper()
	data = "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00\x01\xff\r\n\x1a", 20_000)
	file = filepath.Join(t.TempDir(), "Foto müde.png")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, data
}

func (h *house) next() *desk.Draft {
	h.t.Helper()
	select {
	case d := <-h.took:
		return d
	case <-time.After(time.Minute):
		h.t.Fatal("nothing was sent")
		return nil
	}
}

const focused = `document.activeElement.name || document.activeElement.id`

// TestKeyboard fills a form in and sends it with the keyboard alone: a choice
// brings up fields, a file is chosen, mistakes are found and mended.
func TestKeyboard(t *testing.T) {
	b := webformtest.Start(t)
	h, url := web(t, siteYAML(t))
	p := b.Page(webformtest.Look{})
	file, data := picture(t)
	p.Choose(file)
	tab := func(want string) {
		t.Helper()
		p.Keys(kb.Tab)
		if got := p.Text(focused); got != want {
			t.Fatalf("Tab leads to %q, not %q", got, want)
		}
	}
	p.Open(url + "/forms/site/contact?lang=en")
	p.Shows(`.scripted main`)
	if p.Text(`[...document.querySelectorAll("[data-when]")].every((f) => f.hidden)`) != "true" {
		t.Error("conditional fields are shown before their condition holds")
	}
	tab("name")
	p.Keys("Sam Doe")
	tab("email")
	p.Keys("sam@")
	tab("phone")
	tab("topic")
	p.Keys("An order") // a select takes the letters
	tab("order")
	p.Keys("4711")
	tab("impact")
	tab("subject")
	p.Keys("It came broken")
	tab("message")
	p.Keys("Line one" + kb.Enter + "Line two")
	tab("files")
	p.Keys(" ")
	p.Wait(`document.querySelector("[type=file]").files.length === 1`)
	tab("terms")
	p.Keys(" ")
	tab("send")
	p.Keys(kb.Enter)
	p.Shows(`#summary`)
	if got := p.Text(focused); got != "summary" {
		t.Errorf("the summary has no focus: %q", got)
	}
	p.Shot(pictures(t), "mistakes-script")
	for _, part := range []string{"2 fields need your attention", "Mail address", "Order number – This does not have the form we need."} {
		if got := p.Text(`document.querySelector("#summary").innerText`); !strings.Contains(got, part) {
			t.Errorf("the summary lacks %q: %s", part, got)
		}
	}
	p.Keys(kb.Tab + kb.Enter) // the first link leads to the field
	if got := p.Text(focused); got != "email" {
		t.Fatalf("the link leads to %q", got)
	}
	p.Keys(kb.End + "example.com")
	if got := p.Text(`document.activeElement.getAttribute("aria-invalid") + document.getElementById("f1-problem").textContent`); got != "null" {
		t.Errorf("still wrong while it is right: %s", got)
	}
	tab("phone")
	tab("topic")
	tab("order")
	p.Keys(kb.Home + "A-" + kb.Enter) // Enter in a line sends
	d := h.next()
	p.Shows(`.done`)
	if !strings.HasPrefix(p.Text(`location.pathname`), "/forms/site/receipts/") {
		t.Error("no receipt")
	}
	if d.From.Handle != "sam@example.com" || d.Ask.CustomFields["orderNumber"] != "A-4711" || !strings.HasSuffix(d.Text, "Line one\nLine two") || d.Ask.Title != "It came broken" {
		t.Errorf("%+v %+v %q", d.From, d.Ask, d.Text)
	}
	if len(d.Attachments) != 1 || d.Attachments[0].Name != "Foto müde.png" || h.read(d.Attachments[0].Blob) != data {
		t.Errorf("%+v", d.Attachments)
	}
}

// TestWithoutScript sends the same form with scripts off: the conditions stand
// beside the fields, the server finds the mistake, what was written and the file
// are still there.
func TestWithoutScript(t *testing.T) {
	b := webformtest.Start(t)
	h, url := web(t, siteYAML(t))
	p := b.Page(webformtest.Look{NoScript: true})
	file, data := picture(t)
	p.Open(url + "/forms/site/contact?lang=en")
	p.Shows(`#f4`)
	if got := p.Text(`document.getElementById("f4-hint").innerText`); got != "Only if “What is it about?” is “An order”." {
		t.Errorf("hint %q", got)
	}
	p.Shot(pictures(t), "light-noscript")
	p.Fill(`[name=name]`, "Sam <b>Doe</b>")
	p.Fill(`[name=email]`, "sam@example.com")
	p.Fill(`[name=topic]`, "An order")
	p.Fill(`[name=subject]`, "Without")
	p.Fill(`[name=message]`, "Words")
	p.Upload(`[name=files]`, file)
	p.Click(`[name=terms]`)
	p.Click(`#send`)
	p.Shows(`#summary`)
	if got := p.Text(focused); got != "summary" {
		t.Errorf("focus on %q", got)
	}
	p.Shot(pictures(t), "mistakes-noscript")
	if got := p.Text(`document.querySelector("#summary").innerText`); !strings.Contains(got, "Order number – Please fill this in.") {
		t.Error(got)
	}
	p.Fill(`[name=order]`, "A-1")
	p.Click(`#send`)
	p.Shows(`.done`)
	d := h.next()
	if d.From.Name != "Sam <b>Doe</b>" || d.Ask.CustomFields["orderNumber"] != "A-1" || len(d.Attachments) != 1 || h.read(d.Attachments[0].Blob) != data {
		t.Errorf("%+v %+v", d.Ask, d.Attachments)
	}
	p.Reload()
	p.Shows(`.done`)
	if len(h.all()) != 1 {
		t.Error("a reload sent it again")
	}
}

// TestTroubles: the books are down and the server's mind differs from the
// page's; nothing written is lost and the next try goes through.
func TestTroubles(t *testing.T) {
	b := webformtest.Start(t)
	h, url := web(t, siteYAML(t))
	p := b.Page(webformtest.Look{Width: 360, Height: 740})
	large := filepath.Join(t.TempDir(), "large.txt")
	fake := filepath.Join(t.TempDir(), "fake.png")
	for name, data := range map[string]string{large: strings.Repeat("x", 1<<20+1), fake: "no picture"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	says := func(want string) {
		t.Helper()
		p.Wait(`!document.getElementById("summary").hidden && !document.getElementById("send").disabled`)
		if got := p.Text(`document.getElementById("summary").innerText`); !strings.Contains(got, want) {
			t.Fatalf("it says %q, not %q", got, want)
		}
		p.Eval(`document.getElementById("summary").hidden = true`, nil)
	}
	p.Open(url + "/forms/site/contact?lang=en&name=Sam&email=sam@example.com&topic=question&subject=S&message=M&terms=true")
	p.Upload(`[name=files]`, large)
	p.Click(`#send`)
	says("large.txt is larger than 1 MB") // the page itself
	p.Upload(`[name=files]`, fake)
	p.Click(`#send`)
	says("fake.png is not a kind of file") // the server, by its content
	p.Eval(`(() => { const i = document.querySelector("[name=files]"); i.value = ""; i.dispatchEvent(new Event("change", {bubbles: true})); })()`, nil)
	h.setFail(desk.ErrUnavailable)
	p.Click(`#send`)
	says("nothing was lost")
	h.pass(48 * time.Hour) // the token is too old: a fresh one comes with the refusal
	h.setFail(nil)
	p.Click(`#send`)
	says("send it once more")
	p.Click(`#send`)
	p.Shows(`.done`)
	if d := h.next(); d.From.Name != "Sam" || len(h.all()) != 1 {
		t.Errorf("%+v", d.From)
	}
}

// TestSameConditions compares what the page shows with what the server says, for
// many ways to fill in the form.
func TestSameConditions(t *testing.T) {
	b := webformtest.Start(t)
	h, url := web(t, siteYAML(t))
	p := b.Page(webformtest.Look{})
	p.Open(url + "/forms/site/contact")
	p.Shows(`.scripted main`)
	f := h.a.site.form("contact")
	for _, topic := range []string{"", "question", "order", "broken"} {
		for _, impact := range []string{"", "HIGH", "MEDIUM"} {
			for _, since := range []string{"", "2026-01-31"} {
				values := map[string][]string{"topic": {topic}, "impact": {impact}, "since": {since}}
				js, _ := json.Marshal(map[string]string{"topic": topic, "impact": impact, "since": since})
				var got map[string]bool
				p.Eval(fmt.Sprintf(`(() => {
					const values = %s;
					for (const [name, value] of Object.entries(values)) document.querySelector("[name=" + name + "]").value = value;
					document.querySelector("[name=topic]").dispatchEvent(new Event("input", {bubbles: true}));
					return Object.fromEntries([...document.querySelectorAll("[data-field]")].map((b) => [b.dataset.field, !b.hidden]));
				})()`, js), &got)
				for name, want := range f.visible(values, func(string) int { return 0 }) {
					if x := f.field(name); x.kind != kindHidden && got[name] != want {
						t.Errorf("%s: %s is shown: page %v, server %v", js, name, got[name], want)
					}
				}
			}
		}
	}
}

// TestEmbedding shows the form in a page of an allowed origin, as high as it is,
// and in no other.
func TestEmbedding(t *testing.T) {
	b := webformtest.Start(t)
	var url string
	host := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><html lang="de"><title>Shop</title><h1>Shop</h1><script src="%s/forms/site/contact/embed.js" data-subject="From the shop"></script><p>below`, url)
	})
	allowed, other := httptest.NewServer(host), httptest.NewServer(host)
	defer allowed.Close()
	defer other.Close()
	h, url2 := web(t, strings.Replace(siteYAML(t), "https://www.example.com", allowed.URL, 1))
	url = url2
	p := b.Page(webformtest.Look{})
	p.Open(allowed.URL)
	p.Shows(`iframe`)
	p.Wait(`parseInt(document.querySelector("iframe").style.height) > 700`)
	if got := p.Text(`document.querySelector("iframe").title`); got != "Schreiben Sie uns" {
		t.Errorf("the frame is called %q", got)
	}
	p.Shot(pictures(t), "embedded")
	tab := kb.Tab // into the frame
	p.Keys(tab + "Ann" + tab + "ann@example.com" + tab + tab + "Eine Frage" + tab + tab + "Hallo" + tab + tab + " " + tab + kb.Enter)
	d := h.next()
	if d.Ask.Title != "From the shop" || d.From.Name != "Ann" || d.Headers["form-page"] != allowed.URL || d.Headers["form-language"] != "de" {
		t.Errorf("%+v %v", d.Ask, d.Headers)
	}
	p.Wait(`parseInt(document.querySelector("iframe").style.height) < 700`) // the receipt is lower
	p.Shot(pictures(t), "embedded-receipt")

	p = b.Page(webformtest.Look{})
	p.Open(other.URL)
	p.Shows(`a`)
	if got := p.Text(`document.querySelectorAll("iframe").length + document.querySelector("a").textContent`); got != "0Formular öffnen: Schreiben Sie uns" {
		t.Error(got)
	}
	// A site that frames it all the same gets nothing: the browser refuses.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><title>x</title><iframe src="%s/forms/site/contact?embed=1&origin=%s"></iframe>`, url, allowed.URL)
	}))
	defer evil.Close()
	p = b.Page(webformtest.Look{})
	frames := make(chan string, 10)
	p.Listen(func(ev any) {
		if e, ok := ev.(*page.EventFrameNavigated); ok && e.Frame.ParentID != "" {
			frames <- e.Frame.UnreachableURL + " " + e.Frame.URL
		}
	})
	p.Open(evil.URL)
	select {
	case got := <-frames:
		if !strings.HasPrefix(got, url+"/forms/site/contact") || !strings.Contains(got, "chrome-error://") {
			t.Errorf("the frame shows %s", got)
		}
	case <-time.After(time.Minute):
		t.Error("the frame never loaded anything")
	}
}

// TestHostileValues: what strangers write runs nowhere.
func TestHostileValues(t *testing.T) {
	b := webformtest.Start(t)
	h, url := web(t, siteYAML(t))
	p := b.Page(webformtest.Look{})
	said := make(chan string, 10)
	p.Listen(func(ev any) {
		if e, ok := ev.(*page.EventJavascriptDialogOpening); ok {
			said <- e.Message
		}
	})
	evil := `"'><script>alert(1)</script><img src=x onerror=alert(2)></textarea><svg onload=alert(3)>{{alert(4)}}javascript:alert(5)`
	q := "?lang=en"
	for _, x := range h.a.site.form("contact").fields {
		q += "&" + x.name + "=" + strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", " ", "%20", "{", "%7B", "}", "%7D").Replace(evil)
	}
	p.Open(url + "/forms/site/contact" + q)
	p.Shows(`.scripted main`)
	if got := p.Text(`document.querySelector("[name=name]").value`); got != evil {
		t.Errorf("the value is %q", got)
	}
	p.Click(`#send`) // by the script, then by the server's own page
	p.Shows(`#summary`)
	p.Eval(`window.old = true; HTMLFormElement.prototype.submit.call(document.querySelector("form"))`, nil)
	p.Wait(`!window.old && document.readyState === "complete"`)
	if got := p.Text(`document.title.startsWith("Error") + " " + document.scripts.length + document.querySelectorAll("img, svg").length`); got != "true 10" {
		t.Errorf("%s scripts and pictures", got)
	}
	select {
	case s := <-said:
		t.Errorf("a script ran: %s", s)
	default:
	}
}

// TestLooks runs axe-core on every page in every look and takes its picture.
func TestLooks(t *testing.T) {
	axe := webformtest.Axe(t)
	b := webformtest.Start(t)
	h, url := web(t, siteYAML(t))
	at := ok2(t, h, good(h.token("contact")))
	for name, look := range map[string]webformtest.Look{"light": {}, "dark": {Dark: true}, "phone": {Width: 360, Height: 740}} {
		for _, c := range []struct{ name, path string }{
			{"form", "/forms/site/contact?lang=en&topic=broken&impact=HIGH&since=2026-01-31"}, {"short", "/forms/site/short"}, {"receipt", at}, {"missing", "/forms/site/receipts/x"}, {"german", "/forms/site/contact?lang=de"},
		} {
			p := b.Page(look)
			p.Open(url + c.path)
			p.Shows(`main`)
			check(t, p, axe, name+"-"+c.name)
			if c.name == "form" {
				p.Click(`#send`)
				p.Shows(`#summary`)
				check(t, p, axe, name+"-mistakes")
			}
		}
	}
}

// TestChecker: what finds nothing wrong can find something.
func TestChecker(t *testing.T) {
	axe := webformtest.Axe(t)
	b := webformtest.Start(t)
	_, url := web(t, siteYAML(t))
	p := b.Page(webformtest.Look{})
	p.Open(url + "/forms/site/contact")
	p.Eval(`document.querySelectorAll("label").forEach((l) => l.remove())`, nil)
	var found []string
	for _, f := range p.Check(axe) {
		found = append(found, f.ID+" "+f.Impact)
	}
	if !slices.Contains(found, "label critical") || !slices.Contains(found, "select-name critical") {
		t.Errorf("found only %q", found)
	}
}

func check(t *testing.T, p *webformtest.Page, axe, name string) {
	t.Helper()
	p.Shot(pictures(t), name)
	if p.Text(`document.documentElement.scrollWidth > innerWidth`) == "true" {
		t.Errorf("%s is wider than its window", name)
	}
	for _, f := range p.Check(axe) {
		if f.Impact == "serious" || f.Impact == "critical" {
			t.Errorf("%s: %v", name, f)
		} else {
			t.Logf("%s: %v", name, f)
		}
	}
}
