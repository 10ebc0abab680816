package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

// helpDesks are chat sources of services that answer by their own API.
const helpDesks = `
  - name: crisp
    channel: chat
    chat:
      preset: crisp
      signature: { scheme: token, header: X-Key, secret: "${DESK_KEY}" }
      send: { url: "${DESK_CRISP}", user: crisp-identifier, token: "${DESK_CRISP_KEY}" }
  - name: chatwoot
    channel: chat
    chat:
      preset: chatwoot
      signature: { secret: "${DESK_KEY}" }
      send: { via: chatwoot, url: "${DESK_CHATWOOT}", token: "${DESK_CHATWOOT_TOKEN}" }
  - name: intercom
    channel: chat
    chat:
      preset: intercom
      signature: { secret: "${DESK_KEY}" }
      send: { url: "${DESK_INTERCOM}", token: "${DESK_INTERCOM_TOKEN}", sender: "991267" }
`

// TestHelpDesksFollow: a comment of ours that was edited or deleted is changed
// at Crisp, and taken back at Crisp, Chatwoot and Intercom; where the words
// cannot be changed the ticket says so.
func TestHelpDesksFollow(t *testing.T) {
	for _, door := range []struct {
		name, hook, answer, edited string
		body                       map[string]any
	}{
		{"crisp", "/hooks/chat/crisp", "We are *on it*", "We are *done*", map[string]any{"website_id": fakechat.CrispWebsite, "event": "message:send", "timestamp": time.Now().UnixMilli(),
			"data": map[string]any{"type": "text", "from": "user", "content": "The lamp is broken", "session_id": "session_7", "website_id": fakechat.CrispWebsite,
				"fingerprint": 163240180126629, "timestamp": time.Now().UnixMilli(), "user": map[string]any{"user_id": "session_7", "nickname": "Ivy"}}}},
		{"chatwoot", "/hooks/chat/chatwoot?token=desk-key", "We are **on it**", "", map[string]any{"event": "message_created", "id": 31, "content": "The lamp is broken",
			"message_type": "incoming", "created_at": time.Now().Format(time.RFC3339), "private": false, "account": map[string]any{"id": 1},
			"conversation": map[string]any{"id": 8}, "sender": map[string]any{"id": 5, "name": "Ivy"}}},
		{"intercom", "/hooks/chat/intercom", "<p>We are <strong>on it</strong></p>", "", map[string]any{"type": "notification_event", "topic": "conversation.user.created", "created_at": time.Now().Unix(),
			"data": map[string]any{"item": map[string]any{"type": "conversation", "id": "147", "source": map[string]any{"id": "1", "body": "<p>The lamp is broken</p>",
				"author": map[string]any{"type": "user", "id": "u5", "name": "Ivy"}}}}}},
	} {
		t.Run(door.name, func(t *testing.T) {
			s := openHelpDesks(t)
			s.toHelpDesk(door.hook, door.body)
			s.filed(1)
			ticket := s.only()
			id := s.comment(ticket, "We are **on it**", true)
			s.comment(ticket, "never to be seen outside", false)
			s.sent(id)
			stands := s.chat.Sent()
			if ticket.Source != door.name || len(stands) != 1 || strings.TrimSpace(stands[0].Text) != door.answer {
				t.Fatalf("a ticket of %s, and the customer sees %+v", ticket.Source, stands)
			}
			path := "/v1/tickets/" + string(ticket.ID) + "/comments/" + string(id)
			s.ask(s.key, "PATCH", path, `{"content":"We are **done**"}`).want(t, 200)
			s.until(func() string {
				m, err := s.store.Message(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				now := s.chat.Sent()[0]
				if door.edited != "" && now.Text == door.edited || door.edited == "" && strings.Contains(m.SendError, "lets nobody change what was sent") {
					return ""
				}
				return fmt.Sprintf("our edit did not follow: %+v, %q", now, m.SendError)
			})
			if door.edited == "" {
				events, err := s.store.Events(t.Context(), ticket.ID, 0, desk.MaxPage)
				if last := events[len(events)-1]; err != nil || last.Kind != desk.EventCommentFailed || last.Data["what"] != "edit" {
					t.Errorf("the ticket says %+v, %v", last, err)
				}
			}
			s.ask(s.key, "DELETE", path, "").want(t, 204)
			s.until(func() string {
				if s.chat.Sent()[0].Removed {
					return ""
				}
				m, _ := s.store.Message(t.Context(), id)
				return fmt.Sprintf("our delete did not follow: %+v", m)
			})
			if now := s.chat.Sent(); len(now) != 1 {
				t.Errorf("the customer sees %+v", now)
			}
		})
	}
}

func openHelpDesks(t *testing.T) *street {
	t.Helper()
	secrets := []string{"DESK_KEY", "desk-key", "DESK_CRISP_KEY", fakechat.CrispKey, "DESK_CHATWOOT_TOKEN", fakechat.ChatwootToken,
		"DESK_INTERCOM_TOKEN", fakechat.IntercomToken}
	chat, err := fakechat.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chat.Close)
	secrets = append(secrets, "DESK_CRISP", chat.CrispURL(), "DESK_CHATWOOT", chat.ChatwootURL(), "DESK_INTERCOM", chat.IntercomURL())
	s := openStreetOn(t, string(demoConfig)+helpDesks, secrets...)
	s.chat.Close()
	s.chat = chat
	s.run()
	return s
}

// toHelpDesk calls a hook as the service does.
func (s *street) toHelpDesk(hook string, body any) {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), scriptPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+hook, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	mac := hmac.New(sha1.New, []byte("desk-key"))
	mac.Write(b)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Key", "desk-key")
	req.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the hook answered %s", resp.Status)
	}
}
