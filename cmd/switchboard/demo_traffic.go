package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"switchboard/channels/chat/fakechat"
	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
)

// demoTraffic is what customers send, through every door. It returns how many
// messages that makes in the ledger.
type demoTraffic struct {
	doors *demoDoors
	url   string // of Switchboard
	key   string
}

// send sends everything once.
func (d demoTraffic) send(ctx context.Context) (messages int64, err error) {
	for _, door := range []func(context.Context) (int64, error){d.mails, d.slack, d.teams, d.telegram, d.form, d.api} {
		n, err := door(ctx)
		if err != nil {
			return 0, fmt.Errorf("demo: %w", err)
		}
		messages += n
	}
	return messages, nil
}

// mails puts the sample mails into the mailboxes.
func (d demoTraffic) mails(context.Context) (int64, error) {
	mails := txtar.Parse(demoMails).Files
	start := time.Now()
	for _, f := range mails {
		user, label, _ := strings.Cut(f.Name, "/")
		at := start.Add(-time.Minute + time.Duration(label[0]-'0')*time.Second)
		text := bytes.ReplaceAll(f.Data, []byte("TODAY"), []byte(at.Format(time.RFC1123Z)))
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		if err := d.doors.mailbox.deliver(user+"@desk.example", text); err != nil {
			return 0, err
		}
	}
	return int64(len(mails)), nil
}

// slack says something in a channel, goes on in the thread and corrects the
// first message.
func (d demoTraffic) slack(ctx context.Context) (int64, error) {
	s := d.doors.slack
	if err := s.Connect(ctx, d.url+"/hooks/slack/acme-slack"); err != nil {
		return 0, err
	}
	first, sent := s.Say(ctx, fakeslack.Message{Channel: demoChannel, User: demoFrank, Text: "The printer on floor 3 is *dead*"})
	_, more := s.Say(ctx, fakeslack.Message{Channel: demoChannel, User: demoFrank, ThreadTS: first.TS, Text: "And the one on floor 4 too"})
	edit := s.Edit(ctx, demoChannel, first.TS, "The printer on floor 2 is *dead*")
	if !sent.OK || !more.OK || !edit.OK {
		return 0, fmt.Errorf("demo: Slack was not heard: %+v %+v %+v", sent.Attempts, more.Attempts, edit.Attempts)
	}
	return 3, nil
}

// teams mentions the bot in a channel.
func (d demoTraffic) teams(ctx context.Context) (int64, error) {
	t := d.doors.teams
	gina := t.Person("Gina Green", "gina@oscorp.example")
	return 1, d.toTeams(ctx, t.Message(t.Channel(), gina, "The build server has no space left"))
}

func (d demoTraffic) toTeams(ctx context.Context, a faketeams.Activity) error {
	answer, err := d.doors.teams.Deliver(ctx, d.url+"/hooks/msteams/teams/messages", a)
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("demo: Teams was not heard: %d %s", answer.Status, answer.Body)
	}
	return err
}

// telegram says something to the bot, and goes on.
func (d demoTraffic) telegram(ctx context.Context) (int64, error) {
	for i, text := range []string{"My parcel is not here yet", "Number 4711"} {
		m := fakechat.TelegramMessage(31337, int64(10+i), "Ivo", text, time.Now().Unix())
		if err := d.toTelegram(ctx, map[string]any{"update_id": 100 + i, "message": m}); err != nil {
			return 0, err
		}
	}
	return 2, nil
}

func (d demoTraffic) toTelegram(ctx context.Context, update map[string]any) error {
	status, answer, err := d.doors.chat.Telegram(ctx, d.url+"/hooks/chat/telegram", update)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("demo: Telegram was not heard: %d %s", status, answer)
	}
	return err
}

// form fills in the form of the site.
func (d demoTraffic) form(ctx context.Context) (int64, error) {
	at := d.url + "/forms/site/contact.json"
	var form struct {
		Token string `json:"token"`
	}
	if err := exchange(ctx, http.MethodGet, at, nil, http.StatusOK, &form); err != nil {
		return 0, err
	}
	return 1, exchange(ctx, http.MethodPost, at, map[string]any{"token": form.Token, "values": map[string]string{
		"name": "Hana Holt", "email": "hana@tyrell.example", "subject": "Where is my order?", "message": "It was due on Monday."}}, http.StatusAccepted, nil)
}

// api creates a ticket over the API and comments on it.
func (d demoTraffic) api(ctx context.Context) (int64, error) { return 1, demoCalls(ctx, d.url, d.key) }

// exchange sends JSON and reads JSON.
func exchange(ctx context.Context, method, url string, body any, want int, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: %s: %s", method, req.URL.Path, resp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
