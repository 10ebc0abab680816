package slack

import (
	"context"
	"errors"
	"fmt"
	"time"

	slackgo "github.com/slack-go/slack"

	"switchboard/pipeline/desk"
)

// found is what of a reply stands in Slack already.
type found struct {
	ts    string         // of the message with the words, "" when it is not there
	names map[string]int // files our app shared after it, by name
}

// missing lists the files that are not there yet.
func (f found) missing(files []outfile) []outfile {
	left := map[string]int{}
	for name, n := range f.names {
		left[name] = n
	}
	var out []outfile
	for _, x := range files {
		if left[x.name] > 0 {
			left[x.name]--
			continue
		}
		out = append(out, x)
	}
	return out
}

// skew is how much Slack's clock and ours may differ.
const skew = 5 * time.Minute

// look searches the thread (or the channel, where there is none) for a reply by
// the metadata it carries. It reads from a little before the reply was written.
func (a *adapter) look(ctx context.Context, to address, r *desk.Reply) (found, error) {
	oldest := ""
	if !r.Message.CreatedAt.IsZero() {
		oldest = fmt.Sprintf("%d.000000", r.Message.CreatedAt.Add(-skew).Unix())
	}
	all, err := a.rest(ctx, to.Channel, to.ThreadTS, oldest, maxThread)
	if threadGone(err) { // then what was said to it stands in the channel
		to.ThreadTS = ""
		all, err = a.rest(ctx, to.Channel, "", oldest, maxThread)
	}
	if err != nil {
		return found{}, err
	}
	var f found
	for _, m := range all {
		if m.Metadata.EventType == metadataType && string(m.Metadata.Payload.Message) == string(r.Message.ID) {
			f.ts = string(m.TS)
		}
	}
	if f.ts == "" {
		if len(all) >= maxThread {
			return f, errors.New("slack: too much was said since to find out whether the reply is there")
		}
		return f, nil
	}
	if len(r.Message.Attachments) == 0 && len(r.Message.Text) <= maxText/2 {
		return f, nil
	}
	if to.ThreadTS == "" { // the files hang below the reply
		if all, err = a.rest(ctx, to.Channel, f.ts, "", maxThread); err != nil {
			return f, err
		}
	}
	f.names = map[string]int{}
	self := a.people.me(ctx)
	for _, m := range all {
		if when(m.TS).Before(when(loose(f.ts))) || m.BotID == "" && string(m.User) != self {
			continue
		}
		for _, x := range m.Files {
			f.names[string(x.Title)]++
		}
	}
	return f, nil
}

// threadGone reports that the message a thread began with was deleted, or was
// never there.
func threadGone(err error) bool {
	var refused slackgo.SlackErrorResponse
	return errors.As(err, &refused) && refused.Err == "thread_not_found"
}

// Probe is part of [channels.Prober]. A reply whose files are not all there
// counts as not there: sending it again adds what is missing.
func (a *adapter) Probe(ctx context.Context, r *desk.Reply) (desk.Proof, bool, error) {
	to, err := a.addressOf(ctx, r)
	if err != nil {
		return desk.Proof{}, false, err
	}
	f, err := a.look(ctx, to, r)
	if err != nil || f.ts == "" {
		return desk.Proof{}, false, err
	}
	if _, files := a.content(r); len(f.missing(files)) > 0 {
		return desk.Proof{}, false, nil
	}
	return a.proof(r, to, f.ts), true, nil
}
