package gate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"switchboard/channels/limit"
)

//go:embed login.html
var loginHTML string

//go:embed login.css
var loginCSS string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

// view is what the login page shows.
type view struct {
	CSS     template.CSS
	Next    string
	Name    string
	Problem string
	In      string // the operator who is logged in already
}

// policy allows the page its own style and nothing else.
var policy = func() string {
	sum := sha256.Sum256([]byte(loginCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// headers are on every answer of the gate's own.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// page shows the login form; to somebody who is in it offers the way out.
func (g *Gate) page(w http.ResponseWriter, r *http.Request) {
	v := view{Next: g.local(r.URL.Query().Get("next"))}
	if s, err := g.who(r); err == nil {
		v.In = s.Name
	}
	g.show(w, http.StatusOK, v)
}

func (g *Gate) show(w http.ResponseWriter, status int, v view) {
	v.CSS = template.CSS(loginCSS)
	var b bytes.Buffer
	if err := loginPage.Execute(&b, v); err != nil {
		g.Log.Error("gate: login page", "error", err)
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

const (
	maxForm = 16 << 10 // bytes
	maxName = 200
)

// login checks a name and a password.
func (g *Gate) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		g.show(w, http.StatusBadRequest, view{Next: g.Home, Problem: "The form could not be read."})
		return
	}
	name, password := strings.TrimSpace(r.PostForm.Get("name")), r.PostForm.Get("password")
	v := view{Next: g.local(r.PostForm.Get("next")), Name: name}
	if name == "" || password == "" || len(name) > maxName || len(password) > maxPassword {
		v.Problem = "Fill in your name and your password."
		g.show(w, http.StatusUnprocessableEntity, v)
		return
	}
	from, now := limit.ClientAddr(r, g.Proxies), g.Now()
	_, wait, ok := g.byAddr.Take(from, now)
	if ok {
		_, wait, ok = g.byName.Take(name, now)
	}
	if !ok {
		seconds := limit.RetryAfter(wait)
		g.Log.Warn("gate: too many attempts", "address", from)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		v.Problem = "Too many attempts. Try again in " + strconv.Itoa(seconds) + " s."
		g.show(w, http.StatusTooManyRequests, v)
		return
	}
	op, good, err := g.right(r, name, password)
	switch {
	case err != nil:
		v.Problem = "The server is busy. Try again."
		w.Header().Set("Retry-After", "1")
		g.show(w, http.StatusServiceUnavailable, v)
	case !good:
		g.Log.Warn("gate: login refused", "address", from)
		v.Problem = "The name or the password is wrong."
		g.show(w, http.StatusUnauthorized, v)
	default:
		if err := g.begin(w, r, op); err != nil {
			g.Log.Error("gate: session cannot be kept", "error", err)
			v.Problem = "Sessions cannot be kept now. Try again in a moment."
			g.show(w, http.StatusServiceUnavailable, v)
			return
		}
		g.Log.Info("gate: logged in", "operator", op.Name, "address", from)
		http.Redirect(w, r, v.Next, http.StatusSeeOther)
	}
}

// right compares a password. It takes as long for a name that does not exist.
func (g *Gate) right(r *http.Request, name, password string) (Operator, bool, error) {
	select {
	case g.working <- struct{}{}:
		defer func() { <-g.working }()
	case <-r.Context().Done():
		return Operator{}, false, r.Context().Err()
	}
	op, known := g.operator(name)
	h := g.nobody
	if known {
		var err error
		if h, err = parseHash(op.Hash); err != nil {
			return Operator{}, false, err
		}
	}
	return op, h.is(password) && known, nil
}

// logout ends the session.
func (g *Gate) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(g.cookieName()); err == nil && len(cookie.Value) == tokenSize {
		if err := g.Sessions.Drop(r.Context(), idOf(cookie.Value)); err != nil && !errors.Is(err, ErrNoSession) {
			g.Log.Error("gate: session cannot be ended", "error", err)
			http.Error(w, "The session cannot be ended now; try again in a moment.", http.StatusServiceUnavailable)
			return
		}
	}
	http.SetCookie(w, g.cookie("", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
