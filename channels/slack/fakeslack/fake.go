// Package fakeslack is a Slack on this machine: enough of the Web API, of the
// Events API and of interactivity for an app to live in, strict where Slack is
// strict. Tests, the demo and the load generator use it.
//
// What goes in: what people do in a workspace ([Fake.Say], [Fake.Edit],
// [Fake.React], [Fake.Command], [Fake.Submit]) and the app's API calls. What
// comes out: signed requests to the app, sent again as Slack sends them again;
// a record of what the app did ([Fake.Posts], [Fake.Calls], [Fake.Views]).
//
// What it promises: it listens on loopback only. It refuses what Slack refuses:
// a wrong token, a channel the bot is not in, an old trigger, a file without the
// token, more than one message a second in a channel. Everything is safe for
// concurrent use. Close ends every goroutine.
//
// What it may not know: anything of ours. It speaks to the app over HTTP alone,
// and does not use the library the app uses.
//
// Standards: Slack's documentation, by the title of the page: "Events API",
// "Verifying requests from Slack", "Rate limits", "Working with files". To add a
// method of the Web API: a function in api.go and its name in the table there.
package fakeslack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Options say what workspace it is. Zero fields have defaults.
type Options struct {
	SigningSecret string
	BotToken      string
	TeamID        string
	AppID         string
	Now           func() time.Time
	// Retry is how long to wait before each further try of an event the app did
	// not answer with 2xx; Slack's own are at once, a minute and five minutes.
	Retry []time.Duration
	// Patience is how long an answer may take; Slack's is three seconds.
	Patience time.Duration
	// PostEvery is the time between two messages of the app in one channel;
	// Slack's is a second. Negative: no limit.
	PostEvery time.Duration
	// Echo sends the app events about its own messages, as Slack does.
	Echo bool
	// Client speaks to the app; nil: one of its own.
	Client *http.Client
}

// The bot in every workspace.
const (
	BotUser = "UBOT00001"
	BotID   = "BBOT00001"
)

// User is somebody in Slack. A Team other than the workspace's is a guest from
// elsewhere (Slack Connect).
type User struct {
	ID        string
	Team      string
	Name      string
	Email     string
	Confirmed bool
	Phone     string
	TimeZone  string
	Locale    string
	Guest     bool
	Bot       bool
}

// Channel is a place to talk. With Alone the bot is not in it.
type Channel struct {
	ID       string
	Name     string
	Alone    bool
	Archived bool
	Shared   bool // with another workspace
}

// Message is what somebody said.
type Message struct {
	Channel  string
	TS       string
	ThreadTS string
	User     string
	BotID    string
	Subtype  string
	Text     string
	Files    []*File
	Metadata map[string]any // of the app's own messages
	Edited   string
}

// File is a file in Slack.
type File struct {
	ID       string
	Name     string
	Title    string
	Mimetype string
	Bytes    []byte
	// URL is told instead of our own address: a file that lives elsewhere.
	URL string
	// InfoOnly leaves all but the ID out of events (file_access check_file_info).
	InfoOnly bool
	shared   bool
}

// Fake is a running Slack.
type Fake struct {
	o      Options
	base   string
	server *http.Server
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew with each change
	users    map[string]User
	channels map[string]Channel
	messages []*Message
	files    map[string]*File
	views    map[string]*View
	opened   []string // IDs of views, oldest first
	triggers map[string]time.Time
	calls    []Call
	faults   map[string][]Fault
	lastPost map[string]time.Time
	app      string // where requests go: .../hooks/slack/NAME
	serial   int64
	lastTS   int64
}

// New starts a Slack.
func New(o Options) (*Fake, error) {
	or := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	or(&o.SigningSecret, "8f742231b10e8888abcd99fakeslack5a")
	or(&o.BotToken, "xoxb-fake-1")
	or(&o.TeamID, "TACME0001")
	or(&o.AppID, "AAPP00001")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retry == nil {
		o.Retry = []time.Duration{0, time.Minute, 5 * time.Minute}
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Second
	}
	if o.PostEvery == 0 {
		o.PostEvery = time.Second
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fakeslack: %w", err)
	}
	f := &Fake{o: o, base: "http://" + l.Addr().String(), changed: make(chan struct{}),
		users: map[string]User{}, channels: map[string]Channel{}, files: map[string]*File{}, views: map[string]*View{},
		triggers: map[string]time.Time{}, faults: map[string][]Fault{}, lastPost: map[string]time.Time{}}
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.users[BotUser] = User{ID: BotUser, Team: o.TeamID, Name: "switchboard", Bot: true}
	f.server = &http.Server{Handler: f.handler(), ReadHeaderTimeout: 10 * time.Second}
	f.wg.Go(func() { _ = f.server.Serve(l) })
	return f, nil
}

// Close ends it.
func (f *Fake) Close() {
	f.stop()
	_ = f.server.Close()
	f.wg.Wait()
	f.o.Client.CloseIdleConnections()
}

// APIURL is what to set as apiURL.
func (f *Fake) APIURL() string { return f.base + "/api/" }

// Host is where files are, "127.0.0.1:port".
func (f *Fake) Host() string { return f.base[len("http://"):] }

// Options are those it runs with.
func (f *Fake) Options() Options { return f.o }

// AddUser adds or replaces a user; the team defaults to the workspace.
func (f *Fake) AddUser(u User) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u.Team == "" {
		u.Team = f.o.TeamID
	}
	f.users[u.ID] = u
}

// AddChannel adds or replaces a channel.
func (f *Fake) AddChannel(c Channel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.channels[c.ID] = c
}

// AddFile keeps a file nobody shared yet and gives it an ID.
func (f *Fake) AddFile(x File) *File {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addFile(x)
}

func (f *Fake) addFile(x File) *File {
	if x.ID == "" {
		x.ID = f.id("F")
	}
	f.files[x.ID] = &x
	return &x
}

// Posts are the app's own messages that stand, oldest first.
func (f *Fake) Posts() []Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.where(func(m *Message) bool { return m.BotID == BotID })
}

// Thread is a thread as it stands, oldest first.
func (f *Fake) Thread(channel, ts string) []Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.where(func(m *Message) bool { return m.Channel == channel && (m.TS == ts || m.ThreadTS == ts) })
}

func (f *Fake) where(fn func(*Message) bool) []Message {
	var out []Message
	for _, m := range f.messages {
		if fn(m) {
			out = append(out, *m)
		}
	}
	return out
}

// Call is one call of the Web API.
type Call struct {
	Method string
	Args   map[string]string
	Body   []byte // of calls in JSON
	Answer string // "ok", an error or a status
}

// Calls are the calls of a method so far, of all methods for "".
func (f *Fake) Calls(method string) []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Call
	for _, c := range f.calls {
		if method == "" || c.Method == method {
			out = append(out, c)
		}
	}
	return out
}

// Fault makes calls go wrong.
type Fault struct {
	Status     int           // answer with this status
	RetryAfter string        // beside a 429
	Error      string        // answer "ok": false with this
	Cut        bool          // do it, then cut the connection without an answer
	Drop       bool          // cut the connection without doing it
	Delay      time.Duration // wait first
	Until      chan struct{} // wait first until it is closed
	Body       string        // answer this without doing it; a download is sent on to this address
}

// wait waits as long as the fault says; false means that ctx is done.
func (x Fault) wait(ctx context.Context) bool {
	if x.Until != nil {
		select {
		case <-x.Until:
		case <-ctx.Done():
			return false
		}
	}
	return x.Delay == 0 || pause(ctx, x.Delay)
}

// Next lets the next calls of a method go wrong, one fault a call.
func (f *Fake) Next(method string, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[method] = append(f.faults[method], faults...)
}

// Await waits until cond holds; it is asked after each change. It returns the
// error of ctx.
func (f *Fake) Await(ctx context.Context, cond func() bool) error {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// touch tells those who wait. The lock is held.
func (f *Fake) touch() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// id makes an ID. The lock is held.
func (f *Fake) id(prefix string) string {
	f.serial++
	return fmt.Sprintf("%s%08d", prefix, f.serial)
}

// ts makes a timestamp no other message has. The lock is held.
func (f *Fake) ts() string {
	micro := f.o.Now().UnixMicro()
	if micro <= f.lastTS {
		micro = f.lastTS + 1
	}
	f.lastTS = micro
	return strconv.FormatInt(micro/1e6, 10) + "." + fmt.Sprintf("%06d", micro%1e6)
}

func (f *Fake) message(channel, ts string) *Message {
	for _, m := range f.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}
