package webform

import (
	"net/http"
	"net/url"
	"strings"
)

// policy is the Content-Security-Policy of a form's pages: files of ours, the
// CAPTCHA's script when there is one, and nothing else; framed only by the sites
// the form names (Content Security Policy Level 3).
func (f *form) policy() string {
	script, frame := "'self'", ""
	if c := f.spam.captcha; c != nil {
		if u, err := url.Parse(c.ScriptURL); err == nil {
			origin := u.Scheme + "://" + u.Host
			script += " " + origin
			frame = "; frame-src " + origin
		}
	}
	ancestors := "'none'"
	if len(f.origins) > 0 {
		ancestors = strings.Join(f.origins, " ")
	}
	return "default-src 'none'; script-src " + script + "; style-src 'self'; img-src 'self'; connect-src 'self'" + frame +
		"; form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors
}

// page sets what every page of a form answers with. f is nil when there is no
// form.
func pageHeaders(h http.Header, f *form, lang string) {
	policy := "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
	if f != nil {
		policy = f.policy()
	}
	h.Set("Content-Security-Policy", policy)
	if f == nil || len(f.origins) == 0 {
		h.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("X-Content-Type-Options", "nosniff")
}

// cors lets the pages of an allowed origin read the answer (Fetch, "HTTP CORS
// protocol"). Nothing here uses cookies, so credentials are never allowed.
func (f *form) cors(h http.Header, r *http.Request) {
	h.Add("Vary", "Origin")
	if o := r.Header.Get("Origin"); f.allows(o) {
		h.Set("Access-Control-Allow-Origin", o)
		h.Set("Access-Control-Expose-Headers", "Location, Retry-After")
	}
}
