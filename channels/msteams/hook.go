package msteams

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"

	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

// retryIn is what a sender is told when we cannot take a message now.
const retryIn = 5 // seconds

// receive takes one request of the Bot Connector.
//
// 200: the ledger has it, or there is nothing in it to have. 400: it is no
// activity. 401: the token is missing or bad. 403: the token is good and does not
// allow this activity. 413, 429: too large, too many. 501: an invoke we do not
// answer. 503: try again.
func (a *adapter) receive(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			a.Log.Error("msteams: panic", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			a.counts.add("panics")
			a.refuse(w, http.StatusInternalServerError, nil)
		}
	}()
	if !a.admits(r) {
		a.refuse(w, http.StatusTooManyRequests, nil)
		return
	}
	// Accepted work is finished even if the Connector hangs up meanwhile: it
	// waits 15 s, which a large file may take.
	ctx := context.WithoutCancel(r.Context())
	header := r.Header.Get("Authorization")
	token, err := a.validator.token(ctx, header)
	if err != nil {
		a.refuse(w, statusOf(err), err)
		return
	}
	raw, status, err := a.body(w, r)
	if err != nil {
		a.refuse(w, status, err)
		return
	}
	act, err := parseActivity(raw)
	if err == nil {
		err = a.authenticate(withClaims(ctx, token), act, header)
	}
	if err != nil {
		a.refuse(w, statusOf(err), err)
		return
	}
	a.counts.add(desk.Cut(string(act.Type), 40))
	if status, err := a.handle(ctx, act, raw); err != nil || status != http.StatusOK {
		a.refuse(w, status, err)
		return
	}
	if act.Type == "invoke" {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
		return
	}
	w.WriteHeader(http.StatusOK)
}

// body reads the whole body or refuses it.
func (a *adapter) body(w http.ResponseWriter, r *http.Request) ([]byte, int, error) {
	most := a.settings.BodyBytes
	if r.ContentLength > most {
		return nil, http.StatusRequestEntityTooLarge, errors.New("the body is larger than bodyBytes")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge, errors.New("the body is larger than bodyBytes")
	case errors.Is(err, desk.ErrBusy):
		return nil, http.StatusServiceUnavailable, err
	case err != nil:
		return nil, http.StatusBadRequest, fmt.Errorf("read the body: %w", err)
	}
	return raw, 0, nil
}

// authenticate lets the library's adapter authenticate the activity with our
// validator. The library gets the fields we act on, in the form it can parse.
func (a *adapter) authenticate(ctx context.Context, act *activity, header string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(act.forLibrary()))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", header)
	_, err = a.botAdapter(nil).ParseRequest(ctx, r)
	return err
}

// handle acts on an authenticated activity.
func (a *adapter) handle(ctx context.Context, act *activity, raw []byte) (int, error) {
	if d, ok := a.canary(act); ok {
		if _, err := a.Sink.Submit(ctx, nil, d); err != nil {
			return http.StatusServiceUnavailable, err
		}
		return http.StatusOK, nil
	}
	kind, ok := act.act()
	switch {
	case act.Type == "invoke":
		return a.invoked(ctx, act)
	case !ok:
		// conversationUpdate, installationUpdate, messageReaction, typing, ...:
		// counted; the first two tell whom the bot can write to.
		if err := a.learn(ctx, act); err != nil {
			return http.StatusServiceUnavailable, fmt.Errorf("keep a contact: %w", err)
		}
		a.Log.Debug("msteams: nothing to file", "type", desk.Cut(string(act.Type), 40), "event", desk.Cut(string(act.ChannelData.EventType), 40))
		return http.StatusOK, nil
	}
	if err := a.learn(ctx, act); err != nil { // the message counts, and the next one tells the same
		a.Log.Warn("msteams: keep a contact", "error", err)
	}
	d, err := a.draft(ctx, act, raw, kind)
	if err == nil {
		_, err = a.Sink.Submit(ctx, nil, d)
		if err != nil && (errors.Is(err, desk.ErrInvalid) || desk.IsPermanent(err)) {
			a.Log.Error("msteams: the ledger refuses a message; it goes in as a note", "error", err)
			_, err = a.Sink.Submit(ctx, nil, bare(d, err))
		}
	}
	if err != nil {
		return http.StatusServiceUnavailable, err
	}
	return http.StatusOK, nil
}

// draft keeps the bytes of a message and makes its draft.
func (a *adapter) draft(ctx context.Context, act *activity, raw []byte, kind desk.Act) (*desk.Draft, error) {
	o := origin{source: a.Source, window: a.settings.Window, at: a.Now()}
	kept, err := a.Keep(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("keep the raw activity: %w", err)
	}
	o.raw, o.kept = kept.Ref, kept.List()
	if html := act.html(); html != "" && kind != desk.ActDelete {
		if kept, err = a.Keep(ctx, []byte(html)); err != nil {
			return nil, fmt.Errorf("keep the formatted text: %w", err)
		}
		o.html, o.kept = kept.Ref, append(o.kept, kept.List()...)
	}
	if kind == "" || kind == desk.ActEdit { // an edit may bring more
		if o.files, o.damage, err = a.files(ctx, act); err != nil {
			return nil, err
		}
	}
	if kind == "" {
		o.profile = a.profile(ctx, act)
	}
	return draftFrom(act, o), nil
}

// bare is a draft with nothing of the message in it but its identity and the raw
// activity.
func bare(d *desk.Draft, why error) *desk.Draft {
	kept := slices.DeleteFunc(slices.Clone(d.Kept), func(k desk.Kept) bool { return k.Ref != d.Raw })
	return &desk.Draft{
		Source: d.Source, Channel: d.Channel, Scope: d.Scope, ExternalID: d.ExternalID, Fingerprint: d.Fingerprint,
		Thread: d.Thread, From: d.From, Text: "(this message could not be read; the original is attached)",
		ReceivedAt: d.ReceivedAt, Raw: d.Raw, Kept: kept, Auto: d.Auto,
		Attachments: []desk.Attachment{{Name: "activity.json", ContentType: "application/json", Blob: d.Raw}},
		Damage:      []string{"the message could not be taken over as it is: " + desk.Clean(why.Error())},
	}
}

// refuse answers with a status and the plain words for it: what exactly was
// wrong is in the log, not for strangers.
func (a *adapter) refuse(w http.ResponseWriter, status int, why error) {
	a.counts.add("refused " + strconv.Itoa(status))
	log := a.Log.Warn
	if status >= 500 && status != http.StatusNotImplemented {
		log = a.Log.Error
	}
	if why != nil {
		log("msteams: refused", "status", status, "error", why)
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="switchboard"`) // RFC 6750 section 3
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(retryIn))
	}
	http.Error(w, http.StatusText(status), status)
}

// addressesKept bounds the addresses whose requests are counted.
const addressesKept = 10_000

// admits spends one request of the sender's address; false means it sends too many.
func (a *adapter) admits(r *http.Request) bool {
	if a.settings.Rate.PerSecond == 0 { // no limit
		return true
	}
	_, _, ok := a.rates.Take(limit.ClientAddr(r, a.settings.proxies), a.Now())
	return ok
}
