package channels

import (
	"context"
	"time"
)

type beganKey struct{}

// WithBegan notes in a context for Submit when the adapter began to fetch what
// it hands over: a trace shows that time as the message's own.
func WithBegan(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, beganKey{}, at)
}

// Began returns what WithBegan noted, and false when nothing was.
func Began(ctx context.Context) (time.Time, bool) {
	at, ok := ctx.Value(beganKey{}).(time.Time)
	return at, ok
}
