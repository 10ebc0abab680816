package workers

import (
	"context"

	"switchboard/pipeline/desk"
)

// Sender carries answers of one source out. It must be safe for concurrent use.
// An error that wraps desk.ErrCutOff means that the request left and no answer
// came; a *desk.Later says when to try again; one marked desk.Permanent is never
// tried again. After any other error nothing has left.
type Sender interface {
	Send(ctx context.Context, r *desk.Reply) (desk.Proof, error)
}

// Prober is a Sender that can find out whether a reply that was cut off did
// arrive. Without it such a reply is sent again.
type Prober interface {
	Probe(ctx context.Context, r *desk.Reply) (proof desk.Proof, found bool, err error)
}

// Editor is a Sender whose other side lets us change what we sent.
type Editor interface {
	Edit(ctx context.Context, r *desk.Reply, externalID string) error
	Remove(ctx context.Context, r *desk.Reply, externalID string) error
}
