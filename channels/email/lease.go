package email

import (
	"context"
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// acquire waits until the source is ours. The token fences what we submit. It
// returns an error only when ctx is done.
func (a *adapter) acquire(ctx context.Context) (token int64, err error) {
	waiting := false
	for ctx.Err() == nil {
		token, ok, err := a.Mailboxes.Acquire(ctx, a.lease(), a.Holder, a.Now(), a.pace.leaseTTL)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			a.Log.Warn("email: cannot take the lease", "error", err)
		case ok:
			a.Log.Info("email: reading", "folders", len(a.settings.Folders))
			return token, nil
		case !waiting:
			waiting = true
			a.Log.Info("email: another process reads this source; standing by")
		}
		a.pace.sleep(ctx, a.pace.leaseWait)
	}
	return 0, context.Cause(ctx)
}

// renew keeps the lease until ctx is done (nil) or it is lost: somebody else
// has it, or it could not be renewed for so long that somebody else may.
func (a *adapter) renew(ctx context.Context, token int64) error {
	last := time.Now()
	ticker := time.NewTicker(a.pace.leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		call, cancel := context.WithTimeout(ctx, a.pace.leaseRenew)
		asked := time.Now()
		now, ok, err := a.Mailboxes.Acquire(call, a.lease(), a.Holder, a.Now(), a.pace.leaseTTL)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && time.Since(last)+a.pace.leaseRenew >= a.pace.leaseTTL:
			return fmt.Errorf("email: lease not renewed: %w: %w", desk.ErrLeaseLost, err)
		case err != nil:
			a.Log.Warn("email: cannot renew the lease", "error", err)
		case !ok || now != token:
			return fmt.Errorf("email: %w", desk.ErrLeaseLost)
		default:
			last = asked
		}
	}
}

// release lets another process take over at once.
func (a *adapter) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.Mailboxes.Release(ctx, a.lease(), a.Holder); err != nil {
		a.Log.Warn("email: cannot release the lease", "error", err)
	}
}
