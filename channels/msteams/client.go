package msteams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/infracloudio/msbotbuilder-go/connector/client"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// outgoing is an activity we send: only what is set is in it. (The library's
// type would say that it expired in the year 1.)
type outgoing struct {
	Type         string               `json:"type"`
	ID           string               `json:"id,omitempty"`
	ChannelID    string               `json:"channelId,omitempty"`
	From         identity             `json:"from,omitzero"`
	Recipient    identity             `json:"recipient,omitzero"`
	Conversation outgoingConversation `json:"conversation,omitzero"`
	ReplyToID    string               `json:"replyToId,omitempty"`
	Text         string               `json:"text,omitempty"`
	TextFormat   string               `json:"textFormat,omitempty"`
	Attachments  []outgoingAttachment `json:"attachments,omitempty"`
}

type outgoingConversation struct {
	ID       string `json:"id,omitempty"`
	Type     string `json:"conversationType,omitempty"`
	TenantID string `json:"tenantId,omitempty"`
}

type outgoingAttachment struct {
	ContentType string `json:"contentType"`
	ContentURL  string `json:"contentUrl,omitempty"`
	Name        string `json:"name,omitempty"`
	Content     any    `json:"content,omitempty"`
}

// call is one exchange with the Connector: the library's Client, which knows
// neither context nor answer, so each call brings its own. What to send besides
// what the library carries is in text and attachments; what came of it is in id
// and err.
type call struct {
	ctx         context.Context
	adapter     *adapter
	text        string
	attachments []outgoingAttachment

	id  string
	err error
}

var _ client.Client = (*call)(nil)

var errPart = errors.New("an ID is missing or has an impossible form")

// Post says something: as an answer to ReplyToID, or just in the conversation.
func (c *call) Post(_ url.URL, act schema.Activity) error {
	parts := []string{act.Conversation.ID, "activities"}
	if act.ReplyToID != "" {
		parts = append(parts, act.ReplyToID)
	}
	return c.do(http.MethodPost, act, parts)
}

// Put replaces what was said.
func (c *call) Put(_ url.URL, act schema.Activity) error {
	return c.do(http.MethodPut, act, []string{act.Conversation.ID, "activities", act.ID})
}

// Delete takes back what was said.
func (c *call) Delete(_ url.URL, act schema.Activity) error {
	return c.do(http.MethodDelete, act, []string{act.Conversation.ID, "activities", act.ID})
}

func (c *call) do(method string, act schema.Activity, parts []string) error {
	c.err = func() error {
		// The address the library made is not used: it joins IDs into the path as
		// they are, "../" included.
		address, err := resource(act.ServiceURL, c.adapter.settings.serviceHosts, parts...)
		if err != nil {
			return desk.Permanent(fmt.Errorf("msteams: the conversation's address is refused: %w", err))
		}
		var body []byte
		if method != http.MethodDelete {
			if body, err = json.Marshal(c.outgoing(act)); err != nil {
				return desk.Permanent(fmt.Errorf("msteams: %w", err))
			}
			if n := c.adapter.settings.MessageBytes; len(body) > n {
				return desk.Permanent(fmt.Errorf("msteams: the message has %d bytes, more than the %d that Teams takes", len(body), n))
			}
		}
		var answer struct {
			ID loose `json:"id"`
		}
		err = c.adapter.request(c.ctx, method, address, body, &answer)
		c.id = string(answer.ID)
		return err
	}()
	return c.err
}

func (c *call) outgoing(act schema.Activity) outgoing {
	out := outgoing{
		Type: string(act.Type), ID: act.ID, ChannelID: act.ChannelID, ReplyToID: act.ReplyToID,
		From:         identity{ID: act.From.ID, Name: act.From.Name},
		Recipient:    identity{ID: act.Recipient.ID, Name: act.Recipient.Name, AAD: act.Recipient.AadObjectID},
		Conversation: outgoingConversation{ID: act.Conversation.ID, Type: act.Conversation.ConversationType, TenantID: act.Conversation.TenantID},
		Text:         c.text, Attachments: c.attachments,
	}
	if out.Text != "" {
		out.TextFormat = "xml"
	}
	return out
}

// answerBytes bounds what is read of an answer.
const answerBytes = 256 << 10

// request speaks to the Connector with the bot's token, renewing a token that is
// refused once. Errors say what to do: permanent, *channels.Later, or wrapping
// channels.ErrCutOff when the request left and nobody knows what came of it.
func (a *adapter) request(ctx context.Context, method, address string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, a.settings.Timeouts.Send)
	defer cancel()
	for try := 0; ; try++ {
		token, err := a.tokens.get(ctx)
		if err != nil {
			return err
		}
		status, err := a.exchange(ctx, method, address, token, body, into)
		if status != http.StatusUnauthorized || try > 0 {
			return err
		}
		a.tokens.drop(token)
	}
}

func (a *adapter) exchange(ctx context.Context, method, address, token string, body []byte, into any) (int, error) {
	left := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, desk.Permanent(fmt.Errorf("msteams: %w", err))
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	res, err := a.outside.Do(req)
	cutOff := func(err error) error {
		if left.Load() && method != http.MethodGet {
			return fmt.Errorf("msteams: %w: %w", channels.ErrCutOff, brief(err))
		}
		return fmt.Errorf("msteams: %w", brief(err))
	}
	if err != nil {
		return 0, cutOff(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if res.StatusCode/100 == 2 {
		if err != nil {
			return res.StatusCode, cutOff(err)
		}
		if into != nil && len(answer) > 0 {
			// Teams took it; an answer we cannot read costs its ID, no more.
			if bad := json.Unmarshal(answer, into); bad != nil {
				a.Log.Warn("msteams: the Connector's answer cannot be read", "method", method)
			}
		}
		return res.StatusCode, nil
	}
	return res.StatusCode, failed(res, answer, a.Now())
}

// failed says what a refusal of the Connector means ("Error handling" of the Bot
// Connector API; "Status codes from bot conversational APIs" of Teams).
func failed(res *http.Response, answer []byte, now time.Time) error {
	var said struct {
		Error struct {
			Code    loose `json:"code"`
			Message loose `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(answer, &said)
	code := desk.Cut(string(said.Error.Code), 60)
	if code == "" {
		code = "no code"
	}
	words := func(what string) error { return fmt.Errorf("msteams: %s (%d %s)", what, res.StatusCode, code) }
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized:
		return words("the Connector refuses the bot's token; are appID, appPassword and tenantID right?")
	case s == http.StatusForbidden:
		return &forbidden{desk.Permanent(words("Teams does not let the bot write there: the app was removed, or the bot blocked"))}
	case s == http.StatusNotFound:
		return &gone{desk.Permanent(words("the conversation or the message does not exist any more"))}
	case s == http.StatusRequestEntityTooLarge:
		return desk.Permanent(words("the message is too large for Teams"))
	case s == http.StatusTooManyRequests, s == http.StatusPreconditionFailed, s == http.StatusServiceUnavailable:
		return &channels.Later{After: retryAfter(res.Header.Get("Retry-After"), now), Err: words("Teams asks to wait")}
	case s == http.StatusBadGateway, s == http.StatusGatewayTimeout:
		return fmt.Errorf("%w: %w", channels.ErrCutOff, words("something between us and Teams failed"))
	case s >= 500, s == http.StatusRequestTimeout:
		return words("Teams has a failure")
	case s/100 == 3:
		return words("the Connector sends us elsewhere")
	}
	return desk.Permanent(words("Teams refuses the message"))
}

// gone marks a 404, which for an answer may mean the message answered.
type gone struct{ err error }

func (g *gone) Error() string { return g.err.Error() }
func (g *gone) Unwrap() error { return g.err }

// forbidden marks a 403.
type forbidden struct{ err error }

func (f *forbidden) Error() string { return f.err.Error() }
func (f *forbidden) Unwrap() error { return f.err }

// retryAfter reads a Retry-After (RFC 9110 10.2.3): 10 s when there is none, one
// hour at most.
func retryAfter(s string, now time.Time) time.Duration {
	after := 10 * time.Second
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e6 {
		after = time.Duration(n * float64(time.Second))
	} else if at, err := http.ParseTime(s); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, time.Second), time.Hour)
}
