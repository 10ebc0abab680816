package slack

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"switchboard/pipeline/desk"
)

// keptFrom is the draft of a request no message is made of, so that the ledger
// has a row that says why: it is signed, so it is Slack's, and sending it again
// would change nothing. The line settles it by its kind: desk.AutoUnread waits for
// a person, desk.AutoNotice does not. It is pure.
func keptFrom(kind desk.AutoKind, what, why string, o origin) *desk.Draft {
	why = desk.Clean(desk.Cut(why, 500))
	return &desk.Draft{
		Source: o.source.Name, Channel: desk.Slack, Scope: o.source.Scope(),
		ExternalID:  cmp.Or(desk.Clean(desk.Cut(o.event, 200)), "sha256:"+o.raw.Digest),
		Fingerprint: desk.Fingerprint("slack", "kept", o.raw.Digest),
		Text:        desk.Clean(what) + " of which no message was made: " + why,
		ReceivedAt:  o.at, Raw: o.raw, Kept: o.kept,
		Auto: desk.Auto{Kind: kind, Reason: why},
	}
}

// keep makes a row of an event no message is made of.
func (a *adapter) keep(ctx context.Context, body []byte, e *envelope, d decision) error {
	raw, err := a.raw(ctx, body)
	if err != nil {
		return err
	}
	kind := desk.AutoUnread
	if d.verdict == toNotice {
		kind = desk.AutoNotice
	}
	o := origin{source: a.Source, team: e.team(), event: string(e.EventID), at: a.Now(), raw: raw.Ref, kept: raw.List(), shared: e.Shared}
	sort := desk.Clean(desk.Cut(string(e.Event.Type), 80))
	draft := keptFrom(kind, "An event of Slack ("+cmp.Or(sort, "no type")+")", d.why(), o)
	draft.From.Handle = desk.Clean(cmp.Or(string(e.Event.User), string(e.Event.BotID)))
	draft.Headers = headers(d, o)
	a.Log.Warn("slack: kept an event no message is made of", "type", sort, "subtype", desk.Clean(desk.Cut(string(e.Event.Subtype), 80)),
		"sha256", raw.Ref.Digest, "kind", kind, "why", d.reasons)
	_, err = a.Sink.Submit(ctx, nil, draft)
	return err
}

// unreadable makes a row of what cannot be decoded.
func (a *adapter) unreadable(w http.ResponseWriter, r *http.Request, body []byte, what string, why error) {
	a.counts.add("unreadable")
	raw, err := a.raw(r.Context(), body)
	if err == nil {
		a.Log.Warn("slack: kept a request that cannot be read", "what", what, "sha256", raw.Ref.Digest, "err", why)
		_, err = a.Sink.Submit(r.Context(), nil, keptFrom(desk.AutoUnread, what, "it cannot be read: "+why.Error(),
			origin{source: a.Source, at: a.Now(), raw: raw.Ref, kept: raw.List()}))
	}
	a.answer(w, err)
}

// raw keeps a request that drafts are made of.
func (a *adapter) raw(ctx context.Context, body []byte) (desk.Kept, error) {
	raw, err := a.Keep(ctx, body)
	if err != nil {
		return raw, fmt.Errorf("slack: keep a request: %w", err)
	}
	return raw, nil
}
