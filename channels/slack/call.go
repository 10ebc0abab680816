package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// permanents are the errors of the Web API no retry cures ("chat.postMessage",
// Errors): the address is gone, we may not, or what we send is refused.
var permanents = []string{
	"channel_not_found", "is_archived", "not_in_channel", "user_not_found", "users_not_found", "no_permission", "restricted_action",
	"restricted_action_read_only_channel", "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel",
	"restricted_action_thread_locked", "cannot_reply_to_message", "messages_tab_disabled", "cannot_dm_bot", "user_disabled", "team_access_not_granted",
	"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "not_allowed_token_type",
	"org_login_required", "access_denied", "ekm_access_denied", "two_factor_setup_required", "enterprise_is_restricted",
	"msg_too_long", "no_text", "invalid_blocks", "invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset",
	"invalid_form_data", "invalid_post_type", "invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large",
	"message_not_found", "thread_not_found", "cant_update_message", "cant_delete_message", "edit_window_closed", "compliance_exports_prevent_deletion",
	"file_not_found", "file_deleted", "cant_delete_file", "method_deprecated", "unknown_method", "slack_connect_canvas_sharing_blocked", "deprecated_endpoint",
}

func permanent(code string) bool { return slices.Contains(permanents, code) }

// unsure are the errors after which something may have happened all the same.
var unsure = []string{"internal_error", "fatal_error", "service_unavailable", "request_timeout"}

// troubled reports whether an error of the Web API is one of the moment, and no
// answer.
func troubled(code string) bool { return slices.Contains(unsure, code) || limited(code) }

// limited reports whether an error of the Web API is a limit.
func limited(code string) bool {
	return code == "ratelimited" || code == "rate_limited" || code == "message_limit_exceeded"
}

// classify gives the error of a call its kind: a *channels.Later for a limit, a
// permanent error, ErrCutOff when the request had left, or a plain one.
func classify(method string, err error, left bool) error {
	if err == nil {
		return nil
	}
	var later *slackgo.RateLimitedError
	var refused slackgo.SlackErrorResponse
	var status slackgo.StatusCodeError
	wrapped := fmt.Errorf("slack: %s: %w", method, err)
	switch {
	case errors.As(err, &later):
		return &channels.Later{After: max(later.RetryAfter, time.Second), Err: wrapped}
	case errors.As(err, &refused):
		switch {
		case permanent(refused.Err):
			if refused.Needed != "" {
				wrapped = fmt.Errorf("%w (the app needs the scope %s)", wrapped, desk.Clean(refused.Needed))
			}
			return desk.Permanent(wrapped)
		case limited(refused.Err):
			return &channels.Later{After: 30 * time.Second, Err: wrapped}
		case slices.Contains(unsure, refused.Err):
			return fmt.Errorf("%w: %w", channels.ErrCutOff, wrapped)
		}
		return wrapped
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests: // without Retry-After
		return &channels.Later{After: 30 * time.Second, Err: wrapped}
	case errors.As(err, &status) && status.Code < 500:
		return wrapped
	case errors.Is(err, errElsewhere) || !left:
		return wrapped
	}
	return fmt.Errorf("%w: %w", channels.ErrCutOff, wrapped)
}

// traced watches whether a request was written: before that a failure had no
// effect.
func traced(ctx context.Context) (context.Context, *atomic.Bool) {
	left := new(atomic.Bool)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { left.Store(true) },
	}), left
}

// maxAnswer bounds an answer of the Web API we read ourselves.
const maxAnswer = 8 << 20

// call calls a method that reads, decoding the answer leniently: slack-go
// refuses a whole page of messages for one odd block in it.
func (a *adapter) call(ctx context.Context, method string, values url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.settings.APIURL+method, strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+a.settings.BotToken)
	resp, err := a.http.Do(r)
	if err != nil {
		return classify(method, noURL(err), false) // reading has no effect
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusTooManyRequests {
		secs, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return classify(method, &slackgo.RateLimitedError{RetryAfter: time.Duration(max(secs, 1)) * time.Second}, false)
	}
	if resp.StatusCode != http.StatusOK {
		return classify(method, slackgo.StatusCodeError{Code: resp.StatusCode, Status: resp.Status}, false)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(body) > maxAnswer {
		return fmt.Errorf("slack: %s: the answer was cut or is too large: %w", method, errors.Join(err, io.ErrUnexpectedEOF))
	}
	var head struct {
		OK     bool  `json:"ok"`
		Error  loose `json:"error"`
		Needed loose `json:"needed"`
	}
	if _, err := lenient(body, &head); err != nil {
		return fmt.Errorf("slack: %s: %w", method, err)
	}
	if !head.OK {
		return classify(method, slackgo.SlackErrorResponse{Err: string(head.Error), Needed: string(head.Needed)}, false)
	}
	_, err = lenient(body, into)
	return err
}

// noURL drops the address of a request from its error: a URL may hold a secret
// and says nothing more.
func noURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
