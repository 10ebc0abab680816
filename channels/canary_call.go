package channels

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// CanaryHeader carries a canary to a door whose messages have a form of their
// own. It is worth what the MAC in it is worth: without a good one a door takes
// no notice of it.
const CanaryHeader = "X-Switchboard-Canary"

// canaryClient calls our own doors: no proxy, no redirects, nothing kept open.
var canaryClient = &http.Client{
	Timeout:       time.Minute,
	Transport:     &http.Transport{DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// CallCanary posts a canary to a door of ours. Anything but 2xx is an error.
func CallCanary(ctx context.Context, url string, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := canaryClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("our own door answered %s", resp.Status)
	}
	return nil
}
