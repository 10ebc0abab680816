package slack

import (
	"context"
	"fmt"
	"slices"

	"switchboard/pipeline/desk"
)

// take does with a verified event what it asks for and returns nil when Slack
// may hear "yes": it is in the ledger, or nothing of it belongs there. The error
// means "send it again".
func (a *adapter) take(ctx context.Context, body []byte, e *envelope, odd string) error {
	if draft, ok := a.canary(e); ok {
		_, err := a.Sink.Submit(ctx, nil, draft)
		return err
	}
	d, err := a.decide(ctx, e)
	if err != nil {
		return err
	}
	if odd != "" {
		d.because("%s", odd)
	}
	a.counts.add(string(d.verdict))
	switch d.verdict {
	case toTicket, toEdit, toDelete:
	case toCreate:
		return a.create(ctx, body, e, d)
	case toStatus:
		return a.setStatus(ctx, e, d)
	case toKeep, toNotice:
		return a.keep(ctx, body, e, d)
	default:
		a.Log.Debug("slack: ignored", "event", string(e.EventID), "why", d.reasons)
		return nil
	}
	raw, err := a.raw(ctx, body)
	if err != nil {
		return err
	}
	draft, err := a.draft(ctx, e, d, raw)
	if err != nil {
		return err
	}
	if d.verdict == toTicket && d.rule.mode == modeMention {
		switch {
		case d.msg.reply():
			return a.withThread(ctx, e, d, raw, draft)
		case e.retry > 0 || a.Now().Sub(when(d.msg.TS)) > lateAfter:
			return a.thenThread(ctx, e, d, raw, draft)
		}
	}
	_, err = a.Sink.Submit(ctx, nil, draft)
	return err
}

// withThread submits a draft that begins a ticket in the middle of a talk,
// together with what was said in its thread so far, unless the thread is on a
// ticket already.
func (a *adapter) withThread(ctx context.Context, e *envelope, d decision, raw desk.Kept, draft *desk.Draft) error {
	known, err := a.knows(ctx, a.team(e), d.msg)
	if err != nil {
		return err
	}
	drafts := []*desk.Draft{draft}
	if !known {
		more, err := a.before(ctx, e, d, raw, nil)
		if err != nil {
			a.Log.Warn("slack: the thread could not be read", "event", string(e.EventID), "err", err)
			draft.Damage = append(draft.Damage, "the rest of the thread could not be read")
		}
		drafts = append(drafts, more...)
	}
	_, err = a.Sink.Submit(ctx, nil, drafts...)
	return err
}

// thenThread submits a mention that is late, and then what was answered to it
// while it was on no ticket: those answers were left alone. From the first Submit
// on they are taken as they come. That the thread cannot be read now holds only
// the answers up, while Slack comes again.
func (a *adapter) thenThread(ctx context.Context, e *envelope, d decision, raw desk.Kept, draft *desk.Draft) error {
	if _, err := a.Sink.Submit(ctx, nil, draft); err != nil {
		return err
	}
	more, err := a.before(ctx, e, d, raw, func(m *message) (bool, error) {
		if a.Desk == nil {
			return false, nil // the ledger tells
		}
		return a.Desk.Knows(ctx, a.Source.Scope(), key(a.team(e), string(m.Channel), string(m.TS)))
	})
	switch {
	case err != nil && (desk.IsPermanent(err) || e.retry >= lastTry):
		a.Log.Warn("slack: the thread could not be read", "event", string(e.EventID), "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("slack: the thread could not be read: %w", err)
	case len(more) == 0:
		return nil
	}
	_, err = a.Sink.Submit(ctx, nil, more...)
	return err
}

// decide gathers the facts and decides; what counts only when it continues a
// ticket is asked of the desk.
func (a *adapter) decide(ctx context.Context, e *envelope) (decision, error) {
	f := facts{bot: e.bot()}
	channel, user := string(e.Event.Channel), string(e.Event.User)
	isMessage := e.Event.Type == "message" || e.Event.Type == "app_mention"
	isReaction := e.Event.Type == "reaction_added"
	if isReaction {
		channel = string(e.Event.Item.Channel)
	}
	if isMessage || isReaction {
		if f.bot == "" {
			f.bot = a.people.me(ctx)
		}
		if a.settings.named() && slackID(channel) {
			var err error
			if f.room, err = a.rooms.name(ctx, channel); err != nil {
				return decision{}, err
			}
		}
		if _, moves := a.settings.Emoji.Statuses[emojiOf(e.Event.Reaction)]; isMessage || moves {
			yes, certain := a.surelyStaff(ctx, user, a.team(e), isReaction)
			f.staff, f.doubt = yes, !certain
		}
	}
	d := decide(a.settings, e, f)
	if d.doubt && e.retry < lastTry {
		return decision{}, errWhoReacted
	}
	if d.verdict == toEdit || d.verdict == toDelete {
		if early, err := a.early(ctx, e, d, f.bot); err != nil {
			return decision{}, err
		} else if early {
			return decision{}, errEarly
		}
	}
	if !d.asks {
		return d, nil
	}
	known, err := a.knows(ctx, a.team(e), d.msg)
	switch {
	case err != nil:
		return decision{}, err
	case !known:
		return d.because("what it belongs to is on no ticket").to(toNobody), nil
	case d.verdict == toThread:
		return d.because("its thread is on a ticket").to(toTicket), nil
	}
	return d, nil
}

// team is the workspace that names our messages.
func (a *adapter) team(e *envelope) string {
	if a.settings.TeamID != "" {
		return a.settings.TeamID
	}
	return e.team()
}

// knows reports whether a message or its thread is on a ticket. Without a desk
// to ask it is yes: a ledger row too many is better than a lost answer.
func (a *adapter) knows(ctx context.Context, team string, m *message) (bool, error) {
	if a.Desk == nil {
		return true, nil
	}
	keys := []string{key(team, string(m.Channel), string(m.TS))}
	if m.reply() {
		keys = append(keys, key(team, string(m.Channel), m.root()))
	}
	for _, k := range keys {
		if ok, err := a.Desk.Knows(ctx, a.Source.Scope(), k); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// draft makes the draft of a message, an edit or a delete, with its files and
// its author's profile.
func (a *adapter) draft(ctx context.Context, e *envelope, d decision, raw desk.Kept) (*desk.Draft, error) {
	o := origin{source: a.Source, team: a.team(e), bot: e.bot(), event: string(e.EventID), at: a.Now(), raw: raw.Ref, kept: raw.List(), shared: e.Shared}
	if o.bot == "" {
		o.bot = a.people.me(ctx)
	}
	if a.settings.named() {
		o.room, _ = a.rooms.name(ctx, string(d.msg.Channel)) // asked before
	}
	if d.verdict == toDelete {
		return changeFrom(d, o), nil
	}
	o.who, _ = a.people.ask(ctx, string(d.msg.User))
	o.names = a.names(ctx, d.msg)
	if d.verdict == toEdit {
		return changeFrom(d, o), nil
	}
	o.staff = a.staff(ctx, string(d.msg.User), o.team, false)
	got, err := a.collect(ctx, d.msg.Files)
	if err != nil {
		return nil, err
	}
	o.files, o.links, o.damage = got.files, got.links, got.damage
	return draftFrom(d, o), nil
}

// names asks for everybody a message mentions and gives back how they are
// called: the name of a user, "" for what is not known.
func (a *adapter) names(ctx context.Context, m *message) func(string) string {
	texts := []string{string(m.Text)}
	for _, x := range m.Attachments {
		texts = append(texts, string(x.Text))
	}
	if m.Text == "" {
		texts = append(texts, blockText(m.Blocks))
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	known := map[string]string{}
	for _, id := range mentioned(texts...) {
		if who, ok := a.people.ask(ctx, id); ok {
			known[id] = who.Name
		}
	}
	return func(id string) string { return known[id] }
}

// before makes drafts of what was said in a thread before it became a ticket's,
// oldest first, so that the ticket tells the whole story. It leaves out what taken,
// unless it is nil, says is there already.
func (a *adapter) before(ctx context.Context, e *envelope, d decision, raw desk.Kept, taken func(*message) (bool, error)) ([]*desk.Draft, error) {
	all, err := a.rest(ctx, string(d.msg.Channel), d.msg.root(), "", maxThread)
	if err != nil {
		return nil, err
	}
	bot := e.bot()
	if bot == "" {
		bot = a.people.me(ctx)
	}
	var out []*desk.Draft
	for _, m := range all {
		human := m.BotID == "" && m.User != "" && m.User != "USLACKBOT" && !m.ours(string(e.AppID), bot)
		said := slices.Contains([]loose{"", "file_share", "thread_broadcast", "me_message"}, m.Subtype)
		if !human || !said || !stamp(m.TS) || m.TS == d.msg.TS {
			continue
		}
		if taken != nil {
			if there, err := taken(&m); err != nil {
				return nil, err
			} else if there {
				continue
			}
		}
		if m.ThreadTS == "" {
			m.ThreadTS = loose(d.msg.root())
		}
		x := decision{verdict: toTicket, msg: &m, rule: d.rule}
		x.because("it stands in a thread of which a ticket was made")
		draft, err := a.draft(ctx, e, x, raw)
		if err != nil {
			return nil, err
		}
		out = append(out, draft)
	}
	return out, nil
}
