package main

import (
	"context"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var _ channels.Desk = (*house)(nil)

// Knows reports whether a message with this external ID, or a conversation with
// this key, is in the books or on its way there; see channels.Desk.
func (h *house) Knows(ctx context.Context, scope, key string) (bool, error) {
	_, found, err := h.ticketOf(ctx, scope, key)
	if err != nil || found {
		return found, err
	}
	v, err := h.store.View(ctx, nil)
	if err != nil {
		return false, err
	}
	seen, err := v.Seen(ctx, scope, key)
	for _, s := range seen {
		if s.State == desk.Accepted || s.State == desk.Filed {
			return true, err
		}
	}
	return false, err
}

// SetStatus moves the ticket that has the message or conversation; see
// channels.Desk.
func (h *house) SetStatus(ctx context.Context, scope, key string, status desk.Status, by desk.Actor) error {
	id, found, err := h.ticketOf(ctx, scope, key)
	if err == nil && !found {
		id, found, err = h.ticketWith(ctx, scope, key)
	}
	if err != nil {
		return err
	}
	if !found {
		return desk.ErrNotFound
	}
	policy := h.policy()
	if status, err = policy.Statuses.Parse(string(status)); err != nil {
		return err
	}
	_, err = h.store.Change(ctx, id, 0, func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(policy, desk.Change{At: h.now(), By: by, Status: &status})
	})
	return err
}

func (h *house) ticketOf(ctx context.Context, scope, key string) (desk.TicketID, bool, error) {
	v, err := h.store.View(ctx, nil)
	if err != nil {
		return "", false, err
	}
	owners, err := v.Threads(ctx, scope, []string{key})
	id, found := owners[key]
	return id, found, err
}

// ticketWith finds the ticket of a message that no other names, so that its ID
// leads nowhere: see [desk.Thread].
func (h *house) ticketWith(ctx context.Context, scope, externalID string) (desk.TicketID, bool, error) {
	v, err := h.store.View(ctx, nil)
	if err != nil {
		return "", false, err
	}
	m, found, err := v.Entry(ctx, scope, externalID, "")
	if err != nil || !found {
		return "", false, err
	}
	return m.TicketID, true, nil
}
