package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Routes is part of [channels.Hook].
func (a *adapter) Routes() []channels.Route {
	at := "/hooks/chat/" + a.Source.Name
	return []channels.Route{
		{Pattern: "POST " + at, Handler: http.HandlerFunc(a.take)},
		{Pattern: "GET " + at, Handler: http.HandlerFunc(a.subscribe)},
	}
}

// bodyWithin is how long a request may take to arrive.
const bodyWithin = 15 * time.Second

// refusals keeps a stranger who knocks all day from filling the log.
var refusals = rate.Sometimes{First: 3, Interval: 10 * time.Second}

// answer is what the other side hears of a request that was taken or refused.
type answer struct {
	Accepted int              `json:"accepted"`
	Ignored  []string         `json:"ignored,omitempty"` // why, for each message left alone
	Receipts []desk.ReceiptID `json:"receipts,omitempty"`
	Error    string           `json:"error,omitempty"`
	Missing  []string         `json:"missing,omitempty"`
}

// take is the way in.
func (a *adapter) take(w http.ResponseWriter, r *http.Request) {
	s := &a.settings
	if r.ContentLength > s.BodyBytes {
		a.refuse(w, refusedTooLarge, http.StatusRequestEntityTooLarge, answer{Error: "the body is larger than bodyBytes"})
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyWithin)) // not every writer can
	body, err := readAll(http.MaxBytesReader(w, r.Body, s.BodyBytes), r.ContentLength)
	if err == nil { // else the rest may never come, and the server must not wait for it
		_ = control.SetReadDeadline(time.Time{})
	}
	var big *http.MaxBytesError
	switch {
	case errors.Is(err, desk.ErrBusy):
		a.later(w, err)
		return
	case errors.As(err, &big):
		a.refuse(w, refusedTooLarge, http.StatusRequestEntityTooLarge, answer{Error: "the body is larger than bodyBytes"})
		return
	case err != nil:
		a.refuse(w, refusedCutOff, http.StatusBadRequest, answer{Error: "the body was cut off"})
		return
	}
	in := &request{header: r.Header, query: r.URL.Query(), rawURL: s.publicURL(r.URL), body: body,
		form: func() (url.Values, error) { return formOf(r.Header.Get("Content-Type"), body) }}
	if err := s.Signature.verify(a.Now(), in); err != nil {
		if s.Signature.Scheme == "basic" {
			w.Header().Set("WWW-Authenticate", `Basic realm="switchboard"`) // RFC 7617
		}
		a.refuse(w, whyUnsigned(err), http.StatusUnauthorized, answer{Error: "the request is not signed, or not by whom it should be"})
		refusals.Do(func() { a.Log.Warn("chat: a signature was refused", "why", err) })
		return
	}
	if a.takeCanary(w, r) {
		return
	}
	found, decoded, err := s.read(in)
	if err != nil {
		a.unreadable(w, r.Context(), body, err)
		return
	}
	if s.preset.shake != nil && s.preset.shake(w, decoded) {
		return
	}
	a.submit(w, r.Context(), body, found)
}

// readAhead is how much of a body is made room for on the word of its length.
const readAhead = 64 << 10

// readAll reads a body whose length the other side may have said.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > readAhead {
		return io.ReadAll(r)
	}
	body := make([]byte, 0, length+1) // one more, to meet the end in it
	for len(body) < cap(body) {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		}
	}
	rest, err := io.ReadAll(r) // longer than it was said
	return append(body, rest...), err
}

// read decodes a verified request and finds the messages in it.
func (s *settings) read(in *request) ([]record, any, error) {
	d, err := decodeBody(in.header.Get("Content-Type"), in.body, s.Depth)
	if err != nil {
		return nil, nil, err
	}
	if s.preset.prepare != nil {
		s.preset.prepare(d)
	}
	e := &env{Body: d.body, Headers: map[string]string{}, Query: map[string]string{}}
	if s.Mapping.asks.headers {
		for k := range in.header {
			e.Headers[strings.ToLower(k)] = in.header.Get(k)
		}
	}
	if s.Mapping.asks.query {
		for k := range in.query {
			e.Query[k] = in.query.Get(k)
		}
	}
	for _, u := range d.uploads {
		e.Files = append(e.Files, map[string]any{"field": u.field, "name": u.name, "contentType": u.contentType, "contentId": u.id, "size": len(u.bytes), "bytes": u.bytes})
	}
	if s.preset.ping != nil && s.preset.ping(d.body) {
		return nil, d.body, nil
	}
	found, err := s.Mapping.find(e, s.Messages, s.Depth)
	return found, d.body, err
}

func (s *settings) publicURL(u *url.URL) string {
	if u.RawQuery == "" {
		return s.URL
	}
	return s.URL + "?" + u.RawQuery
}

// submit hands the messages to the ledger, all or none.
func (a *adapter) submit(w http.ResponseWriter, ctx context.Context, body []byte, found []record) {
	out := answer{}
	if len(found) == 0 && a.settings.Mapping.Each != "" { // as it should be, or the way is wrong: then this is all there is to see
		out.Ignored = append(out.Ignored, "there is nothing at "+a.settings.Mapping.Each)
	}
	var drafts []*desk.Draft
	var err error
	var raw desk.Kept
	soon := ctx                                                                      // for the files of all its messages
	if slices.ContainsFunc(found, func(r record) bool { return len(r.Files) > 0 }) { // they may have to be fetched
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.settings.Attachments.Timeout+10*time.Second)
		defer cancel()
		soon, cancel = context.WithTimeout(ctx, a.settings.Attachments.Timeout)
		defer cancel()
	}
	for i := range found {
		if found[i].Ignore != "" {
			out.Ignored = append(out.Ignored, found[i].Ignore)
			continue
		}
		if raw.Ref.IsZero() {
			if raw, err = a.keep(ctx, body); err != nil {
				a.later(w, fmt.Errorf("chat: keep the request: %w", err))
				return
			}
		}
		part := ""
		if len(found) > 1 {
			part = fmt.Sprintf("/%d", i+1)
		}
		d, err := a.draft(ctx, soon, &found[i], raw.Ref, part)
		if err != nil {
			a.later(w, err)
			return
		}
		if raw.Bytes != nil {
			d.Kept = append(d.Kept, raw)
		}
		out.Accepted++
		if !slices.ContainsFunc(drafts, func(x *desk.Draft) bool { return x.ExternalID == d.ExternalID && x.Fingerprint == d.Fingerprint }) {
			drafts = append(drafts, d)
		}
	}
	if len(drafts) > 0 {
		if out.Receipts, err = a.Sink.Submit(ctx, nil, drafts...); err != nil {
			a.later(w, fmt.Errorf("chat: submit: %w", err))
			return
		}
	}
	a.counts.add(countTaken, len(drafts))
	a.counts.add(countRepeated, out.Accepted-len(drafts))
	a.counts.add(countIgnored, len(out.Ignored))
	for _, why := range out.Ignored {
		a.Log.Debug("chat: left alone", "why", desk.Cut(why, 200))
	}
	if a.settings.preset.reply != nil {
		a.settings.preset.reply(w, len(drafts))
		return
	}
	say(w, http.StatusOK, out)
}

// keep sees to it that the request is on disk when its messages are accepted: a
// small one goes with them, a large one into a blob before.
func (a *adapter) keep(ctx context.Context, body []byte) (desk.Kept, error) {
	if int64(len(body)) <= a.Limits.KeepBytes {
		return desk.Keep(body), nil
	}
	ref, err := a.Blobs.Put(ctx, bytes.NewReader(body))
	return desk.Kept{Ref: ref}, err
}

// draft collects what belongs to a message and makes its draft. What has to be
// fetched for it is given up when soon ends.
func (a *adapter) draft(ctx, soon context.Context, r *record, raw desk.BlobRef, part string) (*desk.Draft, error) {
	o := origin{source: a.Source, at: a.Now(), raw: raw, part: part, text: a.Limits.TextBytes}
	if o.text <= 0 {
		o.text = 1 << 20
	}
	var err error
	if o.post, err = r.readMail(ctx, a.Limits, a.Blobs.Put); err != nil {
		return nil, fmt.Errorf("chat: keep a mail: %w", err)
	}
	if o.post != nil {
		l := o.post.letter
		o.html = o.post.blobs[l.HTML]
		for _, x := range l.Attachments {
			o.files = append(o.files, desk.Attachment{Name: orElse(desk.FileName(x.Name), "file"), ContentType: desk.Clean(x.ContentType), ContentID: desk.Clean(x.ContentID), Inline: x.Inline, Blob: o.post.blobs[x.Ref]})
		}
		return a.settings.draft(r, o), nil
	}
	if r.HTML != "" {
		if o.html, err = a.Blobs.Put(ctx, strings.NewReader(desk.Clean(r.HTML))); err != nil {
			return nil, fmt.Errorf("chat: keep the HTML: %w", err)
		}
	}
	if o.files, o.damage, err = a.collect(ctx, soon, r.Files); err != nil {
		return nil, err
	}
	return a.settings.draft(r, o), nil
}

// unreadable keeps what is signed and cannot be read, and says what is missing.
func (a *adapter) unreadable(w http.ResponseWriter, ctx context.Context, body []byte, why error) {
	raw, err := a.Blobs.Put(ctx, bytes.NewReader(body))
	if err != nil {
		a.later(w, fmt.Errorf("chat: keep the request: %w", err))
		return
	}
	a.Log.Warn("chat: a request does not fit the mapping; it is kept", "sha256", raw.Digest, "why", desk.Clean(desk.Cut(why.Error(), 500)))
	out := answer{Error: why.Error()}
	var lacks *missing
	if errors.As(why, &lacks) {
		out.Error, out.Missing = fmt.Sprintf("message %d does not fit the mapping", lacks.index+1), lacks.fields
	}
	a.refuse(w, whyUnreadable(why), http.StatusBadRequest, out)
}

func (a *adapter) refuse(w http.ResponseWriter, why string, status int, out answer) {
	a.counts.add(why, 1)
	if status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close")
	}
	say(w, status, out)
}

// later asks the other side to come again.
func (a *adapter) later(w http.ResponseWriter, err error) {
	a.Log.Warn("chat: a request could not be taken now", "err", err)
	a.counts.add(countLater, 1)
	w.Header().Set("Retry-After", "5")
	say(w, http.StatusServiceUnavailable, answer{Error: "try again"})
}

func say(w http.ResponseWriter, status int, out answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// subscribe answers the GET by which WhatsApp asks whether this address is ours
// ("Getting Started", Verification Requests); others look only whether it is
// there.
func (a *adapter) subscribe(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	challenge := q.Get("hub.challenge")
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusOK)
	case a.settings.VerifyToken == "" || q.Get("hub.mode") != "subscribe":
		a.counts.add(refusedSubscription, 1)
		w.Header().Set("Allow", "POST")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	case same(q.Get("hub.verify_token"), a.settings.VerifyToken) != nil || len(challenge) > 1000:
		a.counts.add(refusedSubscription, 1)
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, challenge)
	}
}
