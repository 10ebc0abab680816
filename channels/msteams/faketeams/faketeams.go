// Package faketeams plays Microsoft for the Teams channel, on this machine: the
// OpenID metadata and signing keys (with endorsements, rotated at will), the
// token endpoint, the Bot Connector (open a chat, say, answer, edit, delete,
// members and rosters), the
// drive files lie on, and the people who write: signed activities, sent again
// when the bot does not take them.
//
// What goes in: a bot's app ID and password. What comes out: [Server], whose
// addresses go into the bot's settings ([Server.Block]); activities as
// [Activity], which a caller may bend before it sends them; what the bot did as
// [Sent]; and what Microsoft would have complained about as [Server.Problems].
//
// What it promises: it checks a bot's requests as the vendor does (bearer token,
// form of the JSON, conversations and activities that exist) and answers as the
// vendor does. It listens on loopback only. Everything is safe for concurrent
// use.
//
// What it may not know: the bot's code. Tests and the demo use it alike.
//
// Follows "Authentication with the Bot Connector API" and "Bot Connector REST
// API reference" of Azure Bot Service, and the Teams pages on messages, events
// and files. To add an endpoint: a line in routes and its handler.
package faketeams

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options says for which bot Microsoft is played.
type Options struct {
	AppID    string // default: some ID
	Password string // default: "bot-password"
	Tenant   string // of the people; default: some ID
	// SingleTenant: the bot's own tokens come from its tenant's authority alone.
	SingleTenant bool
	Now          func() time.Time
	Client       *http.Client // delivers activities; default: one with a 15 s timeout
	// Tries is how often an activity is sent at most (default 5), Pause how long
	// at most it waits before the next (default 1 s).
	Tries int
	Pause time.Duration
}

// Server is a running Microsoft.
type Server struct {
	AppID    string
	Password string
	Tenant   string

	url    string
	now    func() time.Time
	client *http.Client
	tries  int
	pause  time.Duration
	single bool
	http   *http.Server
	done   chan struct{}

	mu     sync.Mutex
	keys   []signingKey // the last one signs
	tokens map[string]time.Time
	people map[string]Person
	chats  map[string]*chat
	// Who has the app: people by their ID and teams by theirs; and who is in a team.
	installed map[string]bool
	rosters   map[string][]string
	files     map[string]file
	uploads   map[string]*Upload
	sent      []Sent
	problems  []string
	fault     func(*http.Request) *Fault
	hits      map[string]int
	serial    int64
	changed   chan struct{} // closed and made anew when the bot did something
}

// Fault is what goes wrong with one request of the bot.
type Fault struct {
	Status     int
	RetryAfter string // value of the header
	Code       string // error code in the body
	Cut        bool   // the connection is cut without an answer; what was asked is done if Done
	Done       bool
}

// Start listens on a free port of this machine.
func Start(o Options) (*Server, error) {
	s := &Server{AppID: o.AppID, Password: o.Password, Tenant: o.Tenant, now: o.Now, client: o.Client, tries: o.Tries, pause: o.Pause, single: o.SingleTenant,
		installed: map[string]bool{}, rosters: map[string][]string{},
		tokens: map[string]time.Time{}, people: map[string]Person{}, chats: map[string]*chat{},
		files: map[string]file{}, uploads: map[string]*Upload{}, hits: map[string]int{}, changed: make(chan struct{}), done: make(chan struct{})}
	if s.AppID == "" {
		s.AppID = "2f6a8f0e-0000-4000-8000-00000000b07a"
	}
	if s.Password == "" {
		s.Password = "bot-password"
	}
	if s.Tenant == "" {
		s.Tenant = "7e1a0000-0000-4000-8000-00000000d0d0"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.tries == 0 {
		s.tries = 5
	}
	if s.pause == 0 {
		s.pause = time.Second
	}
	if s.client == nil {
		s.client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{}}
	}
	if err := s.Rotate(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faketeams: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.http = &http.Server{Handler: s.guard(s.routes()), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.problem("stopped: %v", err)
		}
	}()
	return s, nil
}

// Close ends it at once.
func (s *Server) Close() {
	s.http.Close()
	<-s.done
	s.client.CloseIdleConnections()
}

// Addresses of the parts.
func (s *Server) MetadataURL() string { return s.url + "/v1/.well-known/openidconfiguration" }

// TokenURL is where the bot gets its token.
func (s *Server) TokenURL() string { return s.url + "/botframework.com/oauth2/v2.0/token" }

// ServiceURL is the Bot Connector; like the real one it ends with a slash.
func (s *Server) ServiceURL() string { return s.url + "/emea/" }

// Host is the host and port everything is at.
func (s *Server) Host() string { return strings.TrimPrefix(s.url, "http://") }

// Block is the settings of a source of the Teams channel for this Microsoft, in
// YAML, each line indented; password is how the config names the secret.
func (s *Server) Block(indent, password string) string {
	lines := []string{
		"appID: " + s.AppID,
		"appPassword: " + password,
		"metadataURLs: [\"" + s.MetadataURL() + "\"]",
		"tokenURL: " + s.TokenURL(),
		"serviceURLHosts: [\"" + s.Host() + "\"]",
		"fileHosts: [\"" + s.Host() + "\"]",
		"tenants: [" + s.Tenant + "]",
	}
	return indent + strings.Join(lines, "\n"+indent) + "\n"
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/.well-known/openidconfiguration", s.metadata)
	mux.HandleFunc("GET /v1/.well-known/keys", s.jwks)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	mux.HandleFunc("POST /emea/v3/conversations/{conversation}/activities", s.bot(s.post))
	mux.HandleFunc("POST /emea/v3/conversations/{conversation}/activities/{activity}", s.bot(s.post))
	mux.HandleFunc("PUT /emea/v3/conversations/{conversation}/activities/{activity}", s.bot(s.put))
	mux.HandleFunc("DELETE /emea/v3/conversations/{conversation}/activities/{activity}", s.bot(s.delete))
	mux.HandleFunc("GET /emea/v3/conversations/{conversation}/members/{member}", s.bot(s.member))
	mux.HandleFunc("GET /emea/v3/conversations/{conversation}/pagedmembers", s.bot(s.roster))
	mux.HandleFunc("POST /emea/v3/conversations", s.bot(s.create))
	mux.HandleFunc("GET /emea/v3/attachments/{file}/views/original", s.bot(s.download))
	mux.HandleFunc("GET /personal/{file}", s.download)
	mux.HandleFunc("PUT /upload/{session}", s.upload)
	return mux
}

// guard counts requests and lets faults happen before anything else.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hits[r.URL.Path]++
		fault := s.fault
		s.mu.Unlock()
		if fault != nil {
			if f := fault(r); f != nil {
				if f.Done {
					next.ServeHTTP(nowhere{}, r)
				}
				if f.Cut {
					panic(http.ErrAbortHandler)
				}
				if f.RetryAfter != "" {
					w.Header().Set("Retry-After", f.RetryAfter)
				}
				fail(w, f.Status, f.Code)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// nowhere takes an answer nobody will hear.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// Break makes requests go wrong: fn is asked about each. Nil ends it.
func (s *Server) Break(fn func(*http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fn
}

// Hits tells how often a path was asked for.
func (s *Server) Hits(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[path]
}

// Problems lists what Microsoft would have complained about. A good bot leaves
// it empty.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.problems...)
}

func (s *Server) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// Sent lists what the bot did, in order.
func (s *Server) Sent() []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Sent(nil), s.sent...)
}

// Wait returns what the bot did as soon as it is at least n things.
func (s *Server) Wait(ctx context.Context, n int) ([]Sent, error) {
	for {
		s.mu.Lock()
		sent, changed := append([]Sent(nil), s.sent...), s.changed
		s.mu.Unlock()
		if len(sent) >= n {
			return sent, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return sent, fmt.Errorf("faketeams: the bot did %d of %d things: %w", len(sent), n, ctx.Err())
		}
	}
}

// fail answers as the Connector does.
func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": code}})
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// next is the ID of another message: milliseconds, never the same twice.
// Callers hold s.mu.
func (s *Server) next() string {
	s.serial = max(s.serial+1, s.now().UnixMilli())
	return fmt.Sprint(s.serial)
}
