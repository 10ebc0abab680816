package email

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Run reads the source until ctx is done; see [channels.Adapter]. It holds the
// lease, runs one goroutine with one connection for each folder, and when the
// lease is lost drops everything and stands in line for it again.
func (a *adapter) Run(ctx context.Context) error {
	for {
		token, err := a.acquire(ctx)
		if err != nil {
			return nil
		}
		a.reading.hold(true, a.Now())
		err = a.hold(ctx, token)
		a.reading.hold(false, a.Now())
		a.release(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.Log.Warn("email: starting over", "error", err)
		a.pace.sleep(ctx, a.pace.retryMin)
	}
}

// hold reads while the lease is ours. It ends when ctx does or the lease is
// lost, and only after every goroutine it started.
func (a *adapter) hold(ctx context.Context, token int64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.renew(ctx, token) })
	for _, name := range a.settings.Folders {
		f := newFolder(a, name, token)
		group.Go(func() error {
			defer f.end()
			return f.run(ctx)
		})
	}
	return group.Wait()
}

// ours marks a failure of our own store or blobs, which has nothing to do with
// the mail server.
type ours struct{ err error }

func (e ours) Error() string { return e.err.Error() }
func (e ours) Unwrap() error { return e.err }

func isOurs(err error) bool {
	var o ours
	return errors.As(err, &o)
}
