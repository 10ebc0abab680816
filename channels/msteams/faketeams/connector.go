package faketeams

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Sent is one thing the bot did.
type Sent struct {
	Method       string // POST, PUT or DELETE
	Conversation string
	ReplyTo      string // POST: the activity it answers
	ID           string // of the activity made, changed or deleted
	Activity     Activity
}

// Text is what the bot said.
func (s Sent) Text() string {
	t, _ := s.Activity["text"].(string)
	return t
}

// chat is a conversation and the activities in it.
type chat struct {
	Conversation
	activities map[string]bool // false: deleted
	blocked    bool
}

// base is a conversation's ID without the thread.
func base(id string) string {
	b, _, _ := strings.Cut(id, ";messageid=")
	return b
}

// bot lets a request in that bears a token of ours.
func (s *Server) bot(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		until, known := s.tokens[token]
		s.mu.Unlock()
		if !ok || !known || s.now().After(until) {
			if token == "" {
				s.problem("%s %s without a token", r.Method, r.URL.Path)
			}
			fail(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		next(w, r)
	}
}

// place finds the conversation of a request; thread is the root message named in
// it. It answers itself when there is none.
func (s *Server) place(w http.ResponseWriter, r *http.Request) (c *chat, thread string, ok bool) {
	id := r.PathValue("conversation")
	c, ok = s.chats[base(id)]
	_, thread, _ = strings.Cut(id, ";messageid=")
	switch {
	case !ok || thread != "" && !known(c, thread):
		fail(w, http.StatusNotFound, "ConversationNotFound")
		return nil, "", false
	case c.blocked:
		fail(w, http.StatusForbidden, "BotNotInConversationRoster")
		return nil, "", false
	}
	return c, thread, true
}

func known(c *chat, id string) bool { _, ok := c.activities[id]; return ok }

// post takes a message of the bot, as an answer or by itself.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	act, ok := s.read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, _, ok := s.place(w, r)
	if !ok {
		return
	}
	to := r.PathValue("activity")
	if to != "" && !c.activities[to] {
		fail(w, http.StatusNotFound, "ActivityNotFoundInConversation")
		return
	}
	id := s.next()
	c.activities[id] = true
	s.record(Sent{Method: r.Method, Conversation: r.PathValue("conversation"), ReplyTo: to, ID: id, Activity: act})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]string{"id": id})
}

func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	act, ok := s.read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alter(w, r, act)
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alter(w, r, nil)
}

// alter changes or deletes what the bot said before; not what others said.
func (s *Server) alter(w http.ResponseWriter, r *http.Request, act Activity) {
	c, _, ok := s.place(w, r)
	if !ok {
		return
	}
	id := r.PathValue("activity")
	own := slices.ContainsFunc(s.sent, func(x Sent) bool {
		return x.Method == http.MethodPost && x.ID == id && base(x.Conversation) == c.ID
	})
	switch {
	case !c.activities[id]:
		fail(w, http.StatusNotFound, "ActivityNotFoundInConversation")
		return
	case !own:
		s.problems = append(s.problems, fmt.Sprintf("%s of a message that is not the bot's", r.Method))
		fail(w, http.StatusForbidden, "MessageWritesBlocked")
		return
	}
	if r.Method == http.MethodDelete {
		c.activities[id] = false
	}
	s.record(Sent{Method: r.Method, Conversation: r.PathValue("conversation"), ID: id, Activity: act})
	answer(w, map[string]string{"id": id})
}

func (s *Server) record(x Sent) {
	s.sent = append(s.sent, x)
	close(s.changed)
	s.changed = make(chan struct{})
}

// read reads an activity of the bot and refuses forms the Connector has no use
// for: zero times, a conversation other than the path's, no text and no card.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (Activity, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	var act Activity
	wrong := ""
	switch {
	case err != nil || json.Unmarshal(body, &act) != nil:
		wrong = "the body is no activity"
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		wrong = "the Content-Type is not JSON"
	case act["type"] != "message":
		wrong = "the type is not message"
	case strings.Contains(string(body), "0001-01-01"):
		wrong = "it holds a time of the year 1"
	case act["suggestedActions"] != nil || act["relatesTo"] != nil || act["expiration"] != nil:
		wrong = "it holds empty members"
	}
	if c, ok := act["conversation"].(map[string]any); wrong == "" && ok && c["id"] != r.PathValue("conversation") {
		wrong = "its conversation is not the one in the path"
	}
	if reply, ok := act["replyToId"]; wrong == "" && ok && r.Method == http.MethodPost && reply != r.PathValue("activity") {
		wrong = "its replyToId is not the one in the path"
	}
	if from, ok := act["from"].(map[string]any); wrong == "" && ok && from["id"] != s.Bot().ID {
		wrong = "it is not from the bot"
	}
	text, _ := act["text"].(string)
	attachments, _ := act["attachments"].([]any)
	if wrong == "" && text == "" && len(attachments) == 0 {
		wrong = "it says nothing"
	}
	if len(body) > 100<<10 {
		s.problem("%s: %d bytes", r.URL.Path, len(body))
		fail(w, http.StatusRequestEntityTooLarge, "MessageSizeTooBig")
		return nil, false
	}
	if wrong != "" {
		s.problem("%s %s: %s", r.Method, r.URL.Path, wrong)
		fail(w, http.StatusBadRequest, "BadSyntax")
		return nil, false
	}
	return act, true
}

// member tells who somebody in a conversation is.
func (s *Server) member(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := r.PathValue("conversation")
	_, there := s.chats[base(place)]
	for _, c := range s.chats {
		there = there || c.Team == place // of a team, by the team's own ID
	}
	if s.gone(place) {
		fail(w, http.StatusForbidden, "BotNotInConversationRoster")
		return
	}
	p, ok := s.people[r.PathValue("member")]
	if !ok { // of a team also by what the tenant calls them
		p, ok = s.named(place, r.PathValue("member"))
	}
	if !there || !ok {
		fail(w, http.StatusNotFound, "MemberNotFoundInConversation")
		return
	}
	answer(w, s.account(p))
}

// account is a TeamsChannelAccount.
func (s *Server) account(p Person) map[string]any {
	given, surname, _ := strings.Cut(p.Name, " ")
	role := p.Role
	if role == "" {
		role = "user"
	}
	upn := p.UPN
	if upn == "" {
		upn = p.Email
	}
	return map[string]any{"id": p.ID, "name": p.Name, "givenName": given, "surname": surname, "objectId": p.AAD, "aadObjectId": p.AAD,
		"email": p.Email, "userPrincipalName": upn, "tenantId": s.Tenant, "userRole": role}
}

// Blocked takes the bot out of a conversation: it may not write there any more.
func (s *Server) Blocked(c Conversation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chats[c.ID].blocked = true
}

// file is one on the drive, or a picture in a message.
type file struct {
	name, contentType string
	data              []byte
	until             time.Time
}

// Upload is an upload session the bot was given.
type Upload struct {
	Name string
	Data []byte // nil until it came
}

// download gives a file: with a token for pictures, by its secret and short-lived
// address for files.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f, ok := s.files[r.PathValue("file")]
	s.mu.Unlock()
	picture := strings.HasPrefix(r.URL.Path, "/emea/")
	switch {
	case !ok || !picture && s.now().After(f.until):
		http.Error(w, "gone", http.StatusNotFound)
		return
	case !picture && r.Header.Get("Authorization") != "":
		s.problem("the bot's token was sent to the drive")
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Write(f.data)
}

// upload takes a file of the bot, in one piece.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.uploads[r.PathValue("session")]
	want := fmt.Sprintf("bytes 0-%d/%d", len(data)-1, len(data))
	switch {
	case err != nil || !ok || u.Data != nil:
		http.Error(w, "no such session", http.StatusNotFound)
	case r.Header.Get("Content-Range") != want || r.ContentLength != int64(len(data)) || len(data) == 0:
		s.problems = append(s.problems, "upload: Content-Range "+r.Header.Get("Content-Range")+", want "+want)
		http.Error(w, "range", http.StatusRequestedRangeNotSatisfiable)
	case r.Header.Get("Authorization") != "":
		s.problems = append(s.problems, "the bot's token was sent to the drive")
		http.Error(w, "token", http.StatusUnauthorized)
	default:
		u.Data = data
		w.WriteHeader(http.StatusCreated)
	}
}

// Uploads lists the upload sessions the bot was given.
func (s *Server) Uploads() []Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Upload
	for _, u := range s.uploads {
		out = append(out, *u)
	}
	return out
}
