package main

import (
	"crypto/rand"
	"net"
	"net/http"
	"strconv"

	"switchboard/channels/chat/fakechat"
	"switchboard/channels/email/fakesmtp"
	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
)

// demoDoors are the other sides of every channel, on loopback: a mailbox, a mail
// server, a Slack, a Microsoft and a Telegram.
type demoDoors struct {
	mailbox *demoMailbox
	post    *fakesmtp.Server
	slack   *fakeslack.Fake
	teams   *faketeams.Server
	chat    *fakechat.Fake
	secrets map[string]string
	ends    []func()
}

// The people and places of the demo.
const (
	demoChannel = "CHELP0001" // in Slack
	demoFrank   = "UFRANK001"
)

// openDoors starts the other sides. Close them, also after an error.
func openDoors() (d *demoDoors, err error) {
	d = &demoDoors{secrets: map[string]string{}}
	password := rand.Text()
	if d.mailbox, err = startDemoMailbox(password, "support@desk.example", "billing@desk.example"); err != nil {
		return d, err
	}
	d.ends = append(d.ends, d.mailbox.close)
	if d.post, err = fakesmtp.Start(fakesmtp.Options{Users: map[string]string{"support@desk.example": password}}); err != nil {
		return d, err
	}
	d.ends = append(d.ends, d.post.Close)
	calls := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	if d.slack, err = fakeslack.New(fakeslack.Options{SigningSecret: rand.Text(), BotToken: "xoxb-" + rand.Text(), Echo: true, Client: calls}); err != nil {
		return d, err
	}
	d.ends = append(d.ends, d.slack.Close)
	d.slack.AddChannel(fakeslack.Channel{ID: demoChannel, Name: "help"})
	d.slack.AddUser(fakeslack.User{ID: demoFrank, Name: "Frank Foss", Email: "frank@stark.example", Confirmed: true})
	if d.teams, err = faketeams.Start(faketeams.Options{Password: rand.Text()}); err != nil {
		return d, err
	}
	d.ends = append(d.ends, d.teams.Close)
	if d.chat, err = fakechat.New(nil); err != nil {
		return d, err
	}
	d.ends = append(d.ends, d.chat.Close)
	_, imap, _ := net.SplitHostPort(d.mailbox.addr)
	d.secrets = map[string]string{
		"DEMO_PASSWORD":       password,
		"DEMO_IMAP_PORT":      imap,
		"DEMO_SMTP_PORT":      strconv.Itoa(d.post.Port()),
		"DEMO_SLACK_API":      d.slack.APIURL(),
		"DEMO_SLACK_SECRET":   d.slack.Options().SigningSecret,
		"DEMO_SLACK_TOKEN":    d.slack.Options().BotToken,
		"DEMO_TEAMS":          d.teams.Host(),
		"DEMO_TEAMS_APP":      d.teams.AppID,
		"DEMO_TEAMS_PASSWORD": d.teams.Password,
		"DEMO_TEAMS_TENANT":   d.teams.Tenant,

		"DEMO_TELEGRAM_API":    d.chat.TelegramURL(),
		"DEMO_TELEGRAM_SECRET": fakechat.TelegramSecret,
		"DEMO_TELEGRAM_TOKEN":  fakechat.TelegramToken,
	}
	return d, nil
}

// env lets the demo's config find them.
func (d *demoDoors) env(name string) (string, bool) {
	v, ok := d.secrets[name]
	return v, ok
}

func (d *demoDoors) close() {
	for i := len(d.ends) - 1; i >= 0; i-- {
		d.ends[i]()
	}
}
