// Package gate is the door in front of the pages that people of the house open
// in a browser: a login page, sessions, and a guard around other handlers.
//
// What goes in: HTTP requests, the operators and their password hashes, and a
// place for sessions. What comes out: the wrapped page for somebody who is
// logged in, a redirect to the login page for everybody else.
//
// What it promises: a password is compared in the same time whether the name
// exists or not, and only its Argon2id hash is ever held (RFC 9106, parameters
// as OWASP's Password Storage Cheat Sheet has them). Attempts are limited by
// address and by name, and few are computed at a time, so that a flood of them
// uses up neither memory nor processors. A session is 256 random bits in a
// cookie that scripts cannot read; the place that keeps sessions sees only its
// SHA-256. It ends at its named time, at logout, and when the operator's
// password or name is changed. Requests from other sites are refused (Fetch
// Metadata, RFC 6265bis SameSite). It works without JavaScript. Everything is
// safe for concurrent use.
//
// What it may not know: what the pages behind it show, tickets, the store,
// which server keeps the sessions.
package gate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"switchboard/channels/limit"
)

// Operator is somebody who may come in.
type Operator struct {
	Name string
	Hash string // as [Hash] makes it
}

// Session is one login.
type Session struct {
	Name  string    `json:"name"`
	Mark  string    `json:"mark"` // digest of the operator's hash: a new password ends the session
	Until time.Time `json:"until"`
}

// ErrNoSession is what [Sessions] say of an ID they do not have.
var ErrNoSession = errors.New("gate: no such session")

// Sessions keeps sessions under an ID of 64 hex digits until their time is over.
type Sessions interface {
	Save(ctx context.Context, id string, s Session, ttl time.Duration) error
	// Load returns ErrNoSession for what is not there or is over.
	Load(ctx context.Context, id string) (Session, error)
	Drop(ctx context.Context, id string) error
}

// Options are what a Gate is made of.
type Options struct {
	Operators  []Operator
	Sessions   Sessions
	For        time.Duration // how long a session lasts
	PerAddress limit.Rate    // attempts of one address
	PerName    limit.Rate    // attempts for one name
	Proxies    []netip.Prefix
	PublicURL  string // https makes the cookie Secure
	Home       string // the path after a login that did not say where to
	Log        *slog.Logger
	Now        func() time.Time
}

// Gate guards pages. Make it with [New].
type Gate struct {
	Options
	secure  bool
	origin  *http.CrossOriginProtection
	byAddr  *limit.Buckets[netip.Addr]
	byName  *limit.Buckets[string]
	working chan struct{} // hashes computed at the same time
	nobody  hash          // of a name that does not exist
}

// atOnce bounds the hashes computed at the same time: each takes 19 MiB.
const atOnce = 2

// bucketsKept bounds the addresses, and the names, whose attempts are counted.
const bucketsKept = 10_000

// New makes a gate. An operator without a name, or whose hash is not one, is an
// error.
func New(o Options) (*Gate, error) {
	var hashes []hash
	for _, op := range o.Operators {
		if op.Name == "" {
			return nil, errors.New("gate: an operator has no name")
		}
		h, err := parseHash(op.Hash)
		if err != nil {
			return nil, fmt.Errorf("gate: operator %s: %w", op.Name, err)
		}
		hashes = append(hashes, h)
	}
	g := &Gate{Options: o, origin: http.NewCrossOriginProtection(), working: make(chan struct{}, atOnce), nobody: nobody(hashes),
		byAddr: limit.New[netip.Addr](o.PerAddress, bucketsKept, limit.Refuse),
		byName: limit.New[string](o.PerName, bucketsKept, limit.Refuse)}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Host != "" {
		g.secure = u.Scheme == "https"
		if err := g.origin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("gate: %w", err)
		}
	}
	return g, nil
}

// Mount puts the login page at GET and POST /login and the way out at POST
// /logout.
func (g *Gate) Mount(mux *http.ServeMux) {
	mux.Handle("GET /login", headers(http.HandlerFunc(g.page)))
	mux.Handle("POST /login", headers(g.origin.Handler(http.HandlerFunc(g.login))))
	mux.Handle("POST /logout", headers(g.origin.Handler(http.HandlerFunc(g.logout))))
}

// Guard lets a request through when it comes with a session. Others are sent to
// the login page, or refused when they are not for a page.
func (g *Gate) Guard(next http.Handler) http.Handler {
	return g.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := g.who(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case !errors.Is(err, ErrNoSession):
			g.Log.Error("gate: sessions cannot be read", "error", err)
			http.Error(w, "Sessions cannot be read now; try again in a moment.", http.StatusServiceUnavailable)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			http.Error(w, "Log in first.", http.StatusUnauthorized)
		}
	}))
}

// who is the operator of a request's session.
func (g *Gate) who(r *http.Request) (Session, error) {
	cookie, err := r.Cookie(g.cookieName())
	if err != nil || len(cookie.Value) != tokenSize {
		return Session{}, ErrNoSession
	}
	s, err := g.Sessions.Load(r.Context(), idOf(cookie.Value))
	if err != nil {
		return Session{}, err
	}
	op, ok := g.operator(s.Name)
	if !ok || mark(op.Hash) != s.Mark || !g.Now().Before(s.Until) {
		return Session{}, ErrNoSession
	}
	return s, nil
}

func (g *Gate) operator(name string) (Operator, bool) {
	for _, op := range g.Operators {
		if op.Name == name {
			return op, true
		}
	}
	return Operator{}, false
}

// tokenSize is the length of a cookie's value: 32 bytes in base64url.
const tokenSize = 43

// begin makes a session and gives its cookie. A browser never keeps the token it
// came with.
func (g *Gate) begin(w http.ResponseWriter, r *http.Request, op Operator) error {
	var b [32]byte
	rand.Read(b[:])
	token := base64.RawURLEncoding.EncodeToString(b[:])
	if old, err := r.Cookie(g.cookieName()); err == nil && len(old.Value) == tokenSize {
		_ = g.Sessions.Drop(r.Context(), idOf(old.Value)) // it ends by itself otherwise
	}
	s := Session{Name: op.Name, Mark: mark(op.Hash), Until: g.Now().Add(g.For)}
	if err := g.Sessions.Save(r.Context(), idOf(token), s, g.For); err != nil {
		return err
	}
	http.SetCookie(w, g.cookie(token, int(g.For/time.Second)))
	return nil
}

func (g *Gate) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: g.cookieName(), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteLaxMode}
}

// cookieName has the prefix that keeps other hosts of the domain from setting
// it, where there is https (RFC 6265bis section 4.1.3.2).
func (g *Gate) cookieName() string {
	if g.secure {
		return "__Host-switchboard"
	}
	return "switchboard"
}

func idOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

func mark(hash string) string { return idOf("mark\x00" + hash)[:32] }

// local is a path of ours to go to after a login: never another host's.
func (g *Gate) local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") {
		return g.Home
	}
	return next
}
