package webformtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Page is one page of a browser.
type Page struct {
	t   testing.TB
	ctx context.Context
}

// patience bounds one step: a browser on a busy machine is slow.
const patience = time.Minute

func (p *Page) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("webformtest: %s: %v", what, err)
	}
}

// Open loads an address and waits until it is loaded.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Keys presses keys, one after the other; package kb names those that are no
// character.
func (p *Page) Keys(keys string) {
	p.t.Helper()
	p.do("press keys", chromedp.KeyEvent(keys))
}

// Eval evaluates JavaScript and fills into from its JSON; nil throws it away. A
// promise is awaited.
func (p *Page) Eval(js string, into any) {
	p.t.Helper()
	data, err := p.eval(js)
	if err != nil {
		p.t.Fatalf("webformtest: evaluate %.200s: %v", js, err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(data, into); err != nil {
		p.t.Fatalf("webformtest: evaluate %.200s: %v in %.200s", js, err, data)
	}
}

func (p *Page) eval(js string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise))
}

// Text evaluates JavaScript to a text.
func (p *Page) Text(js string) string {
	p.t.Helper()
	var out string
	p.Eval("String("+js+")", &out)
	return out
}

// Wait waits until JavaScript is true, over any number of pages loaded meanwhile.
func (p *Page) Wait(js string) {
	p.t.Helper()
	end := time.Now().Add(patience)
	for {
		data, err := p.eval("Boolean(" + js + ")")
		if err == nil && string(data) == "true" {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("webformtest: %s did not become true: %s %v", js, data, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Shows waits until an element is there and seen.
func (p *Page) Shows(selector string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q)?.checkVisibility()`, selector))
}

// Fill focuses an element and writes into it.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.Shows(selector)
	p.Eval(fmt.Sprintf(`document.querySelector(%q).focus()`, selector), nil)
	p.Keys(text)
}

// Click clicks an element with the mouse.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Shows(selector)
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Upload puts files into an input.
func (p *Page) Upload(selector string, files ...string) {
	p.t.Helper()
	p.do("upload", chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// Shot writes a picture of the whole page to a PNG file.
func (p *Page) Shot(dir, name string) {
	p.t.Helper()
	var height float64
	p.Eval("Math.max(document.documentElement.scrollHeight, innerHeight)", &height)
	var width float64
	p.Eval("innerWidth", &width)
	yes := true
	p.do("picture", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		res, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &yes, Clip: &page.Viewport{Width: width, Height: height, Scale: 1}})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+".png"), res.Data, 0o600)
	}))
}
