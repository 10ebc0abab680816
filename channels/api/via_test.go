package api_test

import (
	"strings"
	"testing"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// TestVia: by which source a comment goes out, and why not.
func TestVia(t *testing.T) {
	h := newHouse(t, func(o *api.Options) {
		o.Starts = func(source string) []string {
			return map[string][]string{"mail": {"email"}, "bot": {"ms_teams", "email"}}[source]
		}
	})
	h.policy.Sources["bot"] = desk.Source{Name: "bot", Channel: desk.MSTeams}
	h.policy.Sources["site"] = desk.Source{Name: "site", Channel: desk.WebForm}
	nobody := h.ticket(map[string]any{"title": "From a program"})
	mailed := h.ticket(map[string]any{"title": "Broken lamp", "requester": map[string]any{"email": "Ada@example.com", "name": "Ada"}})
	bare := h.ticket(map[string]any{"title": "x", "customerId": "cust-1"})
	say := func(ticket string, body map[string]any, headers ...string) answer {
		t.Helper()
		if body["content"] == nil {
			body["content"] = "hello"
		}
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+ticket+"/comments", body, headers...)
	}
	for name, c := range map[string]struct {
		ticket string
		body   map[string]any
		says   string
	}{
		"unknown source":   {mailed, map[string]any{"via": "nowhere", "isPublic": true}, "can begin a conversation: bot, mail"},
		"a form":           {mailed, map[string]any{"via": "site", "isPublic": true}, "can begin a conversation: bot, mail"},
		"an internal note": {mailed, map[string]any{"via": "mail"}, "needs isPublic"},
		"no customer":      {nobody, map[string]any{"via": "mail", "isPublic": true}, "no customer"},
		"no identity":      {bare, map[string]any{"via": "bot", "isPublic": true}, "ms_teams or email"},
	} {
		a := say(c.ticket, c.body).want(t, 422)
		if f := a.fields(); len(f) != 1 || f[0] != "via" || !strings.Contains(string(a.raw), c.says) {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	a := say(mailed, map[string]any{"via": "bot", "isPublic": true}, "Idempotency-Key", "k").want(t, 201)
	if a.str("via") != "bot" || a.str("sendState") != "queued" {
		t.Errorf("%s", a.raw)
	}
	m, err := h.store.Message(t.Context(), desk.MessageID(a.str("id")))
	if err != nil || m.Scope != "MS_TEAMS" || m.Via == nil || m.Via.To != (desk.Party{Name: "Ada", Handle: "ada@example.com"}) || m.Subject != "" {
		t.Fatalf("%+v, %v", m, err)
	}
	if again := say(mailed, map[string]any{"via": "bot", "isPublic": true}, "Idempotency-Key", "k").want(t, 201); again.str("id") != a.str("id") {
		t.Error("the same request made another comment")
	}
	say(mailed, map[string]any{"via": "mail", "isPublic": true}, "Idempotency-Key", "k").want(t, 422)
	a = say(mailed, map[string]any{"via": "mail", "isPublic": true}).want(t, 201)
	if m, err = h.store.Message(t.Context(), desk.MessageID(a.str("id"))); err != nil || m.Subject != "Broken lamp" {
		t.Errorf("%+v, %v", m, err)
	}
	// A source that may not be named at all is refused without a list.
	plain := newHouse(t)
	id := plain.ticket(map[string]any{"title": "x"})
	b := plain.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", map[string]any{"content": "x", "isPublic": true, "via": "mail"}).want(t, 422)
	if !strings.Contains(string(b.raw), "none of the configured sources") {
		t.Errorf("%s", b.raw)
	}
}
