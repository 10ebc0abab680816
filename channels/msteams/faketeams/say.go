package faketeams

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Activity is a Bot Framework activity in JSON. Whoever has one may bend it.
type Activity map[string]any

// Person is somebody of the tenant.
type Person struct {
	ID    string // of this bot's making: "29:..."
	AAD   string // their object ID in the tenant
	Name  string
	Email string
	UPN   string // their user name, where it is not Email
	Role  string // "guest" for somebody from elsewhere
}

// Conversation is a chat, or a thread of a channel.
type Conversation struct {
	ID   string // without thread
	Root string // channel: the message the thread began with; "" begins one
	Type string // personal, groupChat or channel
	Team string
}

// Thread is the conversation as activities name it.
func (c Conversation) Thread() string {
	if c.Root != "" {
		return c.ID + ";messageid=" + c.Root
	}
	return c.ID
}

// Bot is the bot as the Connector names it.
func (s *Server) Bot() Person { return Person{ID: "28:" + s.AppID, Name: "Support"} }

// Person makes somebody.
func (s *Server) Person(name, email string) Person { return s.Join(Person{Name: name, Email: email}) }

// Join makes somebody as given; what is empty is filled in.
func (s *Server) Join(p Person) Person {
	if p.ID == "" {
		p.ID = "29:1" + random(16)
	}
	if p.AAD == "" {
		p.AAD = random(4) + "-0000-4000-8000-" + random(6)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[p.ID] = p
	return p
}

// Personal opens the chat of a person with the bot.
func (s *Server) Personal(p Person) Conversation {
	return s.open(Conversation{ID: "a:1" + p.AAD, Type: "personal"})
}

// Group opens a group chat.
func (s *Server) Group() Conversation {
	return s.open(Conversation{ID: "19:" + random(16) + "@thread.v2", Type: "groupChat"})
}

// Channel opens a channel of a team.
func (s *Server) Channel() Conversation {
	return s.open(Conversation{ID: "19:" + random(16) + "@thread.tacv2", Type: "channel", Team: "19:" + random(16) + "@thread.tacv2"})
}

func (s *Server) open(c Conversation) Conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.chats[c.ID]; !ok {
		s.chats[c.ID] = &chat{Conversation: c, activities: map[string]bool{}}
	}
	return c
}

// Message is what somebody writes: in a channel with a mention of the bot, as
// Teams demands. text is plain.
func (s *Server) Message(c Conversation, from Person, text string) Activity {
	s.mu.Lock()
	id := s.next()
	s.chats[c.ID].activities[id] = true
	if c.Team != "" {
		s.installed[c.Team] = true
		s.join(c.Team, from)
	} else if c.Type == "personal" {
		s.installed[from.ID] = true
	}
	s.mu.Unlock()
	if c.Type == "channel" && c.Root == "" {
		c.Root = id
	}
	a := s.event("message", c, from)
	a["id"] = id
	a["textFormat"] = "plain"
	a["locale"] = "en-US"
	formatted := "<p>" + strings.ReplaceAll(html.EscapeString(text), "\n", "<br>") + "</p>"
	a["text"] = text
	if c.Type != "personal" {
		bot := s.Bot()
		a["text"] = "<at>" + bot.Name + "</at> " + text
		a["entities"] = []any{map[string]any{"type": "mention", "text": "<at>" + bot.Name + "</at>",
			"mentioned": map[string]any{"id": bot.ID, "name": bot.Name}}}
		formatted = `<p><span itemtype="http://schema.skype.com/Mention" itemscope="" itemid="0">` + bot.Name + "</span>&nbsp;" + strings.TrimPrefix(formatted, "<p>")
	}
	a["attachments"] = []any{map[string]any{"contentType": "text/html", "content": formatted}}
	return a
}

// In is the conversation of an activity, with its thread.
func (s *Server) In(a Activity) Conversation {
	c, _ := a["conversation"].(map[string]any)
	id, _ := c["id"].(string)
	b, root, _ := strings.Cut(id, ";messageid=")
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.chats[b].Conversation
	out.Root = root
	return out
}

// event is an activity with everything but its content.
func (s *Server) event(kind string, c Conversation, from Person) Activity {
	bot := s.Bot()
	data := map[string]any{"tenant": map[string]any{"id": s.Tenant}}
	if c.Team != "" {
		data["team"] = map[string]any{"id": c.Team}
		data["channel"] = map[string]any{"id": c.ID}
		data["teamsChannelId"], data["teamsTeamId"] = c.ID, c.Team
	}
	conversation := map[string]any{"id": c.Thread(), "conversationType": c.Type, "tenantId": s.Tenant}
	if c.Type != "personal" {
		conversation["isGroup"] = true
	}
	now := s.now().UTC()
	return Activity{
		"type": kind, "id": "f:" + random(8), "channelId": "msteams", "serviceUrl": s.ServiceURL(),
		"timestamp": now.Format("2006-01-02T15:04:05.0000000Z"), "localTimestamp": now.Format("2006-01-02T15:04:05.0000000+00:00"),
		"from":      map[string]any{"id": from.ID, "name": from.Name, "aadObjectId": from.AAD},
		"recipient": map[string]any{"id": bot.ID, "name": bot.Name}, "conversation": conversation, "channelData": data,
	}
}

// Edited is the event of a message edited by its author, a second later.
func (s *Server) Edited(a Activity, text string) Activity {
	e := s.again(a, "messageUpdate", "editMessage")
	e["text"] = text
	e["attachments"] = []any{map[string]any{"contentType": "text/html", "content": "<p>" + html.EscapeString(text) + "</p>"}}
	delete(e, "entities")
	return e
}

// Deleted is the event of a message deleted by its author.
func (s *Server) Deleted(a Activity) Activity {
	e := s.again(a, "messageDelete", "softDeleteMessage")
	delete(e, "text")
	delete(e, "attachments")
	return e
}

// Undeleted is the event of a deletion taken back.
func (s *Server) Undeleted(a Activity) Activity {
	return s.again(a, "messageUpdate", "undeleteMessage")
}

func (s *Server) again(a Activity, kind, event string) Activity {
	e := maps.Clone(a)
	data, _ := a["channelData"].(map[string]any)
	data = maps.Clone(data)
	data["eventType"] = event
	e["type"], e["channelData"] = kind, data
	at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(a["timestamp"]))
	e["timestamp"] = at.Add(time.Second).Format("2006-01-02T15:04:05.0000000Z")
	return e
}

// Event is any other activity of somebody: conversationUpdate,
// installationUpdate, messageReaction, typing, ...
func (s *Server) Event(kind string, c Conversation, from Person) Activity {
	return s.event(kind, c, from)
}

// WithFile adds a file, which lies on the sender's drive for ten minutes.
func (s *Server) WithFile(a Activity, name string, data []byte) Activity {
	id := random(12)
	s.mu.Lock()
	s.files[id] = file{name: name, contentType: "application/octet-stream", data: data, until: s.now().Add(10 * time.Minute)}
	s.mu.Unlock()
	kind := ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		kind = name[i+1:]
	}
	return attach(a, map[string]any{
		"contentType": "application/vnd.microsoft.teams.file.download.info", "name": name,
		"contentUrl": "https://tenant.example/personal/" + name,
		"content":    map[string]any{"downloadUrl": s.url + "/personal/" + id, "uniqueId": strings.ToUpper(id), "fileType": kind, "etag": id},
	})
}

// WithPicture adds a picture in the text, which only the bot may fetch.
func (s *Server) WithPicture(a Activity, contentType string, data []byte) Activity {
	id := random(12)
	s.mu.Lock()
	s.files[id] = file{contentType: contentType, data: data}
	s.mu.Unlock()
	return attach(a, map[string]any{"contentType": "image/*", "contentUrl": s.ServiceURL() + "v3/attachments/" + id + "/views/original"})
}

func attach(a Activity, f map[string]any) Activity {
	list, _ := a["attachments"].([]any)
	a["attachments"] = append(append([]any(nil), list...), f)
	return a
}

// Consent is a person's answer to the n-th card of a message of the bot that
// offers a file.
func (s *Server) Consent(sent Sent, n int, from Person, accept bool) Activity {
	list, _ := sent.Activity["attachments"].([]any)
	card, _ := list[n].(map[string]any)
	content, _ := card["content"].(map[string]any)
	s.mu.Lock()
	c := s.chats[base(sent.Conversation)].Conversation
	session := random(12)
	s.uploads[session] = &Upload{Name: fmt.Sprint(card["name"])}
	s.mu.Unlock()
	a := s.event("invoke", c, from)
	a["name"], a["replyToId"] = "fileConsent/invoke", sent.ID
	value := map[string]any{"type": "fileUpload", "action": "decline", "context": content["declineContext"]}
	if accept {
		value["action"], value["context"] = "accept", content["acceptContext"]
		value["uploadInfo"] = map[string]any{"contentUrl": "https://tenant.example/" + session, "name": card["name"],
			"uploadUrl": s.url + "/upload/" + session, "uniqueId": strings.ToUpper(session), "fileType": "bin"}
	}
	a["value"] = value
	return a
}

// Answer is what the bot's endpoint said, and at which try.
type Answer struct {
	Status int
	Body   string
	Tries  int
}

// Deliver sends an activity to a bot's endpoint, signed, and again when the bot
// asks for it (429, 5xx, no answer), as often as Options.Tries says.
func (s *Server) Deliver(ctx context.Context, endpoint string, a Activity) (Answer, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return Answer{}, fmt.Errorf("faketeams: %w", err)
	}
	return s.DeliverRaw(ctx, endpoint, body, "Bearer "+s.Token(nil))
}

// DeliverRaw sends bytes under any Authorization header ("" for none).
func (s *Server) DeliverRaw(ctx context.Context, endpoint string, body []byte, authorization string) (Answer, error) {
	for try := 1; ; try++ {
		answer, wait, err := s.once(ctx, endpoint, body, authorization)
		answer.Tries = try
		if wait < 0 || try >= s.tries {
			return answer, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
}

// once sends one request; wait is how long until the next, negative for never.
func (s *Server) once(ctx context.Context, endpoint string, body []byte, authorization string) (Answer, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return Answer{}, -1, fmt.Errorf("faketeams: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return Answer{}, s.pause / 10, fmt.Errorf("faketeams: %w", err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return Answer{}, s.pause / 10, fmt.Errorf("faketeams: %w", err)
	}
	wait := time.Duration(-1)
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 && res.StatusCode != http.StatusNotImplemented {
		wait = s.pause / 10 // the real one takes its time; a Retry-After is obeyed up to the pause
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
			wait = min(time.Duration(n)*time.Second, s.pause)
		}
	}
	return Answer{Status: res.StatusCode, Body: string(said)}, wait, nil
}
