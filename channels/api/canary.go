package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"switchboard/channels"
)

// Canary creates a ticket out of a canary by a POST to our own API at base, with
// the secret of a key; it is the way of every create that does not wait for its
// ticket. See [channels.Canary].
func Canary(ctx context.Context, base, secret, text string) error {
	body, err := json.Marshal(map[string]string{"title": "Canary", "description": text})
	if err != nil {
		return err
	}
	h := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + secret}, "Idempotency-Key": {text}, "Prefer": {"respond-async"}}
	if err := channels.CallCanary(ctx, base+"/v1/tickets", h, body); err != nil {
		return fmt.Errorf("api: canary: %w", err)
	}
	return nil
}
