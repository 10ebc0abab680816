// Package api is the REST interface: /v1/tickets and what hangs on it,
// /v1/customers, the
// OpenAPI 3.1 description of itself, and the health routes. It is also the
// fallback way in: a program that can do nothing else posts JSON.
//
// What goes in: HTTP requests with an API key. What comes out: JSON views of
// [desk.Ticket], [desk.Message], [desk.Customer], [desk.Link], [desk.Event] and [desk.Receipt],
// and the bytes of the files on messages, as they came; a new ticket leaves as a
// [desk.Draft] through [Intake], like any message of any channel, so that rules,
// routes and SLAs apply to it.
//
// What it promises: a 2xx answer means the books hold it. A request with an
// Idempotency-Key may be repeated at any time and takes effect once; the same
// key with another body is refused. Every refusal is an
// application/problem+json that names the wrong field and never repeats its
// value. Permissions are asked of [desk.Role.May] in one place. The handler is
// safe for concurrent use and keeps nothing but short-lived copies of keys and
// counters of their requests.
//
// What it may not know: the database, the queue, any other channel.
//
// Standards: OpenAPI 3.1, RFC 9457 (problems), RFC 9110 (methods, If-Match,
// ranges), RFC 6266 (names of files), RFC 6750 (bearer keys), RFC 7240 (Prefer:
// respond-async).
//
// To add a route: a function that returns its operation's handler, one
// register call in [New], one line in the route table of the tests.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

// Options is everything the interface is given.
type Options struct {
	Books  Books
	Files  Files
	Intake Intake
	// Names opens what knows customers and teams by name, fresh.
	Names func(ctx context.Context) (Names, error)
	// Policy returns the policy in force; it is asked once a request.
	Policy func() *desk.Policy
	Now    func() time.Time
	Log    *slog.Logger
	// PublicURL is the address clients reach us at, without a path, for the
	// OpenAPI description: never taken from a Host header.
	PublicURL string
	Version   string
	Limits    Limits
	// Sends reports whether an answer on a ticket leaves the house. Nil asks the
	// policy: sources of email, Slack, Teams and chat can send.
	Sends func(ctx context.Context, t *desk.Ticket) bool
	// Starts names the kinds of identity by which a source can find somebody to
	// begin a conversation with, the best first; none when it cannot. Nil: no
	// source can.
	Starts func(source string) []string
	// Deliver hands messages to be sent, or whose sent words changed, to the
	// workers; it must not block. Nil leaves them to the workers' sweep.
	Deliver func(ids ...desk.MessageID)
	// Ready reports on what serving depends on; nil: it depends on nothing.
	Ready func(ctx context.Context) Health
	// Trace names the trace a request belongs to, as a traceparent, for what it
	// makes us send; nil: nothing is traced.
	Trace func(ctx context.Context) string
	// Metrics answers GET /metrics; nil leaves the route out.
	Metrics http.Handler
	// Own is a key of the house itself, in force without standing in the books;
	// nil: there is none.
	Own *desk.Key
}

// Limits are the named limits of the interface. A zero field takes the default
// in brackets.
type Limits struct {
	BodyBytes   int64         // of a request body [1 MiB]
	TextBytes   int           // of a description or comment [256 KiB]
	Rate        float64       // requests a second for each key [1000]; negative: no limit
	Burst       int           // requests at once for each key [2000]
	FileTimeout time.Duration // how long a create waits for its ticket before it answers 202 [5 s]
	PageLimit   int           // items of a page at most [100]
	Stall       time.Duration // a client that takes nothing of a file for so long is let go [10 min]
}

func (l Limits) withDefaults() Limits {
	def := Limits{BodyBytes: 1 << 20, TextBytes: 256 << 10, Rate: 1000, Burst: 2000, FileTimeout: 5 * time.Second, PageLimit: 100, Stall: 10 * time.Minute}
	if l.BodyBytes <= 0 {
		l.BodyBytes = def.BodyBytes
	}
	if l.TextBytes <= 0 {
		l.TextBytes = def.TextBytes
	}
	if l.Rate == 0 {
		l.Rate = def.Rate
	}
	if l.Burst <= 0 {
		l.Burst = def.Burst
	}
	if l.FileTimeout <= 0 {
		l.FileTimeout = def.FileTimeout
	}
	if l.PageLimit <= 0 {
		l.PageLimit = def.PageLimit
	}
	if l.Stall <= 0 {
		l.Stall = def.Stall
	}
	l.PageLimit = min(l.PageLimit, desk.MaxPage)
	return l
}

// server is the running interface.
type server struct {
	Options
	api   huma.API
	keys  *keyring
	rates *limit.Buckets[desk.KeyID]
}

// New builds the handler. It answers every path of the OpenAPI description and
// refuses all others as a problem; mount it at "/" or route those paths to it.
func New(o Options) (http.Handler, error) {
	if o.Books == nil || o.Files == nil || o.Intake == nil || o.Names == nil || o.Policy == nil {
		return nil, errors.New("api: books, files, intake, names and policy are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Limits = o.Limits.withDefaults()
	setLibrary()
	s := &server{Options: o, keys: newKeyring(o.Books, o.Now, o.Own),
		rates: limit.New[desk.KeyID](limit.Rate{PerSecond: o.Limits.Rate, Burst: o.Limits.Burst}, keysKept, limit.Forget)}

	mux := http.NewServeMux()
	s.api = humago.New(mux, s.config())
	s.api.UseMiddleware(s.admit, s.readBody)

	s.routeTickets()
	s.routeChanges()
	s.routeComments()
	s.routeLinks()
	s.routeCustomers()
	s.routeHistory()
	s.routeHealth(mux)
	if err := s.serveOpenAPI(mux); err != nil {
		return nil, fmt.Errorf("api: describe: %w", err)
	}
	return s.outer(mux), nil
}

var libraryOnce sync.Once

// setLibrary sets what the library keeps as package variables; nothing else in
// the program uses it. Names are compared exactly: otherwise "Title" slips past
// the checks on "title". Lists are described as lists, never null.
func setLibrary() {
	libraryOnce.Do(func() {
		huma.ValidateStrictCasing = true
		huma.DefaultArrayNullable = false
	})
}

// config is the library's configuration: JSON only, no pages or scripts of
// others, no links built from the Host header, unknown query parameters
// refused, every error turned into a [Problem].
func (s *server) config() huma.Config {
	c := huma.Config{
		OpenAPI:                      s.description(),
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers: []huma.Transformer{func(_ huma.Context, _ string, v any) (any, error) {
			if e, ok := v.(*huma.ErrorModel); ok {
				return fromLibrary(e), nil
			}
			return v, nil
		}},
	}
	f := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	c.Formats = map[string]huma.Format{"application/json": f, "json": f}
	return c
}

func marshal(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// unmarshal decodes a body that [checkJSON] passed. Its errors say what was
// expected where, never what came.
func unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return desk.Invalidf(wrong.Field, "has the wrong type or is out of range")
	}
	if err != nil {
		return errors.New("cannot be read")
	}
	return nil
}

// route registers one operation: who may, what it does, and that its errors
// become problems.
func route[I, O any](s *server, op huma.Operation, may desk.Permission, fn func(context.Context, *I) (*O, error)) {
	s.describe(&op, may)
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, op.OperationID, err)
		}
		return out, nil
	})
}
