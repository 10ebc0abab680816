package webform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

var (
	errCaptcha = errors.New("the CAPTCHA was not solved")
	errNoJudge = errors.New("the CAPTCHA's service does not judge") // no fault of who solved it
)

// verifier is the client for CAPTCHA services: it follows nobody and waits for
// nobody long.
func verifier() *http.Client {
	return &http.Client{
		Timeout:       5 * time.Second,
		Transport:     http.DefaultTransport.(*http.Transport).Clone(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// verify asks the configured service whether the answer is a person's: a POST of
// secret, response and remoteip, answered by {"success": true}, which is what
// hCaptcha, Turnstile and reCAPTCHA speak. A service that does not answer, or has
// something against us, is errNoJudge, or a yes when the form fails open.
func (a *adapter) verify(ctx context.Context, c *captchaSettings, response string, from netip.Addr) error {
	if response == "" || len(response) > 10_000 {
		return errCaptcha
	}
	ok, err := a.ask(ctx, c, response, from)
	if err != nil {
		a.Log.WarnContext(ctx, "webform: CAPTCHA verifier", "error", err, "open", c.FailOpen)
		if c.FailOpen {
			return nil
		}
		return errNoJudge
	}
	if !ok {
		return errCaptcha
	}
	return nil
}

func (a *adapter) ask(ctx context.Context, c *captchaSettings, response string, from netip.Addr) (bool, error) {
	form := url.Values{"secret": {c.Secret}, "response": {response}, "sitekey": {c.SiteKey}}
	if from.IsValid() {
		form.Set("remoteip", from.String())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.VerifyURL, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := a.client.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %d", res.StatusCode)
	}
	var v struct {
		Success bool     `json:"success"`
		Codes   []string `json:"error-codes"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&v); err != nil {
		return false, err
	}
	if i := slices.IndexFunc(v.Codes, func(code string) bool { return slices.Contains(againstUs, code) }); !v.Success && i >= 0 {
		return false, errors.New(v.Codes[i])
	}
	return v.Success, nil
}

// againstUs are the codes of the services (their pages "Verify the user response
// server side", "Server-side validation", "Verifying the user's response") for what is
// wrong with them, or with the secret in the config, whatever the visitor sent.
var againstUs = []string{"internal-error", "missing-input-secret", "invalid-input-secret"}
