package fakeslack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Attempt is one try of a request.
type Attempt struct {
	Status int // 0: no answer in time, or none at all
	Took   time.Duration
	Reason string // X-Slack-Retry-Reason of this try; "" for the first
}

// Delivery is what became of an event.
type Delivery struct {
	EventID  string
	Body     []byte
	Attempts []Attempt
	OK       bool
}

// ErrRefused means that the app did not answer the challenge.
var ErrRefused = errors.New("fakeslack: the app did not answer the challenge")

// Connect registers the app's request URLs, which begin with base
// (http://host/hooks/slack/NAME), after the challenge Slack sends then.
func (f *Fake) Connect(ctx context.Context, base string) error {
	f.mu.Lock()
	f.app = strings.TrimSuffix(base, "/")
	challenge := f.id("challenge")
	f.mu.Unlock()
	body, _ := json.Marshal(object{"token": "unused", "challenge": challenge, "type": "url_verification"})
	r, err := f.request(ctx, "/events", "application/json", body, 0, "")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if r.Status != http.StatusOK || !strings.Contains(string(r.Body), challenge) {
		return fmt.Errorf("%w: status %d", ErrRefused, r.Status)
	}
	return nil
}

// Sign signs a body as Slack does at the instant at.
func Sign(secret string, at time.Time, body []byte) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + timestamp + ":"))
	mac.Write(body)
	return timestamp, "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// Response is an answer of the app.
type Response struct {
	Status int
	Body   []byte
}

// request sends one signed request to the app.
func (f *Fake) request(ctx context.Context, path, contentType string, body []byte, retry int, reason string) (Response, error) {
	f.mu.Lock()
	app := f.app
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, f.o.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, app+path, bytes.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	ts, sig := Sign(f.o.SigningSecret, f.o.Now(), body)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Slack-Request-Timestamp", ts)
	r.Header.Set("X-Slack-Signature", sig)
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	if retry > 0 {
		r.Header.Set("X-Slack-Retry-Num", strconv.Itoa(retry))
		r.Header.Set("X-Slack-Retry-Reason", reason)
	}
	resp, err := f.o.Client.Do(r)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return Response{Status: resp.StatusCode, Body: b}, err
}

// Deliver sends an event (the whole JSON) and sends it again, up to three times,
// while the app does not answer 2xx in time.
func (f *Fake) Deliver(ctx context.Context, body []byte) Delivery {
	var head struct {
		EventID string `json:"event_id"`
	}
	_ = json.Unmarshal(body, &head)
	d := Delivery{EventID: head.EventID, Body: body}
	reason := ""
	for try := 0; ; try++ {
		start := time.Now()
		r, err := f.request(ctx, "/events", "application/json", body, try, reason)
		d.Attempts = append(d.Attempts, Attempt{Status: r.Status, Took: time.Since(start), Reason: reason})
		if err == nil && r.Status >= 200 && r.Status < 300 {
			d.OK = true
			return d
		}
		reason = "http_error"
		if errors.Is(err, context.DeadlineExceeded) {
			reason = "http_timeout"
		}
		if try >= len(f.o.Retry) || !pause(ctx, f.o.Retry[try]) {
			return d
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Event wraps an inner event and delivers it.
func (f *Fake) Event(ctx context.Context, inner map[string]any) Delivery {
	f.mu.Lock()
	author, _ := inner["user"].(string)
	channel, _ := inner["channel"].(string)
	body, err := json.Marshal(f.envelope(inner, author, f.channels[channel].Shared))
	f.mu.Unlock()
	if err != nil {
		panic(err) // the caller's map cannot be JSON
	}
	return f.Deliver(ctx, body)
}

// Say says something in a channel and delivers the event; a mention of the bot is
// told twice, as message and as app_mention. The message comes back with its ts.
func (f *Fake) Say(ctx context.Context, m Message) (Message, Delivery) {
	f.mu.Lock()
	kept := f.add(m)
	inner := f.eventShape(kept)
	mention := strings.Contains(m.Text, "<@"+BotUser+">")
	f.mu.Unlock()
	if mention {
		again := object{}
		for k, v := range inner {
			if k != "subtype" && k != "channel_type" {
				again[k] = v
			}
		}
		again["type"] = "app_mention"
		f.Event(ctx, again)
	}
	return *kept, f.Event(ctx, inner)
}

// add keeps a message. The lock is held.
func (f *Fake) add(m Message) *Message {
	if m.TS == "" {
		m.TS = f.ts()
	}
	if len(m.Files) > 0 && m.Subtype == "" && m.BotID == "" {
		m.Subtype = "file_share"
	}
	for _, x := range m.Files {
		x.shared = true
	}
	kept := &m
	f.messages = append(f.messages, kept)
	f.touch()
	return kept
}

// eventShape is a message as an event tells it. The lock is held.
func (f *Fake) eventShape(m *Message) object {
	inner := f.shape(m, false)
	inner["event_ts"] = m.TS
	inner["channel_type"] = map[byte]string{'D': "im", 'G': "group"}[m.Channel[0]]
	if inner["channel_type"] == "" {
		inner["channel_type"] = "channel"
	}
	return inner
}

// Edit changes what was said and delivers the event.
func (f *Fake) Edit(ctx context.Context, channel, ts, text string) Delivery {
	f.mu.Lock()
	m := f.message(channel, ts)
	before := f.shape(m, false)
	m.Text, m.Edited = text, f.ts()
	after := f.shape(m, false)
	delete(before, "channel")
	delete(after, "channel")
	inner := object{"type": "message", "subtype": "message_changed", "hidden": true, "channel": channel, "channel_type": "channel",
		"ts": m.Edited, "event_ts": m.Edited, "message": after, "previous_message": before}
	f.touch()
	f.mu.Unlock()
	return f.Event(ctx, inner)
}

// Delete takes a message back and delivers the event. One with answers below it
// is emptied (a tombstone), as Slack does.
func (f *Fake) Delete(ctx context.Context, channel, ts string) Delivery {
	f.mu.Lock()
	m := f.message(channel, ts)
	before := f.shape(m, false)
	delete(before, "channel")
	at := f.ts()
	inner := object{"type": "message", "channel": channel, "channel_type": "channel", "hidden": true, "ts": at, "event_ts": at, "previous_message": before}
	if len(f.where(func(x *Message) bool { return x.Channel == channel && x.ThreadTS == ts && x.TS != ts })) > 0 {
		m.Subtype, m.Text, m.User = "tombstone", "This message was deleted.", "USLACKBOT"
		after := f.shape(m, false)
		delete(after, "channel")
		after["hidden"] = true
		inner["subtype"], inner["message"] = "message_changed", after
	} else {
		f.remove(m)
		inner["subtype"], inner["deleted_ts"] = "message_deleted", ts
	}
	f.touch()
	f.mu.Unlock()
	return f.Event(ctx, inner)
}

func (f *Fake) remove(m *Message) {
	for i, x := range f.messages {
		if x == m {
			f.messages = append(f.messages[:i:i], f.messages[i+1:]...)
			return
		}
	}
}

// React adds a reaction to a message and delivers the event.
func (f *Fake) React(ctx context.Context, user, channel, ts, name string) Delivery {
	f.mu.Lock()
	item := ""
	if m := f.message(channel, ts); m != nil {
		item = m.User
	}
	inner := object{"type": "reaction_added", "user": user, "reaction": name, "item_user": item, "event_ts": f.ts(),
		"item": object{"type": "message", "channel": channel, "ts": ts}}
	f.mu.Unlock()
	return f.Event(ctx, inner)
}
