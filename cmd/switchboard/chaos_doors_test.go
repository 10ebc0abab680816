//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"switchboard/channels/chat/fakechat"
	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
)

// chaosRooms are the Slack channels: Slack takes one message a second in each.
const chaosRooms = 12

// chaosDoors are the ways in, with how much of the traffic comes through each.
func (c *chaos) chaosDoors(random *rand.Rand) []chaosDoor {
	for n := range chaosRooms {
		c.slack.AddChannel(fakeslack.Channel{ID: slackRoom(n), Name: fmt.Sprint("help-", n)})
	}
	for n := range 40 {
		c.slack.AddUser(fakeslack.User{ID: slackPerson(n), Name: fmt.Sprint("Person ", n), Email: fmt.Sprintf("p%d@slack.example", n), Confirmed: true})
	}
	var people []faketeams.Person
	for n := range 20 {
		people = append(people, c.teams.Person(fmt.Sprint("Colleague ", n), fmt.Sprintf("c%d@teams.example", n)))
	}
	bag := &trialBag{random: random, start: time.Now().Add(-time.Hour)}
	return []chaosDoor{
		{name: "email", weight: 6, talk: func(t *chaosTraffic, talk int) []*chaosMessage { return t.mails(bag, talk) }},
		{name: "slack", weight: 4, talk: (*chaosTraffic).slackTalk},
		{name: "msteams", weight: 3, talk: func(t *chaosTraffic, talk int) []*chaosMessage { return t.teamsTalk(people, talk) }},
		{name: "chat", weight: 3, talk: (*chaosTraffic).chatTalk},
		{name: "webform", weight: 2, talk: (*chaosTraffic).form},
		{name: "api", weight: 2, talk: (*chaosTraffic).create},
	}
}

func slackRoom(n int) string   { return fmt.Sprintf("CROOM%04d", n) }
func slackPerson(n int) string { return fmt.Sprintf("UPERS%04d", n) }

// token is words that only one message of the run has.
func (t *chaosTraffic) token(talk, n int) string {
	return fmt.Sprintf("word%dx%dx%d", t.c.plan.seed, talk, n)
}

// words are what a message says; one in five says so much that its bytes are kept
// in a file.
func (t *chaosTraffic) words(token string) string {
	if t.random.IntN(5) > 0 {
		return "Please look at " + token
	}
	return "Please look at " + token + strings.Repeat(" and at all of this", 300)
}

// few is how many messages a conversation has.
func (t *chaosTraffic) few() int { return []int{1, 1, 2, 3, 4}[t.random.IntN(5)] }

// mails makes a conversation by mail; now and then an automatic mail, a broken
// one, or one to both our addresses. What lies in a mailbox is acknowledged.
func (t *chaosTraffic) mails(bag *trialBag, talk int) (out []*chaosMessage) {
	from := len(bag.mails)
	switch t.random.IntN(25) {
	case 0:
		bag.automatic(talk)
	case 1:
		bag.broken(talk)
		bag.chains = append(bag.chains, nil)
	default:
		bag.first()
		thread := bag.mails[len(bag.mails)-1].thread
		for range t.few() - 1 {
			bag.reply(thread)
		}
		if t.random.IntN(15) == 0 {
			bag.copy(bag.mails[len(bag.mails)-1])
		}
	}
	for _, mail := range bag.mails[from:] {
		source := "support"
		if mail.user == trialSales {
			source = "sales"
		}
		raw, user, folder := mail.raw, mail.user, mail.folder
		mail.raw = nil // the run is long
		m := &chaosMessage{door: "email", source: source, id: mail.id, digest: mail.digest, token: mail.digest, talk: talk, auto: mail.auto, copied: mail.copied}
		m.send = func(context.Context) error {
			t.c.mail.Deliver(user, folder, raw)
			return nil
		}
		out = append(out, m)
	}
	return out
}

// slackTalk is a message in a channel and what is said below it.
func (t *chaosTraffic) slackTalk(talk int) (out []*chaosMessage) {
	room := slackRoom(t.random.IntN(chaosRooms))
	root := slackStamp()
	for n := range t.few() {
		token := t.token(talk, n)
		said := fakeslack.Message{Channel: room, User: slackPerson(t.random.IntN(40)), Text: t.words(token), TS: root}
		if n > 0 {
			said.TS, said.ThreadTS = slackStamp(), root
		}
		// It stands in Slack, and nobody was told yet: events come in any order.
		silent, cancel := context.WithCancel(t.c.life)
		cancel()
		_, untold := t.c.slack.Say(silent, said)
		m := &chaosMessage{door: "slack", source: "acme-slack", id: t.c.slack.Options().TeamID + ":" + room + ":" + said.TS, token: token, talk: talk}
		m.send = func(ctx context.Context) error {
			d := t.c.slack.Deliver(ctx, untold.Body)
			if d.OK {
				return nil
			}
			last := d.Attempts[len(d.Attempts)-1]
			if last.Status == 0 {
				return &errSendAgain{0, last.Reason}
			}
			return heard(last.Status, last.Reason, nil)
		}
		out = append(out, m)
	}
	return out
}

var slackStamps = make(chan int64, 1)

func init() { slackStamps <- 0 }

// slackStamp is a timestamp no other message has.
func slackStamp() string {
	last := <-slackStamps
	now := max(last+1, time.Now().UnixMicro())
	slackStamps <- now
	return fmt.Sprintf("%d.%06d", now/1e6, now%1e6)
}

// teamsTalk is a thread in a channel of a team.
func (t *chaosTraffic) teamsTalk(people []faketeams.Person, talk int) (out []*chaosMessage) {
	service := "http://" + t.c.teamsGo.listen + "/emea/"
	place := t.c.teams.Channel()
	for n := range t.few() {
		token := t.token(talk, n)
		act := t.c.teams.Message(place, people[t.random.IntN(len(people))], t.words(token))
		if n == 0 {
			place = t.c.teams.In(act)
		}
		act["serviceUrl"] = service
		body, err := json.Marshal(act)
		if err != nil {
			t.c.fail("%v", err)
		}
		m := &chaosMessage{door: "msteams", source: "teams", id: place.ID + "/" + fmt.Sprint(act["id"]), token: token, talk: talk}
		m.send = func(ctx context.Context) error {
			bearer := "Bearer " + t.c.teams.Token(func(_ map[string]any, claims jwt.MapClaims) { claims["serviceurl"] = service })
			a, err := t.c.teams.DeliverRaw(ctx, t.c.door("/hooks/msteams/teams/messages"), body, bearer)
			return heard(a.Status, a.Body, err)
		}
		out = append(out, m)
	}
	return out
}

// chatTalk is a conversation in a chat of our own.
func (t *chaosTraffic) chatTalk(talk int) (out []*chaosMessage) {
	for n := range t.few() {
		token := t.token(talk, n)
		body := map[string]any{"id": "m-" + token, "conversation": fmt.Sprintf("talk-%d-%d", t.c.plan.seed, talk), "author": fmt.Sprint("visitor-", talk),
			"text": t.words(token), "at": time.Now().Unix()}
		raw, err := json.Marshal(body)
		if err != nil {
			t.c.fail("%v", err)
		}
		m := &chaosMessage{door: "chat", source: "shop", id: "shop:m-" + token, token: token, talk: talk}
		m.send = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return heard(t.c.exchangeJSON(ctx, http.MethodPost, "/hooks/chat/shop", signedHook("m-"+token, raw), json.RawMessage(raw), nil))
		}
		out = append(out, m)
	}
	return out
}

// form fills in the form once; sent again it is the same page.
func (t *chaosTraffic) form(talk int) []*chaosMessage {
	token := t.token(talk, 0)
	page := make(chan string, 1)
	page <- ""
	person, words := t.random.IntN(30), t.words(token)
	m := &chaosMessage{door: "webform", source: "site", token: token, talk: talk}
	m.send = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		key := <-page
		if key == "" {
			var got struct {
				Token string `json:"token"`
			}
			if err := heard(t.c.exchangeJSON(ctx, http.MethodGet, "/forms/site/contact.json", nil, nil, &got)); err != nil {
				page <- ""
				return err
			}
			key = got.Token
		}
		page <- key
		return heard(t.c.exchangeJSON(ctx, http.MethodPost, "/forms/site/contact.json", nil, map[string]any{"token": key, "values": map[string]string{
			"name": "Hana Holt", "email": fmt.Sprintf("hana%d@forms.example", person), "subject": "Order " + strconv.Itoa(talk), "message": words}}, nil))
	}
	return []*chaosMessage{m}
}

// create makes a ticket over the API.
func (t *chaosTraffic) create(talk int) []*chaosMessage {
	token := t.token(talk, 0)
	person := t.random.IntN(30)
	body := map[string]any{"title": "Order " + strconv.Itoa(talk), "description": t.words(token),
		"requester": map[string]string{"email": fmt.Sprintf("caller%d@calls.example", person)}}
	m := &chaosMessage{door: "api", source: "api", id: "idem:" + t.c.keyID + ":" + token, token: token, talk: talk}
	m.send = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		var got struct{ UID, Receipt string }
		status, text, err := t.c.exchangeJSON(ctx, http.MethodPost, "/v1/tickets",
			map[string]string{"Authorization": "Bearer " + t.c.key, "Idempotency-Key": token}, body, &got)
		if err == nil && (status == http.StatusCreated && got.UID == "" || status == http.StatusAccepted && got.Receipt == "") {
			return fmt.Errorf("%d without an ID: %s", status, text)
		}
		return heard(status, text, err)
	}
	return []*chaosMessage{m}
}

// signedHook is the head of a chat's request, signed by "Standard Webhooks" 1.0.
func signedHook(id string, body []byte) map[string]string {
	now := time.Now()
	return map[string]string{"Webhook-Id": id, "Webhook-Timestamp": strconv.FormatInt(now.Unix(), 10),
		"Webhook-Signature": fakechat.StandardSignature(fakechat.HookSecret, id, now, body)}
}
