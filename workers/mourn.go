package workers

import (
	"context"
	"fmt"
	"time"
)

// holder is the name under which the books may know what this worker sends: its
// own while everybody can see whether it lives, else none.
func (h *hands) holder() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.shown) >= handsGone {
		return ""
	}
	h.known = true
	return h.id
}

// hidden tells the books that this worker lives when nobody can see it any more,
// each time anew: what was being taken when it said so last has its name in them
// only now.
func (h *hands) hidden(ctx context.Context) {
	h.mu.Lock()
	due := h.unseen != nil && h.known && time.Since(h.shown) >= handsGone
	h.mu.Unlock()
	if !due {
		return
	}
	if err := h.unseen(ctx, h.id); err != nil {
		h.log.Warn("cannot say that this worker lives; what it sends may be sent again", "error", err)
	}
}

// mourn takes from workers that are surely dead what they were sending.
func (h *hands) mourn(ctx context.Context, dead []string, now time.Time) error {
	gone, buried := map[string]time.Time{}, map[string]bool{}
	defer func() { h.gone, h.buried = gone, buried }()
	for _, w := range dead {
		since, seen := h.gone[w]
		if !seen {
			since = now
		}
		gone[w], buried[w] = since, h.buried[w]
	}
	if h.bury == nil {
		return nil
	}
	for _, w := range dead {
		if buried[w] || now.Sub(gone[w]) < handsSure {
			continue
		}
		if err := h.bury(ctx, w); err != nil {
			return fmt.Errorf("what worker %s was sending: %w", w, err)
		}
		buried[w] = true
	}
	return nil
}
