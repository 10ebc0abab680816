package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels"
	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// metadataType marks messages of ours, with the ID of the reply beside it, so
// that one that was cut off can be found again ("Message metadata").
const metadataType = "switchboard"

// maxText is what one message holds: Slack cuts longer ones at 40000 characters.
const maxText = 38000

// longName is the file that has the whole of a longer one.
const longName = "message.md"

// shownText is how much of a longer one stands in the message itself; the whole
// goes along as a file.
const shownText = 3000

// Send is part of [channels.Sender]. A reply with files takes several calls; it
// looks first what of it is there already, so that sending again adds only what
// is missing.
func (a *adapter) Send(ctx context.Context, r *desk.Reply) (desk.Proof, error) {
	to, err := a.addressOf(ctx, r)
	if err != nil {
		return desk.Proof{}, err
	}
	words, files := a.content(r)
	var had found
	if len(files) > 0 {
		switch had, err = a.look(ctx, to, r); {
		case desk.IsPermanent(err): // the app may not read here; it may write
			a.Log.Warn("slack: the thread cannot be read", "err", err)
		case err != nil:
			return desk.Proof{}, err
		}
	}
	missing := had.missing(files)
	uploads, err := a.upload(ctx, missing)
	if err != nil {
		return desk.Proof{}, err
	}
	ts := had.ts
	if ts == "" {
		if to.Channel, ts, err = a.post(ctx, to, r, words); err != nil {
			return desk.Proof{}, err
		}
	}
	if err := a.share(ctx, to, ts, r, uploads); err != nil {
		return desk.Proof{}, err
	}
	return a.proof(r, to, ts), nil
}

// addressOf reads where a reply goes and finds the channel of a user written to
// directly.
func (a *adapter) addressOf(ctx context.Context, r *desk.Reply) (address, error) {
	if r.Begins() {
		return a.direct(ctx, r.To[0].Handle)
	}
	var to address
	if err := json.Unmarshal(r.Thread.Address, &to); err != nil || to.Channel == "" && to.User == "" {
		return to, desk.Permanent(errors.New("slack: the reply has no address"))
	}
	if to.Channel != "" {
		return to, nil
	}
	return a.openDirect(ctx, to)
}

// openDirect finds the channel of a user written to directly.
func (a *adapter) openDirect(ctx context.Context, to address) (address, error) {
	c, _, _, err := a.api.OpenConversationContext(ctx, &slackgo.OpenConversationParameters{Users: []string{to.User}})
	if err != nil {
		return to, classify("conversations.open", noURL(err), false) // opening twice is opening once
	}
	if c == nil || c.ID == "" {
		return to, errors.New("slack: conversations.open: no channel in the answer")
	}
	to.Channel = c.ID
	return to, nil
}

// post sends the words and returns where they stand.
func (a *adapter) post(ctx context.Context, to address, r *desk.Reply, words string) (channel, ts string, err error) {
	if err := a.pace.turn(ctx, to.Channel); err != nil {
		return "", "", err
	}
	if err := r.Leaves(ctx); err != nil {
		return "", "", err
	}
	options := []slackgo.MsgOption{slackgo.MsgOptionText(words, false), mark(r)}
	if to.ThreadTS != "" {
		options = append(options, slackgo.MsgOptionTS(to.ThreadTS))
	}
	traced, left := traced(ctx)
	channel, ts, m, err := a.api.PostMessageWithResponseContext(traced, to.Channel, options...)
	switch {
	case err != nil:
		return "", "", classify("chat.postMessage", noURL(err), left.Load())
	case channel == "" || ts == "": // slack-go takes "ok": false without a word for a yes
		return "", "", fmt.Errorf("slack: chat.postMessage: %w: the answer names no message", channels.ErrCutOff)
	case to.ThreadTS != "" && m.ThreadTimestamp == "":
		a.Log.Info("slack: the thread is gone; the reply stands in the channel", "message", string(r.Message.ID))
	}
	return channel, ts, nil
}

func mark(r *desk.Reply) slackgo.MsgOption {
	return slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: metadataType,
		EventPayload: map[string]any{"message": string(r.Message.ID)}})
}

// content is what a reply says in Slack's notation and the files that go along.
func (a *adapter) content(r *desk.Reply) (string, []outfile) {
	var files []outfile
	var empty []string
	for _, x := range r.Message.Attachments {
		if x.Blob.Size == 0 { // Slack takes no empty files
			empty = append(empty, x.Name)
			continue
		}
		files = append(files, outfile{name: fileName(x.Name), size: x.Blob.Size, blob: x.Blob})
	}
	words := markup.ToMrkdwn(r.Message.Text)
	if n := len([]rune(words)); n > maxText {
		words = markup.ToMrkdwn(cutRunes(r.Message.Text, shownText)) + "\n_The whole message is attached as " + longName + "._"
		files = append(files, outfile{name: longName, size: int64(len(r.Message.Text)), text: r.Message.Text})
	}
	for _, name := range empty {
		words += "\n_The file " + slackEscape.Replace(name) + " is empty._"
	}
	if strings.TrimSpace(words) == "" {
		var names []string
		for _, f := range files {
			names = append(names, slackEscape.Replace(f.name))
		}
		words = strings.Join(names, ", ")
	}
	return words, files
}

func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\"`, r) {
			return '_'
		}
		return r
	}, desk.Clean(desk.Cut(name, 200)))
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

// Edit is part of [channels.Editor].
func (a *adapter) Edit(ctx context.Context, r *desk.Reply, externalID string) error {
	channel, ts, err := place(externalID)
	if err != nil {
		return err
	}
	words, _ := a.content(r)
	if err := a.pace.turn(ctx, channel); err != nil {
		return err
	}
	if err := r.Leaves(ctx); err != nil {
		return err
	}
	traced, left := traced(ctx)
	_, _, _, err = a.api.UpdateMessageContext(traced, channel, ts, slackgo.MsgOptionText(words, false), mark(r))
	return classify("chat.update", noURL(err), left.Load())
}

// place reads an external ID back: see [key].
func place(externalID string) (channel, ts string, err error) {
	parts := strings.Split(externalID, ":")
	if len(parts) != 3 || !slackID(parts[1]) || !stamp(loose(parts[2])) {
		return "", "", desk.Permanent(errors.New("slack: this is not the ID of a message in Slack"))
	}
	return parts[1], parts[2], nil
}
