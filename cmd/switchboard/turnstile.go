package main

import (
	"encoding/json"
	"net/http"
	"strconv"

	"switchboard/channels"
	"switchboard/workers"
)

// turnstile asks, before a door reads anything, whether there is room for the request:
// its bytes count against limits.pendingBytes until it is answered, and a source
// that is too far behind (intake.shedAfter) is told to come again later. Every
// door it stands before is one whose senders do: Slack, Teams and the webhooks of
// chat send again after a 503, and so does a client of the API. The answer is a
// problem (RFC 9457) with Retry-After (RFC 9110 section 10.2.3).
type turnstile struct {
	intake *workers.Intake
	most   int64 // what a body without a length counts as
}

// retrySeconds is what Retry-After says.
const retrySeconds = 5

// before puts the turnstile before a source's door. What only reads passes.
func (g turnstile) before(source string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		bytes := r.ContentLength
		if bytes < 0 {
			bytes = g.most
		}
		leave, err := g.intake.Admit(source, min(bytes, g.most))
		if err != nil {
			comeAgain(w, "busy: nothing was taken, try again")
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// comeAgain answers 503 and says when to try again.
func comeAgain(w http.ResponseWriter, detail string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Retry-After", strconv.Itoa(retrySeconds))
	w.WriteHeader(http.StatusServiceUnavailable)
	json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(http.StatusServiceUnavailable),
		"status": http.StatusServiceUnavailable, "detail": detail})
}

// api puts the turnstile before the route that takes messages; agents' work and what
// reads is never held up.
func (g turnstile) api(next http.Handler) http.Handler {
	guarded := g.before("api", next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/tickets" {
			guarded.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// route is a source's route behind the turnstile.
func (g turnstile) route(source string, route channels.Route) channels.Route {
	return channels.Route{Pattern: route.Pattern, Handler: g.before(source, route.Handler)}
}
