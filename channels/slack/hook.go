package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Routes is part of [channels.Hook]: the three request URLs of the app's
// settings.
func (a *adapter) Routes() []channels.Route {
	at := "POST /hooks/slack/" + a.Source.Name
	return []channels.Route{
		{Pattern: at + "/events", Handler: a.signed(a.events)},
		{Pattern: at + "/commands", Handler: a.signed(a.command)},
		{Pattern: at + "/interactions", Handler: a.signed(a.interaction)},
	}
}

// bodyWithin is how long a request may take to arrive.
const bodyWithin = 10 * time.Second

// signed reads a request within its limits and lets it in when its signature is
// right. It fails closed and tells a stranger nothing.
func (a *adapter) signed(next func(http.ResponseWriter, *http.Request, []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > a.settings.BodyBytes {
			a.refuse(w, http.StatusRequestEntityTooLarge, "the body is larger than bodyBytes")
			return
		}
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(bodyWithin)) // not every writer can
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.settings.BodyBytes))
		if err == nil { // else the rest may never come, and the server must not wait for it
			_ = control.SetReadDeadline(time.Time{})
		}
		var big *http.MaxBytesError
		switch {
		case errors.Is(err, desk.ErrBusy):
			a.answer(w, err)
			return
		case errors.As(err, &big):
			a.refuse(w, http.StatusRequestEntityTooLarge, "the body is larger than bodyBytes")
			return
		case err != nil:
			a.refuse(w, http.StatusBadRequest, "the body was cut off")
			return
		}
		if err := verify(a.settings.SigningSecret, a.settings.SignatureWindow, a.Now(), r.Header, body); err != nil {
			a.refuse(w, http.StatusUnauthorized, err.Error())
			return
		}
		next(w, r, body)
	})
}

func (a *adapter) refuse(w http.ResponseWriter, status int, why string) {
	a.counts.add("refused: " + why)
	a.knocks.Do(func() { a.Log.Warn("slack: a request was refused", "status", status, "why", why) })
	if status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, http.StatusText(status), status)
}

// events takes what Slack's Events API sends.
func (a *adapter) events(w http.ResponseWriter, r *http.Request, body []byte) {
	e, odd, err := decode(body)
	switch {
	case err != nil:
		a.unreadable(w, r, body, "An event of Slack", err)
		return
	case e.Type == typeVerify:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, string(e.Challenge))
		return
	case e.Type == typeRateLimited:
		a.counts.add(typeRateLimited)
		a.Log.Warn("slack: the workspace sends more than 30000 events an hour; Slack leaves some out", "minute", string(e.Minute))
		w.WriteHeader(http.StatusOK)
		return
	}
	if e.retry = retried(r.Header); e.retry > 0 {
		a.counts.add("redelivered")
		a.Log.Info("slack: sent again", "event", string(e.EventID), "try", e.retry, "reason", desk.Cut(r.Header.Get("X-Slack-Retry-Reason"), 40))
	}
	err = a.inflight.do(r.Context(), jobName(&e, body), a.answerWithin, a.workWithin, func(ctx context.Context) error {
		err := a.take(ctx, body, &e, odd)
		if err != nil {
			a.Log.Warn("slack: an event could not be taken", "event", string(e.EventID), "err", err)
		}
		return err
	})
	a.answer(w, err)
}

// jobName tells two events apart: by the bytes, because an ID is only Slack's
// word that they are the same.
func jobName(e *envelope, body []byte) string {
	sum := sha256.Sum256(body)
	return string(e.EventID) + "/" + hex.EncodeToString(sum[:])
}

// answer says yes, or that Slack shall come again. Every error that gets here is
// one a later try may cure: the ledger or the blobs do not take it now, Slack's
// own API does not answer, it came too early, or the work is still going on.
func (a *adapter) answer(w http.ResponseWriter, err error) {
	if err == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	a.counts.add("later")
	w.Header().Set("Retry-After", "5")
	http.Error(w, "try again", http.StatusServiceUnavailable)
}
