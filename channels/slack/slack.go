// Package slack makes Slack a two-way channel: what is said in a workspace
// becomes drafts, and answers go back into the thread they belong to.
//
// What goes in: signed requests of Slack (events, slash commands, modals) and
// [desk.Reply]s. What comes out: [desk.Draft]s to the Sink, blobs for the raw
// events and files, messages in Slack as [desk.Proof]s.
//
// What it promises. A request is verified on its raw bytes before anything of
// it is read. Slack hears 200 only when what it brought is in the ledger, or is
// nothing that belongs there: every decision has a reason in words ([Inspector]
// and the header slack-decision of a draft). What cannot be read is answered 200 too,
// because Slack would send it again and at last switch the app off: its row in
// the ledger has its bytes and waits for a person; one of an event that is no
// message and not known here only says so. Slack waits three seconds for an answer; what takes longer (a large file)
// goes on, and Slack's next try finds it done. An edit or a delete that comes
// before its message is asked for again (early.go). One message is one draft however
// often and in however many events it arrives. A reply is posted once: what was
// cut off is looked for in the thread by the metadata it carries. Everything is
// safe for concurrent use.
//
// What it may not know: the store, the queue, tickets, other channels. What it
// must ask of the tickets it asks through [channels.Desk].
//
// What the app needs in Slack. Bot scopes: chat:write, commands, files:read,
// files:write, im:write, reactions:read, users:read, users:read.email, and for
// the kinds of channel it sits in channels:, groups:, im: and mpim:history and
// :read. Bot events: message.channels, message.groups, message.im, message.mpim,
// app_mention, reaction_added. Request URLs: events to .../events, slash commands
// to .../commands, interactivity to .../interactions.
//
// Standards: Slack's documentation, cited by the title of the page: "Verifying
// requests from Slack", "Events API", "Formatting message text", "Rate limits".
//
// How an event flows through: hook.go reads and verifies (sign.go), event.go
// decodes leniently, inspect.go decides, work.go collects files (files.go),
// people (people.go) and the rest of a thread (fetch.go), draft.go makes the
// draft, keep.go the row of what is none. command.go and modal.go are the /ticket command and the form,
// reaction.go the emoji, send.go, upload.go, probe.go and remove.go the way back. To take
// another kind of event: a case in inspect.go and, when it makes a draft, one in
// draft.go.
package slack

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"
	"golang.org/x/time/rate"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Kind is the recipe of the Slack channel.
func Kind() channels.Kind {
	return channels.Kind{
		Name:    "slack",
		Channel: desk.Slack,
		Doc:     "Takes messages, reactions, /ticket and shortcuts of a Slack workspace by signed events, and answers in the thread.",
		Check: func(b channels.Block) error {
			_, err := load(b)
			return err
		},
		Open: func(c channels.Config) (channels.Adapter, error) { return open(c) },
	}
}

// What an opened source is, beside an [channels.Adapter].
var (
	_ channels.Hook   = (*adapter)(nil)
	_ channels.Sender = (*adapter)(nil)
	_ channels.Prober = (*adapter)(nil)
	_ channels.Editor = (*adapter)(nil)
	_ Inspector       = (*adapter)(nil)
)

// adapter is the running code of one workspace.
type adapter struct {
	channels.Config
	settings settings
	http     *http.Client
	api      *slackgo.Client // calls, short
	files    *slackgo.Client // downloads and uploads, as long as their context
	people   *people
	rooms    *rooms
	pace     *pace
	inflight *inflight
	views    views
	counts   counts
	idle     func()         // closes connections nobody uses
	knocks   rate.Sometimes // keeps a stranger who knocks all day from filling the log

	answerWithin time.Duration // Slack waits three seconds
	workWithin   time.Duration // what a request sets off may take, however it was answered
}

func open(c channels.Config) (*adapter, error) {
	s, err := load(c.Block)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = c.Log.With("source", c.Source.Name)
	transport := guarded(s.APIURL)
	short := &http.Client{Timeout: callTimeout, Transport: transport, CheckRedirect: onlyTo(s.APIURL)}
	long := &http.Client{Transport: transport, CheckRedirect: onlyTo(s.APIURL)}
	client := func(h *http.Client) *slackgo.Client {
		return slackgo.New(s.BotToken, slackgo.OptionAPIURL(s.APIURL), slackgo.OptionHTTPClient(h))
	}
	a := &adapter{Config: c, settings: s, http: short, api: client(short), files: client(long),
		idle: transport.CloseIdleConnections, knocks: rate.Sometimes{First: 3, Interval: 10 * time.Second}, pace: newPace(c.Now), inflight: newInflight(maxInflight),
		answerWithin: 2500 * time.Millisecond, workWithin: 55 * time.Second}
	a.people = newPeople(a.api, c.Now, c.Log)
	a.rooms = &rooms{api: a.api, now: c.Now, log: c.Log, known: map[string]room{}}
	return a, nil
}

// callTimeout bounds one call of the Web API: the library's own client waits for
// ever.
const callTimeout = 20 * time.Second

// Run waits for ctx: Slack calls us. Then it waits for requests that were
// answered "later" and are still at work; what is not done by then Slack sends
// again.
func (a *adapter) Run(ctx context.Context) error {
	<-ctx.Done()
	a.inflight.wait(a.workWithin)
	a.idle()
	return nil
}

// counts are how many of what came, by the words of a decision.
type counts struct {
	mu sync.Mutex
	n  map[string]int64
}

func (c *counts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	c.n[what]++
}
