package fakechat

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// The help desks among the services, each strict about its method, its
// authorization and its IDs: Crisp's REST API, Chatwoot's application API and
// Intercom's.
const (
	CrispUser     = "crisp-identifier"
	CrispKey      = "crisp-key"
	CrispWebsite  = "8c842203-7ed8-4e29-a608-7cf78a7d2fcc"
	ChatwootToken = "chatwoot-token"
	IntercomToken = "intercom-token"
	IntercomAdmin = "991267"
)

// CrispURL is the address of Crisp's REST API.
func (f *Fake) CrispURL() string { return f.base + "/crisp" }

// ChatwootURL is the address of Chatwoot.
func (f *Fake) ChatwootURL() string { return f.base + "/chatwoot" }

// IntercomURL is the address of Intercom.
func (f *Fake) IntercomURL() string { return f.base + "/intercom" }

func (f *Fake) desks(mux *http.ServeMux) {
	const crisp = "/crisp/website/{website}/conversation/{session}/message"
	mux.HandleFunc("POST "+crisp, f.failing(f.crisp))
	mux.HandleFunc("PATCH "+crisp+"/{id}", f.failing(f.crisp))
	mux.HandleFunc("DELETE "+crisp+"/{id}", f.failing(f.crisp))
	const woot = "/chatwoot/api/v1/accounts/{account}/conversations/{conversation}/messages"
	mux.HandleFunc("POST "+woot, f.failing(f.chatwoot))
	mux.HandleFunc("PATCH "+woot+"/{id}", f.failing(f.chatwoot))
	mux.HandleFunc("DELETE "+woot+"/{id}", f.failing(f.chatwoot))
	mux.HandleFunc("POST /intercom/conversations/{id}/reply", f.failing(f.intercom))
	mux.HandleFunc("POST /intercom/conversations/redact", f.failing(f.redact))
	mux.HandleFunc("GET /intercom/conversations/{id}", f.conversation)
}

// ours finds a message of the desk. The lock is held.
func (f *Fake) ours(via, to, id string) *Sent {
	for i := range f.sent {
		if s := &f.sent[i]; s.Via == via && s.To == to && s.ID == id {
			return s
		}
	}
	return nil
}

func (f *Fake) crisp(w http.ResponseWriter, r *http.Request) {
	no := func(status int, reason string) {
		tell(w, status, map[string]any{"error": true, "reason": reason, "data": map[string]any{}})
	}
	user, key, _ := r.BasicAuth()
	session := r.PathValue("session")
	var in struct {
		Type, From, Origin string
		Content            any
	}
	if r.Method != http.MethodDelete && json.NewDecoder(r.Body).Decode(&in) != nil {
		no(http.StatusBadRequest, "invalid_data")
		return
	}
	text, _ := in.Content.(string)
	switch {
	case user != CrispUser || key != CrispKey:
		no(http.StatusUnauthorized, "invalid_session")
		return
	case r.Header.Get("X-Crisp-Tier") != "plugin":
		no(http.StatusForbidden, "not_allowed")
		return
	case r.PathValue("website") != CrispWebsite || !strings.HasPrefix(session, "session_"):
		no(http.StatusNotFound, "session_not_found")
		return
	case r.Method == http.MethodPost && (in.Type != "text" || in.From != "operator" || in.Origin == "" || text == ""), r.Method == http.MethodPatch && text == "":
		no(http.StatusBadRequest, "invalid_data")
		return
	case r.Method == http.MethodPost:
		s := f.took(Sent{Via: "crisp", To: session, Text: text})
		n, _ := strconv.Atoi(s.ID)
		tell(w, http.StatusAccepted, map[string]any{"error": false, "reason": "dispatched", "data": map[string]any{"fingerprint": n}})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.ours("crisp", session, r.PathValue("id"))
	switch {
	case s == nil || s.Removed:
		no(http.StatusNotFound, "message_not_found")
		return
	case r.Method == http.MethodDelete:
		s.Removed = true
	default:
		s.Text, s.Edited = text, true
	}
	tell(w, http.StatusOK, map[string]any{"error": false, "reason": "ok", "data": map[string]any{}})
}

func (f *Fake) chatwoot(w http.ResponseWriter, r *http.Request) {
	no := func(status int, why string) { tell(w, status, map[string]any{"error": why}) }
	if r.Header.Get("api_access_token") != ChatwootToken {
		no(http.StatusUnauthorized, "Invalid Access Token")
		return
	}
	conversation := r.PathValue("conversation")
	if r.Method == http.MethodPost {
		var in struct {
			Content string `json:"content"`
			Type    string `json:"message_type"`
			Private *bool  `json:"private"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Content == "" || in.Type != "outgoing" || in.Private == nil || *in.Private {
			no(http.StatusUnprocessableEntity, "Content is missing")
			return
		}
		s := f.took(Sent{Via: "chatwoot", To: conversation, Text: in.Content})
		n, _ := strconv.Atoi(s.ID)
		tell(w, http.StatusOK, map[string]any{"id": n, "content": in.Content, "message_type": 1})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.ours("chatwoot", conversation, r.PathValue("id"))
	switch {
	case s == nil || r.PathValue("account") != "1":
		no(http.StatusNotFound, "Resource could not be found")
	case r.Method == http.MethodPatch: // a state, of API inboxes alone
		no(http.StatusForbidden, "Message status update is only allowed for API inboxes")
	default: // a second time is as good as the first
		s.Removed = true
		tell(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "content": "This message was deleted", "content_attributes": map[string]any{"deleted": true}})
	}
}

func intercomNo(w http.ResponseWriter, status int, code string) {
	tell(w, status, map[string]any{"type": "error.list", "errors": []any{map[string]any{"code": code, "message": code}}})
}

func intercomMay(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Authorization") == "Bearer "+IntercomToken && r.Header.Get("Intercom-Version") != "" {
		return true
	}
	intercomNo(w, http.StatusUnauthorized, "unauthorized")
	return false
}

func (f *Fake) intercom(w http.ResponseWriter, r *http.Request) {
	if !intercomMay(w, r) {
		return
	}
	var in struct {
		Type    string `json:"type"`
		Message string `json:"message_type"`
		Admin   string `json:"admin_id"`
		Body    string `json:"body"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != "admin" || in.Message != "comment" || in.Admin != IntercomAdmin || in.Body == "" {
		intercomNo(w, http.StatusBadRequest, "parameter_invalid")
		return
	}
	f.took(Sent{Via: "intercom", To: r.PathValue("id"), Text: in.Body})
	f.conversation(w, r)
}

// conversation is a conversation with its parts.
func (f *Fake) conversation(w http.ResponseWriter, r *http.Request) {
	if !intercomMay(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []any
	for _, s := range f.sent {
		if s.Via == "intercom" && s.To == r.PathValue("id") {
			parts = append(parts, map[string]any{"type": "conversation_part", "id": s.ID, "body": s.Text, "redacted": s.Removed})
		}
	}
	tell(w, http.StatusOK, map[string]any{"type": "conversation", "id": r.PathValue("id"),
		"conversation_parts": map[string]any{"type": "conversation_part.list", "conversation_parts": parts}})
}

// redact takes the words out of a part, once.
func (f *Fake) redact(w http.ResponseWriter, r *http.Request) {
	if !intercomMay(w, r) {
		return
	}
	var in struct {
		Type         string `json:"type"`
		Conversation string `json:"conversation_id"`
		Part         string `json:"conversation_part_id"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != "conversation_part" || in.Conversation == "" || in.Part == "" {
		intercomNo(w, http.StatusBadRequest, "parameter_invalid")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch s := f.ours("intercom", in.Conversation, in.Part); {
	case s == nil:
		intercomNo(w, http.StatusNotFound, "not_found")
	case s.Removed:
		intercomNo(w, http.StatusUnprocessableEntity, "conversation_part_not_redactable")
	default:
		s.Removed = true
		tell(w, http.StatusOK, map[string]any{"type": "conversation", "id": in.Conversation})
	}
}
