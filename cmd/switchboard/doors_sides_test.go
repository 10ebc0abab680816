package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"switchboard/channels/chat/fakechat"
	"switchboard/channels/email/letter"
	"switchboard/channels/msteams/faketeams"
	"switchboard/channels/slack/fakeslack"
)

func slackMessage(user, text string) fakeslack.Message {
	if user == "" {
		user = demoFrank
	}
	return fakeslack.Message{Channel: demoChannel, User: user, Text: text}
}

var unconfirmed = fakeslack.User{ID: "UFRANK002", Name: "Frank Foss", Email: "frank@stark.example"}

// slackSide is somebody in a Slack channel.
type slackSide struct {
	*street
	first, more fakeslack.Message
	last        []byte
}

func newSlackSide(s *street) side { return &slackSide{street: s} }

func (c *slackSide) heard(d fakeslack.Delivery) {
	c.t.Helper()
	if !d.OK { // on a slow machine it may have to come again
		c.t.Fatalf("Slack was not heard: %+v", d.Attempts)
	}
	c.last = d.Body
}

func (c *slackSide) begin(text string, file []byte) {
	m := slackMessage("", text)
	m.Files = []*fakeslack.File{c.slack.AddFile(fakeslack.File{Name: "lamp.bin", Mimetype: "application/octet-stream", Bytes: file})}
	var d fakeslack.Delivery
	c.first, d = c.slack.Say(c.t.Context(), m)
	c.heard(d)
}

func (c *slackSide) follow(text string) bool {
	m := slackMessage("", text)
	m.ThreadTS = c.first.TS
	var d fakeslack.Delivery
	c.more, d = c.slack.Say(c.t.Context(), m)
	c.heard(d)
	return true
}

func (c *slackSide) again() { c.heard(c.slack.Deliver(c.t.Context(), c.last)) }

func (c *slackSide) answer(text string) {
	m := slackMessage("", text)
	m.ThreadTS = c.first.TS
	_, d := c.slack.Say(c.t.Context(), m)
	c.heard(d)
}

func (c *slackSide) edit(text string) bool {
	c.heard(c.slack.Edit(c.t.Context(), demoChannel, c.first.TS, text))
	return true
}

func (c *slackSide) remove() bool {
	c.heard(c.slack.Delete(c.t.Context(), demoChannel, c.more.TS))
	return true
}

func (c *slackSide) has() (out []standing) {
	for _, m := range c.slack.Posts() {
		out = append(out, standing{m.Channel == demoChannel && m.ThreadTS == c.first.TS, m.Text})
	}
	return out
}

// teamsSide is somebody in a channel of a team.
type teamsSide struct {
	*street
	gina              faketeams.Person
	first, more, last faketeams.Activity
}

func newTeamsSide(s *street) side {
	return &teamsSide{street: s, gina: s.teams.Person("Gina Green", "gina@oscorp.example")}
}

func (c *teamsSide) send(a faketeams.Activity) {
	c.t.Helper()
	c.last = a
	if err := (demoTraffic{c.demoDoors, c.url, ""}).toTeams(c.t.Context(), a); err != nil {
		c.t.Fatal(err)
	}
}

func (c *teamsSide) begin(text string, file []byte) {
	c.first = c.teams.WithFile(c.teams.Message(c.teams.Channel(), c.gina, text), "lamp.bin", file)
	c.send(c.first)
}

func (c *teamsSide) follow(text string) bool {
	c.more = c.teams.Message(c.teams.In(c.first), c.gina, text)
	c.send(c.more)
	return true
}

func (c *teamsSide) again() { c.send(c.last) }

func (c *teamsSide) answer(text string) { c.send(c.teams.Message(c.teams.In(c.first), c.gina, text)) }

func (c *teamsSide) edit(text string) bool { c.send(c.teams.Edited(c.first, text)); return true }

func (c *teamsSide) remove() bool { c.send(c.teams.Deleted(c.more)); return true }

func (c *teamsSide) has() (out []standing) {
	thread := c.teams.In(c.first).Thread()
	stands := map[string]standing{}
	var order []string
	for _, s := range c.teams.Sent() {
		switch s.Method {
		case http.MethodDelete:
			delete(stands, s.ID)
			continue
		case http.MethodPost:
			order = append(order, s.ID)
			stands[s.ID] = standing{threaded: s.Conversation == thread}
		}
		x := stands[s.ID]
		x.text = s.Text()
		stands[s.ID] = x
	}
	for _, id := range order {
		if x, ok := stands[id]; ok {
			out = append(out, x)
		}
	}
	return out
}

// post1 puts a mail into the mailbox of support.
func (s *street) post1(from, id, answers, subject, text string, more ...string) string {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "From: Hana Holt <%s>\nTo: support@desk.example\nSubject: %s\nMessage-ID: <%s>\nDate: %s\n", from, subject, id, time.Now().Format(time.RFC1123Z))
	if answers != "" {
		fmt.Fprintf(&b, "In-Reply-To: <%s>\nReferences: <%[1]s>\n", answers)
	}
	if len(more) == 0 {
		more = []string{"Content-Type: text/plain; charset=utf-8\n\n" + text + "\n"}
	}
	b.WriteString(more[0])
	raw := strings.ReplaceAll(b.String(), "\n", "\r\n")
	s.deliver(raw)
	return raw
}

func (s *street) deliver(raw string) {
	s.t.Helper()
	if err := s.mailbox.deliver("support@desk.example", []byte(raw)); err != nil {
		s.t.Fatal(err)
	}
}

// letters are our mails to somebody, oldest first.
func (s *street) letters(to string) (out []*letter.Letter) {
	s.t.Helper()
	for _, m := range s.post.Mails() {
		if !slices.Contains(m.To, to) {
			s.t.Errorf("a mail went to %v", m.To)
			continue
		}
		l, err := letter.Read(s.t.Context(), bytes.NewReader(m.Data), letter.DefaultLimits(), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

const hana = "hana@tyrell.example"

// mailSide is somebody who writes mail.
type mailSide struct {
	*street
	last string // as it was sent
	id   string // of it
}

func newMailSide(s *street) side { return &mailSide{street: s} }

func (c *mailSide) begin(text string, file []byte) {
	c.id = "1@tyrell.example"
	body := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=utf-8\n\n" + text +
		"\n--x\nContent-Type: application/octet-stream; name=lamp.bin\nContent-Disposition: attachment; filename=lamp.bin\nContent-Transfer-Encoding: base64\n\n" +
		wrap(base64.StdEncoding.EncodeToString(file)) + "\n--x--\n"
	c.last = c.post1(hana, c.id, "", "The lamp", "", body)
}

func wrap(s string) string {
	var lines []string
	for chunk := range slices.Chunk([]byte(s), 76) {
		lines = append(lines, string(chunk))
	}
	return strings.Join(lines, "\n")
}

func (c *mailSide) follow(text string) bool {
	c.last = c.post1(hana, "2@tyrell.example", c.id, "Re: The lamp", text)
	c.id = "2@tyrell.example"
	return true
}

// again delivers a copy, and after it something that is seen to be read.
func (c *mailSide) again() {
	c.deliver(c.last)
	c.until(func() string {
		cursor, err := c.store.Cursor(c.t.Context(), "support", "INBOX")
		if err != nil {
			c.t.Fatal(err)
		}
		if cursor.LastUID >= 3 {
			return ""
		}
		return fmt.Sprintf("the mailbox is read up to %d", cursor.LastUID)
	})
}

func (c *mailSide) answer(text string) {
	ours := c.letters(hana)
	c.post1(hana, "3@tyrell.example", ours[len(ours)-1].MessageID, "Re: The lamp", text)
}

func (c *mailSide) edit(string) bool { return false }
func (c *mailSide) remove() bool     { return false }

func (c *mailSide) has() (out []standing) {
	for _, l := range c.letters(hana) {
		out = append(out, standing{slices.Equal(l.InReplyTo, []string{c.id}) && l.Subject == "Re: The lamp", l.Text})
	}
	return out
}

// formSide is somebody who fills in the form, and then writes mail.
type formSide struct {
	*street
	kind string
	body []byte
}

func newFormSide(s *street) side { return &formSide{street: s} }

func (c *formSide) begin(text string, file []byte) {
	c.t.Helper()
	var form struct {
		Token string `json:"token"`
	}
	at := c.url + "/forms/site/contact.json"
	if err := exchange(c.t.Context(), http.MethodGet, at, nil, http.StatusOK, &form); err != nil {
		c.t.Fatal(err)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range [][2]string{{"_token", form.Token}, {"name", "Hana Holt"}, {"email", hana}, {"subject", "The lamp"}, {"message", text}} {
		_ = w.WriteField(f[0], f[1]) // a buffer takes everything
	}
	part, err := w.CreateFormFile("files", "lamp.png")
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = part.Write(file)
	w.Close()
	c.kind, c.body = w.FormDataContentType(), b.Bytes()
	c.again()
}

func (c *formSide) follow(string) bool { return false }

func (c *formSide) again() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), scriptPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/forms/site/contact.json", bytes.NewReader(c.body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", c.kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var said any
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != http.StatusAccepted {
		c.t.Fatalf("the form was not taken: %s %v %v", resp.Status, said, err)
	}
}

func (c *formSide) answer(text string) {
	ours := c.letters(hana)
	c.post1(hana, "9@tyrell.example", ours[len(ours)-1].MessageID, "Re: The lamp", text)
}

func (c *formSide) edit(string) bool { return false }
func (c *formSide) remove() bool     { return false }

func (c *formSide) has() (out []standing) {
	for _, l := range c.letters(hana) {
		out = append(out, standing{l.Subject == "Re: The lamp", l.Text})
	}
	return out
}

// telegramSide is somebody in a private chat with the bot.
type telegramSide struct {
	*street
	last     map[string]any
	messages int64
}

func newTelegramSide(s *street) side { return &telegramSide{street: s} }

func (c *telegramSide) send(kind string, message map[string]any) {
	c.t.Helper()
	c.messages++
	c.last = map[string]any{"update_id": c.messages, kind: message}
	c.again()
}

func (c *telegramSide) message(id int64, text string) map[string]any {
	return fakechat.TelegramMessage(31337, id, "Ivo", text, time.Now().Unix())
}

func (c *telegramSide) begin(text string, file []byte) {
	c.chat.AddFile("F1", file)
	m := c.message(10, "")
	delete(m, "text")
	m["caption"], m["document"] = text, map[string]any{"file_id": "F1", "file_name": "lamp.bin", "mime_type": "application/octet-stream"}
	c.send("message", m)
}

func (c *telegramSide) follow(text string) bool { c.send("message", c.message(11, text)); return true }

func (c *telegramSide) again() {
	c.t.Helper()
	if err := (demoTraffic{c.demoDoors, c.url, ""}).toTelegram(c.t.Context(), c.last); err != nil {
		c.t.Fatal(err)
	}
}

func (c *telegramSide) answer(text string) { c.send("message", c.message(12, text)) }

func (c *telegramSide) edit(text string) bool {
	m := c.message(10, text)
	m["edit_date"] = time.Now().Unix() + 1
	c.send("edited_message", m)
	return true
}

func (c *telegramSide) remove() bool { return false } // Telegram does not tell

func (c *telegramSide) has() (out []standing) {
	for _, s := range c.chat.Sent() {
		if s.Removed {
			continue
		}
		out = append(out, standing{s.Via == "telegram" && s.To == "31337" && s.Answers == "11", s.Text})
	}
	return out
}
