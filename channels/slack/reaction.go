package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// create makes a ticket of a message somebody reacted to, with what was said in
// its thread so far. A message that is on a ticket stays there.
func (a *adapter) create(ctx context.Context, body []byte, e *envelope, d decision) error {
	channel, ts := string(d.msg.Channel), string(d.msg.TS)
	if a.Desk != nil {
		known, err := a.Desk.Knows(ctx, a.Source.Scope(), key(a.team(e), channel, ts))
		if err != nil {
			return err
		}
		if known {
			a.Log.Debug("slack: the message is on a ticket already", "event", string(e.EventID))
			return nil
		}
	}
	m, err := a.find(ctx, channel, ts)
	if err != nil {
		return a.sureOf(ctx, err, body, e, d)
	}
	if m == nil {
		return a.keep(ctx, body, e, *d.because("the message reacted to is not to be found"))
	}
	d.msg = m
	if why := author(a.settings, e, facts{bot: cmp.Or(e.bot(), a.people.me(ctx))}, m, &d); why != "" {
		a.Log.Debug("slack: no ticket of this message", "event", string(e.EventID), "why", why)
		return nil
	}
	d.verdict = toTicket
	raw, err := a.raw(ctx, body)
	if err != nil {
		return err
	}
	draft, err := a.draft(ctx, e, d, raw)
	if err != nil {
		return err
	}
	draft.Headers["slack-reaction-by"] = string(e.Event.User)
	return a.withThread(ctx, e, d, raw, draft)
}

// sureOf ends an event that no retry cures with a row that says why.
func (a *adapter) sureOf(ctx context.Context, err error, body []byte, e *envelope, d decision) error {
	if !desk.IsPermanent(err) {
		return err
	}
	return a.keep(ctx, body, e, *d.because("%v", err))
}

// setStatus moves the ticket of the message reacted to. One that is accepted and
// not filed yet has no ticket: Slack shall come again.
func (a *adapter) setStatus(ctx context.Context, e *envelope, d decision) error {
	if a.Desk == nil {
		a.Log.Warn("slack: no status by reaction: this process cannot look at tickets")
		return nil
	}
	user := string(e.Event.User)
	who, _ := a.people.ask(ctx, user)
	by := desk.Actor{Kind: desk.ByAgent, ID: user, Name: who.Name}
	scope, name := a.Source.Scope(), key(a.team(e), string(d.msg.Channel), string(d.msg.TS))
	err := a.Desk.SetStatus(ctx, scope, name, d.status, by)
	if errors.Is(err, desk.ErrNotFound) && e.retry < lastTry {
		if known, err := a.Desk.Knows(ctx, scope, name); err != nil {
			return fmt.Errorf("slack: status by reaction: %w", err)
		} else if known {
			return errUnfiled
		}
	}
	switch {
	case errors.Is(err, desk.ErrNotFound), errors.Is(err, desk.ErrMove), errors.Is(err, desk.ErrInvalid):
		a.Log.Info("slack: the reaction changed nothing", "event", string(e.EventID), "status", d.status, "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("slack: status by reaction: %w", err)
	}
	return nil
}

// later reports how long to wait, when an error says so.
func later(err error) (*channels.Later, bool) {
	var l *channels.Later
	ok := errors.As(err, &l)
	return l, ok
}
