package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// reviser is a carrier whose service lets us change what we sent. The id is the
// one [carrier] returned: of the first message, when a reply took several. Both
// may be done twice.
type reviser interface {
	carrier
	edit(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error
	remove(ctx context.Context, t *talker, to address, id string, r *desk.Reply) error
}

// editor is a source whose service lets us change what we sent.
type editor struct {
	*talker
	reviser reviser
}

var _ channels.Editor = (*editor)(nil)

// Edit is part of [channels.Editor]. A text that does not fit one message is
// refused for good.
func (e *editor) Edit(ctx context.Context, r *desk.Reply, externalID string) error {
	to, id, err := e.sent(ctx, r, externalID)
	if err != nil {
		return err
	}
	return e.reviser.edit(ctx, e.talker, to, id, r)
}

// Remove is part of [channels.Editor]. What is gone already is no error; of a
// reply that took several messages only the first can be taken back, and the
// error says so.
func (e *editor) Remove(ctx context.Context, r *desk.Reply, externalID string) error {
	to, id, err := e.sent(ctx, r, externalID)
	if err != nil {
		return err
	}
	return e.reviser.remove(ctx, e.talker, to, id, r)
}

// sent reads the address and the service's own ID of a message we sent, and
// waits for our turn.
func (e *editor) sent(ctx context.Context, r *desk.Reply, externalID string) (address, string, error) {
	var to address
	if err := json.Unmarshal(r.Thread.Address, &to); err != nil || to.Thread == "" {
		return to, "", desk.Permanent(errors.New("chat: the reply has no address"))
	}
	id, ok := strings.CutPrefix(externalID, e.Source.Name+":")
	if !ok || id == "" || strings.HasPrefix(id, unnamed) {
		return to, "", desk.Permanent(errors.New("chat: this is not the ID of a message the service can change"))
	}
	return to, id, e.pace.turn(ctx, e.settings.Send.Every, e.Now)
}

// onePart is the text of an edit.
func onePart(what string, parts []string, r *desk.Reply) (string, error) {
	if strings.TrimSpace(r.Message.Text) == "" || len(parts) == 0 {
		return "", desk.Permanent(fmt.Errorf("chat: %s: there is no text to put in its place", what))
	}
	if len(parts) > 1 {
		return "", desk.Permanent(fmt.Errorf("chat: %s: the new text does not fit one message, and no message can be added to what was sent", what))
	}
	return parts[0], nil
}

// othersStay is the error of a removal when the reply took several messages.
func othersStay(what string, messages int) error {
	if messages < 2 {
		return nil
	}
	return desk.Permanent(fmt.Errorf("chat: %s: only the first of the %d messages of this reply could be taken back", what, messages))
}
