package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// call is one request to the service.
type call struct {
	what    string // for errors: "telegram: sendMessage"
	method  string // empty: POST
	url     string
	kind    string // content type
	body    []byte
	header  map[string]string
	user    string // with pass: basic authorization
	pass    string
	again   bool // sending it twice does nothing twice
	retryIn func(body any) time.Duration
}

// maxAnswer bounds an answer of a service.
const maxAnswer = 1 << 20

// do sends a call and decodes the answer: a *channels.Later for a limit, a
// permanent error for what no retry cures, ErrCutOff when the request left and
// it is not known what became of it.
func (t *talker) do(ctx context.Context, c call) (any, error) {
	left := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }})
	r, err := http.NewRequestWithContext(ctx, orElse(c.method, http.MethodPost), c.url, bytes.NewReader(c.body))
	if err != nil {
		return nil, desk.Permanent(fmt.Errorf("chat: %s: the address cannot be called", c.what))
	}
	r.GetBody = nil // never sent twice behind our back
	if c.kind != "" {
		r.Header.Set("Content-Type", c.kind)
	}
	r.Header.Set("User-Agent", "switchboard")
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	if c.user != "" {
		r.SetBasicAuth(c.user, c.pass)
	}
	cutOff := func(err error) error {
		err = fmt.Errorf("chat: %s: %w", c.what, noURL(err))
		if left.Load() && !c.again {
			return fmt.Errorf("%w: %w", channels.ErrCutOff, err)
		}
		return err
	}
	resp, err := t.http.Do(r)
	if err != nil {
		return nil, cutOff(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, cutOff(err)
	}
	body, _ := decodeJSON(raw, 50)
	status := resp.StatusCode
	if status >= 200 && status < 300 {
		return body, nil
	}
	err = fmt.Errorf("chat: %s: the answer was %d %s", c.what, status, desk.Clean(desk.Cut(reason(body), 200)))
	switch {
	case status == http.StatusTooManyRequests:
		return nil, &channels.Later{After: c.after(resp.Header, body), Err: err}
	case status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		if after := resp.Header.Get("Retry-After"); after != "" && status == http.StatusServiceUnavailable {
			return nil, &channels.Later{After: c.after(resp.Header, body), Err: err}
		}
		if status == http.StatusServiceUnavailable {
			return nil, err // it says that it did nothing
		}
		return nil, cutOff(err)
	}
	return nil, desk.Permanent(&refusal{error: err, status: status, reason: reason(body)})
}

// refusal is a service's answer that no retry cures.
type refusal struct {
	error
	status int
	reason string
}

func (r *refusal) Unwrap() error { return r.error }

// refusedFor reports whether err is a refusal with this status whose reason
// contains the words.
func refusedFor(err error, status int, words string) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status && strings.Contains(strings.ToLower(r.reason), words)
}

func (c *call) after(h http.Header, body any) time.Duration {
	if c.retryIn != nil {
		if d := c.retryIn(body); d > 0 {
			return min(d, time.Hour)
		}
	}
	if n, err := strconv.ParseFloat(h.Get("Retry-After"), 64); err == nil && n >= 0 {
		return max(min(time.Duration(n*float64(time.Second)), time.Hour), time.Second)
	}
	return 30 * time.Second
}

// reason finds what services say went wrong.
func reason(body any) string {
	for _, v := range []any{at(body, "description"), at(at(body, "error"), "message"), at(body, "message"), at(body, "error"), at(body, "reason"), at(at(at(body, "errors"), 0), "message")} {
		if s, ok := v.(string); ok && s != "" {
			return s
		}
	}
	return ""
}

// post sends JSON.
func (t *talker) post(ctx context.Context, c call, v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, desk.Permanent(fmt.Errorf("chat: %s: %w", c.what, err))
	}
	c.kind, c.body = "application/json", b
	return t.do(ctx, c)
}

// idOf is an ID out of an answer.
func idOf(v any) string {
	s, err := words(v)
	if err != nil {
		return ""
	}
	return s
}

var errNoAddress = errors.New("the address of the reply is not one of this service")

func lost(what string) error { return desk.Permanent(fmt.Errorf("chat: %s: %w", what, errNoAddress)) }
