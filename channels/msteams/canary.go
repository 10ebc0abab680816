package msteams

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var _ channels.Canary = (*adapter)(nil)

// Canary is part of [channels.Canary]: a message activity, handed to where the
// door hands what it has authenticated. The door itself is left out: its token
// is signed by Microsoft, and nobody else can make one.
func (a *adapter) Canary(ctx context.Context, _, text string) error {
	raw, err := json.Marshal(map[string]any{"type": "message", "id": text, "text": text, "timestamp": a.Now().UTC()})
	if err != nil {
		return err
	}
	act, err := parseActivity(raw)
	if err != nil {
		return fmt.Errorf("msteams: canary: %w", err)
	}
	if status, err := a.handle(ctx, act, raw); err != nil || status != http.StatusOK {
		return fmt.Errorf("msteams: canary: status %d: %w", status, err)
	}
	return nil
}

// canary is the draft of an activity that is a canary of this house.
func (a *adapter) canary(act *activity) (*desk.Draft, bool) {
	if act.Type != "message" || len(act.Attachments) > 0 {
		return nil, false
	}
	if _, ok := desk.ReadCanary(a.Config.Secret, a.Source.Name, string(act.Text)); !ok {
		return nil, false
	}
	return desk.CanaryDraft(a.Source, string(act.Text), a.Now()), true
}
