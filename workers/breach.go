package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"switchboard/pipeline/desk"
)

// Breach marks clocks that are past due, so that a missed promise is an event
// on its ticket and not only a red number on a page.
type Breach struct {
	Books BreachBooks
	Log   *slog.Logger
}

// BreachBooks is what the breach job needs from the store.
type BreachBooks interface {
	DueClocks(ctx context.Context, now time.Time, limit int) ([]desk.TicketID, error)
	Change(ctx context.Context, id desk.TicketID, ifVersion int64, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, error)
}

// Name names the job.
func (b *Breach) Name() string { return "breach" }

// Every says how often it runs.
func (b *Breach) Every() time.Duration { return 5 * time.Second }

// Once marks what is due as of now. A ticket that cannot be marked keeps no other
// from it: it stays the first, being overdue for longest.
func (b *Breach) Once(ctx context.Context, now time.Time) error {
	ids, err := b.Books.DueClocks(ctx, now, 500)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		var events []desk.Event // of the last run: a transaction may run again
		_, err := b.Books.Change(ctx, id, 0, func(t *desk.Ticket) ([]desk.Event, error) {
			events = t.Breach(now)
			return events, nil
		})
		switch {
		case err == nil:
			if len(events) > 0 { // else another process was faster
				b.Log.Info("SLA breached", "ticket", id)
			}
		case errors.Is(err, desk.ErrNotFound):
		case errors.Is(err, desk.ErrUnavailable), ctx.Err() != nil:
			return errors.Join(append(failed, err)...)
		default:
			failed = append(failed, fmt.Errorf("workers: breach of %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}
