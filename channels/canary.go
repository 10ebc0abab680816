package channels

import "context"

// Canary is an adapter that can send itself a canary: a synthetic message whose
// text is made by [desk.NewCanary], to find out whether real ones come through.
type Canary interface {
	// Canary brings text in as a message of the source, as near to the way of a
	// real one as the other side lets us: base is where our own HTTP doors answer
	// (http://host:port, without a slash at the end), for adapters that are
	// called. It returns nil when our door said yes; whether the message reached
	// the books the caller finds out. Each implementation says where it begins.
	Canary(ctx context.Context, base, text string) error
}

// Tidier is a [Canary] whose canaries leave something outside. Tidy removes it:
// only canaries of ours, those that failed or were left by others too.
type Tidier interface {
	Tidy(ctx context.Context) error
}
