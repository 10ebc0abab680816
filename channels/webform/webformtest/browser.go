// Package webformtest gives a test a real browser, and the accessibility checker
// axe-core to run in its pages.
//
// In goes a test; out come pages ([Page]) that are driven like a person drives
// them, with keys, and looked at with JavaScript and pictures. It promises a
// fresh profile, nothing fetched but what the test opens, and that the browser
// has ended when the test has. Every wait is for a condition and ends the test
// when it takes too long. Without Chromium, or without axe-core, a test is
// skipped in one line, or fails when SWITCHBOARD_REQUIRE_SERVICES=1. A Page is
// used by one goroutine at a time.
//
// It knows nothing of our forms. Standards: the Chrome DevTools Protocol. Tests
// only.
package webformtest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"switchboard/workers/broker/program"
	"switchboard/workers/broker/program/programtest"
)

// Browser is a running Chromium. Its pages share a profile.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Start starts a headless Chromium with a profile of its own; it ends with the
// test.
func Start(t testing.TB) *Browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t)), chromedp.UserDataDir(profile(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("proxy-server", "direct://"),
		chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(time.Minute))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // returns when it has ended
		end()
		endAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("webformtest: start Chromium: %v", err)
	}
	return &Browser{t, ctx}
}

// find looks for the browser under the names it has.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, ok := program.Find(name); ok {
			return path
		}
	}
	programtest.Missing(t, "Chromium is not installed (Debian package chromium)")
	return ""
}

// profile is a new folder, removed after the browser has ended; its children may
// still write for a moment.
func profile(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sbchromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := programtest.Remove(dir); err != nil {
			t.Errorf("webformtest: remove the profile: %v", err)
		}
	})
	return dir
}

// Look is how a page is shown.
type Look struct {
	Width, Height int64 // CSS pixels; 0: 1000 by 900
	Dark          bool
	NoScript      bool // pages run no script
}

// Page opens a new page; it is closed with the test.
func (b *Browser) Page(look Look) *Page {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	if look.Width == 0 {
		look.Width, look.Height = 1000, 900
	}
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	p := &Page{t: b.t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // not under a timeout, which would close it
		b.t.Fatalf("webformtest: open a page: %v", err)
	}
	p.do("set up", chromedp.EmulateViewport(look.Width, look.Height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: look.NoScript})
		return err
	}))
	return p
}

// Choose answers the next file choosers the page opens with files.
func (p *Page) Choose(files ...string) {
	p.t.Helper()
	p.do("intercept the file chooser", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.SetInterceptFileChooserDialog, page.SetInterceptFileChooserDialogParams{Enabled: true})
		return err
	}))
	p.Listen(func(ev any) {
		if e, ok := ev.(*page.EventFileChooserOpened); ok {
			go func() { // a listener must not call
				_, _ = chromedp.Call(p.ctx, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: files, BackendNodeID: e.BackendNodeID})
			}()
		}
	})
}

// Listen calls fn for each event of the page, in order. fn must be quick and call
// nothing of the page.
func (p *Page) Listen(fn func(ev any)) {
	p.t.Helper()
	if err := chromedp.Listen(p.ctx, fn); err != nil {
		p.t.Fatalf("webformtest: listen: %v", err)
	}
}
