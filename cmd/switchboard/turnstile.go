package main

import (
	"io"
	"net/http"

	"switchboard/channels"
	"switchboard/workers"
)

// turnstile asks, before a door reads anything, whether there is room for it: what
// a request has in memory counts against limits.pendingBytes as it arrives, until
// it is answered, and a source that is too far behind (intake.shedAfter) may read
// nothing. A door hears so as an error of the body, desk.ErrBusy, and says "try
// again later" in its own words, 503 with Retry-After (RFC 9110 section 10.2.3): to
// Slack, Teams and the webhooks of chat, which send again, to clients of the API,
// and to people at a form. So a stranger who is refused for less than his body, by
// rate or by address, takes no room, and one who is slow takes what he sent.
type turnstile struct{ intake *workers.Intake }

// before puts the turnstile before a source's door. What only reads passes.
func (g turnstile) before(source string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		b := &body{ReadCloser: r.Body, to: w, visit: g.intake.Visit(source), left: r.ContentLength}
		defer b.visit.End()
		// The server looks at its own body once more: only then it lingers, as RFC 9112
		// section 9.6 has it, before it closes on who still sends what was refused.
		defer func() { r.Body = b.ReadCloser }()
		r.Body = b
		next.ServeHTTP(w, r)
	})
}

// bodyStep is how many bytes room is asked for at a time; a body that says it is
// smaller asks once.
const bodyStep = 64 << 10

// body is a request's body that asks for room before it is read.
type body struct {
	io.ReadCloser
	to    http.ResponseWriter
	visit workers.Visit
	left  int64 // not read yet; below 0: it did not say
	held  int64 // read, and in memory
	room  int64 // for what is held
	asked bool
	full  error
}

func (b *body) Read(p []byte) (int, error) {
	if b.full != nil {
		return 0, b.full
	}
	if !b.asked || b.left != 0 && b.held >= b.room {
		if b.full = b.ask(); b.full != nil {
			return 0, b.full
		}
	}
	if free := b.room - b.held; b.left != 0 && int64(len(p)) > free {
		p = p[:free]
	}
	n, err := b.ReadCloser.Read(p)
	b.held += int64(n)
	if b.left > 0 {
		b.left = max(b.left-int64(n), 0)
	}
	return n, err
}

// ask asks for a step more, or for as much as still comes.
func (b *body) ask() error {
	step := int64(bodyStep)
	if b.left >= 0 {
		step = min(step, b.left)
	}
	room := max(b.room, b.held+step)
	if err := b.visit.Hold(room); err != nil {
		if b.left < 0 || b.left > bodyStep { // nobody waits for the rest of it
			b.to.Header().Set("Connection", "close")
		}
		return err
	}
	b.asked, b.room = true, room
	return nil
}

// Passed is for [channels.Passed].
func (b *body) Passed(n int) { b.held -= int64(n) }

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
