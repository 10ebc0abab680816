package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	slackgo "github.com/slack-go/slack"

	"switchboard/pipeline/desk"
)

// Remove is part of [channels.Editor]. A message that is gone already is no
// error. The files that went along go first: without the message nobody could
// tell any more whose they are. Where they may not be deleted, or found, the words
// go alone, and the error says so.
func (a *adapter) Remove(ctx context.Context, r *desk.Reply, externalID string) error {
	channel, ts, err := place(externalID)
	if err != nil {
		return err
	}
	stay := a.removeFiles(ctx, r, channel, ts)
	if stay != nil && !desk.IsPermanent(stay) {
		return stay
	}
	traced, left := traced(ctx)
	_, _, err = a.api.DeleteMessageContext(traced, channel, ts)
	if err = classify("chat.delete", noURL(err), left.Load()); err != nil && !says(err, "message_not_found") {
		return err
	}
	if stay != nil {
		return fmt.Errorf("slack: the words are deleted, files that went along may still be there: %w", stay)
	}
	return nil
}

// removeFiles deletes the files of a reply that stands in Slack.
func (a *adapter) removeFiles(ctx context.Context, r *desk.Reply, channel, ts string) error {
	_, files := a.content(r)
	if !r.Message.EditedAt.IsZero() { // what it said before may have been too long
		files = append(files, outfile{name: longName, text: longName})
	}
	if len(files) == 0 {
		return nil
	}
	m, err := a.find(ctx, channel, ts)
	if m == nil && (err == nil || threadGone(err)) {
		return nil // with the message went whatever tells whose files they are
	}
	if err != nil {
		return err
	}
	self := a.people.me(ctx)
	if self == "" {
		return errors.New("slack: who we are is not known now")
	}
	root := cmp.Or(string(m.ThreadTS), ts) // the ticket's thread may have moved on since
	all, err := a.rest(ctx, channel, root, ts, maxThread)
	if err != nil {
		return err
	}
	for _, id := range filesOf(all, ts, self, files) {
		traced, left := traced(ctx)
		err := classify("files.delete", noURL(a.api.DeleteFileContext(traced, id)), left.Load())
		if err != nil && !says(err, "file_not_found") && !says(err, "file_deleted") {
			return err
		}
	}
	return nil
}

// filesOf finds, in a thread, what self shared of these files for the message ts. Slack
// lets nobody mark a file, so they are told by their place, before the next reply of
// ours, by their names and their sizes.
func filesOf(thread []message, ts, self string, files []outfile) (ids []string) {
	begun := false
	files = slices.Clone(files)
	for _, m := range thread {
		switch {
		case string(m.TS) == ts:
			begun = true
			continue
		case !begun || string(m.User) != self:
			continue
		case m.Metadata.EventType == metadataType:
			return ids
		}
		for _, x := range m.Files {
			i := slices.IndexFunc(files, func(f outfile) bool {
				return f.name == string(x.Title) && (f.text != "" || fmt.Sprint(f.size) == string(x.Size)) // a text may have been edited since
			})
			if i >= 0 && x.ID != "" {
				ids, files = append(ids, string(x.ID)), slices.Delete(files, i, i+1)
			}
		}
	}
	return ids
}

// says reports that Slack refused with this word.
func says(err error, word string) bool {
	var refused slackgo.SlackErrorResponse
	return errors.As(err, &refused) && refused.Err == word
}
