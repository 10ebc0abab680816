// Package msteams makes Microsoft Teams a two-way channel: a bot that people
// write to, mention and send files, and through which agents answer.
//
// What goes in: the activities the Bot Connector posts to
// /hooks/msteams/{source}/messages, and replies for [channels.Sender]. What
// comes out: [desk.Draft]s to the Sink (new messages, edits, deletes,
// undeletes), blobs for raw activities and files, and activities posted to the
// Connector.
//
// What it promises. Nothing is read, kept or acted on before the bearer token is
// verified, and nothing is acted on before the token, the signing key's
// endorsements, the service URL and the tenant agree with the activity; all of
// it fails closed. The Connector hears 200 only after the ledger has the
// message: 503 asks it to try again. A message whose files cannot be fetched is
// taken without them and says so. No request goes to a host that is not on an
// allow-list, nor to a private address unless that host is written out there.
// Answers go out at least once: Teams cannot be asked whether a message of ours
// arrived. Everything here is safe for concurrent use.
//
// What it may not know: the store, the queue, tickets, other channels.
//
// Standards: Bot Framework "Authentication with the Bot Connector API", "Bot
// Connector REST API reference" and "Activity" schema; Teams "Send and receive
// files through a bot", "Message events", "Proactive messages", "Conversation
// events in your Teams bot"; RFC 7515 and 7519 (JWT), RFC 7517
// (JWK), RFC 6749 section 4.4 (client credentials), RFC 6750 (bearer).
//
// How it flows: hook.go takes the request; validator.go and keys.go say whether
// it is Microsoft's; activity.go reads it, leniently; file.go and member.go
// fetch what it refers to; draft.go and text.go make the draft, purely. send.go
// answers through client.go and token.go; consent.go delivers files of ours.
// The required library (msbotbuilder-go) drives both ways through its exported
// seams: its adapter parses and authenticates with our TokenValidator, and
// builds and dispatches what we send with our Client. contact.go keeps whom and where the bot can
// write to; begin.go writes to somebody who never wrote. hosts.go is the one
// place that decides where a request may go. To handle one more kind of activity: a
// case in hook.go, and its form in draft.go if it changes a message.
package msteams

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/infracloudio/msbotbuilder-go/connector/auth"
	"github.com/infracloudio/msbotbuilder-go/core"

	"switchboard/channels"
	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

// What an adapter of this channel is.
var (
	_ channels.Hook    = (*adapter)(nil)
	_ channels.Sender  = (*adapter)(nil)
	_ channels.Editor  = (*adapter)(nil)
	_ channels.Starter = (*adapter)(nil)
)

// Kind is the recipe of the Microsoft Teams channel.
func Kind() channels.Kind {
	return channels.Kind{
		Name:    "msteams",
		Channel: desk.MSTeams,
		Doc:     "A Microsoft Teams bot: chats, channel threads, edits, deletes and files in; answers in the same thread out.",
		Check: func(b channels.Block) error {
			_, err := load(b)
			return err
		},
		Open: func(c channels.Config) (channels.Adapter, error) { return open(c) },
	}
}

// adapter is the running code of one bot.
type adapter struct {
	channels.Config
	settings settings

	validator *validator
	outside   *http.Client // to hosts a stranger named; guarded
	tokens    *tokens
	members   *members
	kept      kept
	rates     *limit.Buckets[netip.Addr] // by address
	counts    counts
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
	a := &adapter{Config: c, settings: s,
		outside: &http.Client{Transport: guarded(s.serviceHosts, s.fileHosts), CheckRedirect: noRedirect},
		members: &members{known: map[string]member{}},
		rates:   limit.New[netip.Addr](limit.Rate{PerSecond: s.Rate.PerSecond, Burst: s.Rate.Burst}, addressesKept, limit.Forget),
	}
	home := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), CheckRedirect: noRedirect, Timeout: keysTimeout}
	a.validator = &validator{settings: s, now: c.Now, keys: newKeys(s.MetadataURLs, home, c.Now, c.Log)}
	a.tokens = &tokens{url: s.TokenURL, id: s.AppID, password: s.AppPassword, scope: s.Scope, client: home, now: c.Now, turn: make(chan struct{}, 1)}
	return a, nil
}

// Run waits for ctx: activities come to the routes. The signing keys are fetched
// at once, so that the first message need not wait; when that fails, the first
// message fetches them.
func (a *adapter) Run(ctx context.Context) error {
	a.validator.keys.warm(ctx)
	<-ctx.Done()
	a.outside.CloseIdleConnections()
	a.tokens.client.CloseIdleConnections()
	return nil
}

// Routes is the messaging endpoint to be registered with the bot.
func (a *adapter) Routes() []channels.Route {
	return []channels.Route{{
		Pattern: "POST /hooks/msteams/" + a.Source.Name + "/messages",
		Handler: http.HandlerFunc(a.receive),
	}}
}

// botAdapter is the library's adapter with both its halves replaced: it
// authenticates by our validator and sends by the given call.
func (a *adapter) botAdapter(c *call) *core.BotFrameworkAdapter {
	credentials := auth.SimpleCredentialProvider{AppID: a.settings.AppID, Password: a.settings.AppPassword}
	return &core.BotFrameworkAdapter{
		AdapterSetting: core.AdapterSetting{AppID: a.settings.AppID, CredentialProvider: credentials, ChannelService: auth.ChannelService},
		TokenValidator: a.validator,
		Client:         c,
	}
}

// Counts tells how many activities of each kind came, and how many requests were
// refused with each status ("refused 401").
func (a *adapter) Counts() map[string]int64 { return a.counts.all() }

// counts counts by name.
type counts struct {
	mu sync.Mutex
	n  map[string]int64
}

// known bounds the names a stranger can make us keep.
const knownCounts = 100

func (c *counts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	if _, ok := c.n[name]; !ok && len(c.n) >= knownCounts {
		name = "others"
	}
	c.n[name]++
}

func (c *counts) all() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]int64, len(c.n))
	for k, v := range c.n {
		out[k] = v
	}
	return out
}
