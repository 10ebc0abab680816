package msteams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// tokenEarly is how long before its end a token is replaced.
const tokenEarly = 5 * time.Minute

// tokens keeps the bot's own token (RFC 6749 section 4.4, client credentials).
// It is safe for concurrent use; one request at a time fetches.
type tokens struct {
	url, id, password, scope string
	client                   *http.Client
	now                      func() time.Time

	turn  chan struct{} // held while the fields below are used
	value string
	until time.Time
}

// get returns a token that is good for minutes to come.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	now := t.now()
	if t.value != "" && now.Before(t.until) {
		return t.value, nil
	}
	value, life, err := t.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("msteams: get the bot's token: %w", err)
	}
	early := tokenEarly
	if life < 2*early {
		early = life / 2
	}
	t.value, t.until = value, now.Add(life-early)
	return value, nil
}

// drop forgets a token that was refused, unless another has replaced it.
func (t *tokens) drop(value string) {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if t.value == value {
		t.value = ""
	}
}

func (t *tokens) fetch(ctx context.Context) (value string, life time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {t.id}, "client_secret": {t.password}, "scope": {t.scope}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := t.client.Do(req)
	if err != nil {
		return "", 0, brief(err)
	}
	defer res.Body.Close()
	var answer struct {
		Token     string      `json:"access_token"`
		ExpiresIn json.Number `json:"expires_in"`
		Error     string      `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", 0, brief(err)
	}
	bad := json.Unmarshal(body, &answer)
	switch {
	case res.StatusCode != http.StatusOK && answer.Error != "":
		return "", 0, fmt.Errorf("the login server refuses the app ID or its password (%d, %s)", res.StatusCode, desk.Clean(desk.Cut(answer.Error, 100)))
	case res.StatusCode != http.StatusOK:
		return "", 0, fmt.Errorf("the login server answered %d", res.StatusCode)
	case bad != nil || answer.Token == "" || strings.ContainsAny(answer.Token, " \r\n"):
		return "", 0, errors.New("the login server's answer holds no token")
	}
	seconds, err := answer.ExpiresIn.Int64()
	if err != nil || seconds < 0 {
		seconds = 60
	}
	return answer.Token, time.Duration(min(seconds, 7*24*3600)) * time.Second, nil
}

// brief is a network error without the address, which may hold a secret.
func brief(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
