package slack

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Slack sends an event that was not answered 200 again at once, after a minute
// and after five minutes, and never later ("Events API", Retries). So events
// overtake each other by minutes. What comes before the message it is about, or
// before we can tell what it means, is asked for again, and taken as it is on the
// last try.
const (
	lastTry = 3 // X-Slack-Retry-Num of the last try
	// onItsWay is how long after it was written a message may still come: by the last
	// try, and what the tries before it took.
	onItsWay = 6*time.Minute + 15*time.Second
	// lateAfter is how old a mention may be before there may be answers to it that
	// were left alone because it was on no ticket.
	lateAfter = 5 * time.Second
)

// Why an event is asked for again.
var (
	errEarly      = errors.New("slack: the message it changes is not in the ledger yet")
	errUnfiled    = errors.New("slack: the message reacted to is not filed yet")
	errWhoReacted = errors.New("slack: who reacted cannot be asked now")
)

// retried is which further try of an event a request is, 0 for the first.
func retried(h http.Header) int {
	n, err := strconv.Atoi(h.Get("X-Slack-Retry-Num"))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// early reports whether an edit or a delete came before its message, which may be
// on its way still. Where not every message counts, only one that addressed us or
// stands in the thread of a ticket is waited for: a busy channel is full of edits.
func (a *adapter) early(ctx context.Context, e *envelope, d decision, bot string) (bool, error) {
	m, team := d.msg, a.team(e)
	if a.Desk == nil || e.retry >= lastTry || a.Now().Sub(when(m.TS)) >= onItsWay {
		return false, nil
	}
	known, err := a.Desk.Knows(ctx, a.Source.Scope(), key(team, string(m.Channel), string(m.TS)))
	if known || err != nil {
		return false, err
	}
	was := e.Event.Previous
	addressed := mentions(string(m.Text), bot) || was != nil && mentions(string(was.Text), bot)
	switch d.rule.mode {
	case modeEvery, modeThread:
		if addressed || !a.staff(ctx, string(m.User), team, false) {
			return true, nil
		}
	case modeMention:
		if addressed {
			return true, nil
		}
	}
	if !m.reply() {
		return false, nil
	}
	return a.Desk.Knows(ctx, a.Source.Scope(), key(team, string(m.Channel), m.root()))
}
