package faketeams

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Installed adds the app: for a person in the chat with them, or to a team. It
// returns what Teams tells the bot, in its order.
func (s *Server) Installed(c Conversation, by Person) []Activity {
	s.mu.Lock()
	who := by.ID
	if c.Team != "" {
		who = c.Team
		s.join(c.Team, by)
	}
	s.installed[who] = true
	s.chats[c.ID].blocked = false
	s.mu.Unlock()
	added := s.Members(c, by, "membersAdded", s.Bot())
	a := s.event("installationUpdate", c, by)
	a["action"] = "add"
	return []Activity{added, a}
}

// Uninstalled takes the app away again.
func (s *Server) Uninstalled(c Conversation, by Person) []Activity {
	s.mu.Lock()
	who := by.ID
	if c.Team != "" {
		who = c.Team
	}
	s.installed[who] = false
	s.chats[c.ID].blocked = true
	s.mu.Unlock()
	removed := s.Members(c, by, "membersRemoved", s.Bot())
	a := s.event("installationUpdate", c, by)
	a["action"] = "remove"
	return []Activity{removed, a}
}

// Members is the event of somebody added to or removed from a conversation: what
// is membersAdded or membersRemoved.
func (s *Server) Members(c Conversation, by Person, what string, who ...Person) Activity {
	a := s.event("conversationUpdate", c, by)
	var list []any
	for _, p := range who {
		m := map[string]any{"id": p.ID}
		if p.AAD != "" {
			m["aadObjectId"] = p.AAD
		}
		list = append(list, m)
	}
	a[what] = list
	if c.Team != "" {
		data, _ := a["channelData"].(map[string]any)
		data["eventType"] = map[string]string{"membersAdded": "teamMemberAdded", "membersRemoved": "teamMemberRemoved"}[what]
	}
	return a
}

// Team makes people members of a channel's team, without a word to the bot.
func (s *Server) Team(c Conversation, people ...Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range people {
		s.join(c.Team, p)
	}
}

// join is called under the lock.
func (s *Server) join(team string, p Person) {
	if !slices.Contains(s.rosters[team], p.ID) {
		s.rosters[team] = append(s.rosters[team], p.ID)
	}
}

// gone reports whether the app was taken out of a team.
func (s *Server) gone(team string) bool {
	has, known := s.installed[team]
	return known && !has
}

// named finds a member of a team by object ID or user name.
func (s *Server) named(team, name string) (Person, bool) {
	for _, id := range s.rosters[team] {
		p := s.people[id]
		upn := p.UPN
		if upn == "" {
			upn = p.Email
		}
		if p.AAD == name || strings.EqualFold(upn, name) {
			return p, true
		}
	}
	return Person{}, false
}

// roster gives the members of a team, a page at a time.
func (s *Server) roster(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	team := r.PathValue("conversation")
	list, ok := s.rosters[team]
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "ConversationNotFound")
		return
	case s.gone(team):
		fail(w, http.StatusForbidden, "BotNotInConversationRoster")
		return
	}
	size, err := strconv.Atoi(r.URL.Query().Get("pageSize"))
	if err != nil {
		size = 200
	}
	size = min(max(size, 50), 500)
	from := 0
	if token := r.URL.Query().Get("continuationToken"); token != "" {
		if _, err := fmt.Sscanf(token, "page %d", &from); err != nil || from > len(list) {
			fail(w, http.StatusBadRequest, "BadArgument")
			return
		}
	}
	var members []any
	for _, id := range list[from:min(from+size, len(list))] {
		members = append(members, s.account(s.people[id]))
	}
	out := map[string]any{"members": members}
	if from+size < len(list) {
		out["continuationToken"] = fmt.Sprintf("page %d", from+size)
	}
	answer(w, out)
}

// create opens the chat with one person, which is always the same. It refuses
// what the Connector refuses: another number of members than one, a group, a
// tenant that is not the person's, a bot that is not the token's, and somebody
// who has the app neither themselves nor in a team.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Bot         *struct{ ID string } `json:"bot"`
		Members     []struct{ ID string }
		IsGroup     bool   `json:"isGroup"`
		TenantID    string `json:"tenantId"`
		Activity    any    `json:"activity"`
		ChannelData struct {
			Tenant *struct{ ID string } `json:"tenant"`
		} `json:"channelData"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	wrong := ""
	switch {
	case err != nil || json.Unmarshal(body, &in) != nil:
		wrong = "the body is no ConversationParameters"
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		wrong = "the Content-Type is not JSON"
	case in.IsGroup:
		wrong = "a bot opens no group"
	case len(in.Members) != 1 || !strings.HasPrefix(in.Members[0].ID, "29:"):
		wrong = "members is not one user"
	case in.TenantID == "" || in.ChannelData.Tenant != nil && in.ChannelData.Tenant.ID != in.TenantID:
		wrong = "tenantId is missing, or not channelData's"
	case in.Bot != nil && in.Bot.ID != s.Bot().ID:
		wrong = "bot is not the bot whose token it is"
	}
	if wrong != "" {
		s.problem("%s %s: %s", r.Method, r.URL.Path, wrong)
		fail(w, http.StatusBadRequest, "BadSyntax")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.people[in.Members[0].ID]
	switch {
	case !ok || in.TenantID != s.Tenant:
		fail(w, http.StatusForbidden, "UserNotFoundInTenant")
		return
	case !s.reachable(p):
		fail(w, http.StatusForbidden, "BotNotInConversationRoster")
		return
	}
	c := Conversation{ID: "a:1" + p.AAD, Type: "personal"}
	if _, ok := s.chats[c.ID]; !ok {
		s.chats[c.ID] = &chat{Conversation: c, activities: map[string]bool{}}
	}
	if !s.installed[p.ID] { // who has the app and blocked the bot still does
		s.chats[c.ID].blocked = false
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]string{"id": c.ID})
}

// reachable reports whether a person has the app, or is in a team that has it.
func (s *Server) reachable(p Person) bool {
	if s.installed[p.ID] {
		return true
	}
	for team, members := range s.rosters {
		if s.installed[team] && slices.Contains(members, p.ID) {
			return true
		}
	}
	return false
}
