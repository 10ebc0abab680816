package main

import (
	"context"
	"fmt"

	"switchboard/channels/email"
	"switchboard/pipeline/desk"
)

// reread reads the raw bytes of an accepted receipt again with this version's
// reader. Only mails are kept raw in a form that can be; others keep their
// draft. The receipt keeps its identity: source, external ID and fingerprint.
func (h *house) reread(ctx context.Context, id desk.ReceiptID) error {
	r, err := h.store.Receipt(ctx, id)
	if err != nil {
		return err
	}
	if r.Draft == nil || r.Draft.Channel != desk.Email || r.Raw.IsZero() {
		return nil
	}
	source, ok := h.policy().Sources[r.Source]
	if !ok {
		source = desk.Source{Name: r.Source, Channel: desk.Email}
	}
	raw, err := h.blobs.Open(ctx, r.Raw)
	if err != nil {
		return fmt.Errorf("read %s again: %w", id, err)
	}
	defer raw.Close()
	d, err := email.Parse(ctx, raw, h.blobs, source, h.secret, r.SourceTime)
	if err != nil {
		return fmt.Errorf("read %s again: %w", id, err)
	}
	d.ExternalID, d.Fingerprint = r.Draft.ExternalID, r.Draft.Fingerprint
	return h.store.Redraft(ctx, id, d)
}
