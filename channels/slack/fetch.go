package slack

import (
	"context"
	"net/url"
	"strconv"
)

// page is a page of messages, of conversations.replies or .history.
type page struct {
	Messages []message `json:"messages"`
	Meta     struct {
		Cursor loose `json:"next_cursor"`
	} `json:"response_metadata"`
}

// maxThread bounds how much of a thread is read, in messages.
const maxThread = 400

// pageSize is what one call asks for.
const pageSize = 100

// find gets one message, nil when it is not there.
func (a *adapter) find(ctx context.Context, channel, ts string) (*message, error) {
	var p page
	values := url.Values{"channel": {channel}, "ts": {ts}, "latest": {ts}, "oldest": {ts}, "inclusive": {"true"}, "limit": {"2"}}
	if err := a.call(ctx, "conversations.replies", values, &p); err != nil {
		return nil, err
	}
	for i := range p.Messages {
		if m := &p.Messages[i]; string(m.TS) == ts {
			m.Channel = loose(channel)
			return m, nil
		}
	}
	return nil, nil
}

// rest reads a thread from its first message on, oldest first. With a root of ""
// it reads the channel itself, newest first. Oldest bounds it from below.
func (a *adapter) rest(ctx context.Context, channel, root, oldest string, most int) ([]message, error) {
	method := "conversations.replies"
	values := url.Values{"channel": {channel}, "limit": {strconv.Itoa(pageSize)}, "inclusive": {"true"}, "include_all_metadata": {"true"}}
	if root == "" {
		method = "conversations.history"
	} else {
		values.Set("ts", root)
	}
	if oldest != "" {
		values.Set("oldest", oldest)
	}
	var out []message
	for {
		var p page
		if err := a.call(ctx, method, values, &p); err != nil {
			return nil, err
		}
		for _, m := range p.Messages {
			m.Channel = loose(channel)
			out = append(out, m)
		}
		if p.Meta.Cursor == "" || len(p.Messages) == 0 || len(out) >= most {
			return out, nil
		}
		values.Set("cursor", string(p.Meta.Cursor))
	}
}
