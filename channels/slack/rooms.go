package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"switchboard/pipeline/desk"
)

// room is what is known of a channel.
type room struct {
	name  string
	until time.Time
}

// rooms asks Slack for the names of channels, where the config names channels so.
// Safe for concurrent use.
type rooms struct {
	api *slackgo.Client
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex
	known map[string]room
}

const (
	roomFor   = 10 * time.Minute
	roomsMost = 10000
)

// name is the name of a channel, "" when Slack will not tell. The error means
// that it is not known now and a guess could lose a message.
func (r *rooms) name(ctx context.Context, id string) (string, error) {
	now := r.now()
	r.mu.Lock()
	old, ok := r.known[id]
	r.mu.Unlock()
	if ok && now.Before(old.until) {
		return old.name, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	c, err := r.api.GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: id})
	var refused slackgo.SlackErrorResponse
	switch {
	case err == nil:
		r.keep(id, desk.Clean(c.Name))
		return desk.Clean(c.Name), nil
	case ok:
		return old.name, nil // an old answer is better than none
	case errors.As(err, &refused) && permanent(refused.Err):
		r.log.Warn("slack: the name of a channel cannot be asked", "channel", id, "err", err)
		r.keep(id, "")
		return "", nil
	}
	return "", fmt.Errorf("slack: name of channel %s: %w", id, err)
}

func (r *rooms) keep(id, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= roomsMost {
		r.known = map[string]room{}
	}
	r.known[id] = room{name: name, until: r.now().Add(roomFor)}
}
