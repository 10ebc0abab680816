package channels

import (
	"bytes"
	"context"

	"switchboard/pipeline/desk"
)

// Keep sees to it that a raw request is on disk when its messages are accepted:
// one of up to c.Limits.KeepBytes is to go with them (its List into
// [desk.Draft.Kept]), a larger one is a blob when Keep
// returns, and then there are no Bytes.
func (c *Config) Keep(ctx context.Context, body []byte) (desk.Kept, error) {
	if int64(len(body)) <= c.Limits.KeepBytes {
		return desk.Keep(body), nil
	}
	ref, err := c.Blobs.Put(ctx, bytes.NewReader(body))
	return desk.Kept{Ref: ref}, err
}
