package channels

import (
	"context"

	"switchboard/pipeline/desk"
)

// Sender is an adapter that carries answers out. The worker role opens it; Run
// is not called there. It must be safe for concurrent use.
type Sender interface {
	// Send delivers a reply into its thread and returns the identifier the other
	// side gave it. Before it sends, it must be able to fail without effect; once
	// the request has left and no answer came, the error wraps ErrCutOff. An
	// error marked desk.Permanent is never tried again (bad address, channel
	// archived, bot removed); a *Later says when to try. It calls r.Leaves after all
	// waiting, right before the reply leaves, and ends with its error.
	Send(ctx context.Context, r *desk.Reply) (desk.Proof, error)
}

// Starter is a Sender that can write to somebody first: Send then also takes a
// reply that begins a conversation (see [desk.Reply.Begins]) and says so in the
// proof's Begun. Doing so twice for one reply must not begin two
// conversations where the other side can tell.
type Starter interface {
	Sender
	// Starts names the kinds of identity (see [desk.IdentityKind]) by which it
	// finds people, the best first. None: this source cannot begin anything.
	Starts() []string
}

// Prober is a Sender that can find out whether a reply that was cut off did
// arrive. Without it such a reply is sent again (at least once).
type Prober interface {
	// Probe looks for the reply on the other side; found is false when it is
	// certainly not there.
	Probe(ctx context.Context, r *desk.Reply) (proof desk.Proof, found bool, err error)
}

// Editor is a Sender whose other side lets us change what we sent.
type Editor interface {
	// Edit replaces the text of what was sent as externalID by r's.
	Edit(ctx context.Context, r *desk.Reply, externalID string) error
	// Remove takes it back.
	Remove(ctx context.Context, r *desk.Reply, externalID string) error
}

// ErrCutOff means that the request left and no answer came: see
// [desk.ErrCutOff], which it is.
var ErrCutOff = desk.ErrCutOff

// Later is an error that says when to try again: see [desk.Later].
type Later = desk.Later
