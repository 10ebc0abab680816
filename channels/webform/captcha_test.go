package webform

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"switchboard/channels/webform/webformtest"
	"switchboard/pipeline/desk"
)

// turnstile is a CAPTCHA that solves itself. As with the real ones an answer is
// good once, and a page gets another when it asks.
func turnstile(t *testing.T) (url string) {
	t.Helper()
	var mu sync.Mutex
	used := map[string]bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, `
			let n = 0;
			const solve = (at) => { at.querySelector("input").value = "answer " + ++n; };
			const draw = () => {
				const at = document.querySelector(".cf");
				at.innerHTML = '<input type="hidden" name="cf-response">';
				solve(at);
			};
			window.turnstile = { reset: solve };
			document.readyState === "loading" ? addEventListener("DOMContentLoaded", draw) : draw();`)
	})
	mux.HandleFunc("POST /verify", func(w http.ResponseWriter, r *http.Request) {
		answer := r.PostFormValue("response")
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, `{"success": %v}`, strings.HasPrefix(answer, "answer ") && !used[answer])
		used[answer] = true
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestCaptchaAgain: what was solved and could not be taken is sent once more with
// another answer of the CAPTCHA, the one before is of no use any more.
func TestCaptchaAgain(t *testing.T) {
	b := webformtest.Start(t)
	url := turnstile(t)
	h, home := web(t, formYAML(fmt.Sprintf(`spam: { minSeconds: 0, captcha: { verifyURL: "%s/verify", siteKey: key, secret: "${S}", scriptURL: "%s/api.js", class: cf, response: cf-response } }, fields: [{ name: a, label: A, required: true, maxLength: 3 }]`, url, url)))
	p := b.Page(webformtest.Look{})
	p.Open(home + "/forms/site/f?lang=en&a=x")
	p.Wait(`document.querySelector("[name=cf-response]")?.value === "answer 1"`)
	h.setFail(desk.ErrUnavailable)
	p.Click(`#send`)
	p.Wait(`document.getElementById("summary").innerText.includes("nothing was lost")`)
	h.setFail(nil)
	p.Click(`#send`)
	p.Shows(`.done`)
	if n := len(h.all()); n != 1 {
		t.Errorf("%d were taken", n)
	}
}
