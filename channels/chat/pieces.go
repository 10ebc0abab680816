package chat

import (
	"context"
	"errors"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// pieces are the messages one reply takes, sent one after the other. The first
// fails as the whole reply does: nothing was sent. What comes after it waits for
// a service that is busy or away, as long as ctx lasts: whoever began the reply
// again would send the first once more. It is not safe for concurrent use.
type pieces struct {
	t     *talker
	begun bool
	first string // the ID of the first that was given one
}

// firstWait is how long a piece waits when the service does not say; doubled
// each time.
const firstWait = time.Second

// send sends the next one. one returns the ID the service gave it.
func (p *pieces) send(ctx context.Context, one func() (id string, err error)) error {
	for wait := firstWait; ; wait *= 2 {
		id, err := one()
		if err == nil {
			p.begun, p.first = true, orElse(p.first, id)
			return nil
		}
		if !p.begun || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) {
			return err
		}
		after := wait
		if later := (*channels.Later)(nil); errors.As(err, &later) {
			after = later.After
		}
		if end, ends := ctx.Deadline(); ends && time.Until(end) <= after {
			return err
		}
		if p.t.sleep(ctx, after) != nil {
			return err
		}
	}
}
