package api_test

import (
	"slices"
	"strings"
	"testing"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// A comment that began a conversation is repeated after it was delivered, when
// the ticket's conversation is where the comment went: it is the same request.
func TestRepeatOfACommentThatBeganAConversation(t *testing.T) {
	h := newHouse(t, func(o *api.Options) {
		o.Starts = func(source string) []string { return map[string][]string{"mail": {"email"}}[source] }
	})
	id := h.ticket(map[string]any{"title": "x", "requester": map[string]any{"email": "ada@example.com"}})
	post := func(body string) answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", body, "Idempotency-Key", "k")
	}
	const body = `{"content":"hello","isPublic":true,"via":"mail"}`
	a := post(body).want(t, 201)
	proof := desk.Proof{ExternalID: "<9@house.example>", At: h.clock(), Begun: &desk.Begun{Thread: desk.Thread{Key: "<9@house.example>"}}}
	if err := h.store.Delivered(t.Context(), desk.MessageID(a.str("id")), proof); err != nil {
		t.Fatal(err)
	}
	if b := post(body).want(t, 201); b.str("id") != a.str("id") || b.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", b.raw)
	}
	post(`{"content":"hello","isPublic":true}`).want(t, 422)
	h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/comments/"+a.str("id"), `{"content":"good day"}`).want(t, 200)
	post(body).want(t, 201)
	post(`{"content":"something else","isPublic":true,"via":"mail"}`).want(t, 422)
}

// The same key with another status is another request, whatever is said with it,
// and so is one to another path.
func TestStatusIdempotency(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	set := func(key, body string) answer {
		return h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/status", body, "Idempotency-Key", key)
	}
	reused := func(a answer) {
		t.Helper()
		if a.want(t, 422); a.fields()[0] != "Idempotency-Key" {
			t.Errorf("%s", a.raw)
		}
	}
	set("said", `{"status":"PENDING","comment":"x"}`).want(t, 200)
	reused(set("said", `{"status":"RESOLVED","comment":"x"}`))
	reused(set("said", `{"status":"PENDING"}`))
	reused(h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"x"}`, "Idempotency-Key", "said"))

	// Without a comment too: a late repeat does not close what was opened again.
	set("mute", `{"status":"RESOLVED"}`).want(t, 200)
	set("other", `{"status":"OPEN"}`).want(t, 200)
	if a := set("mute", `{"status":"RESOLVED"}`).want(t, 200); a.Header.Get("Idempotency-Replayed") != "true" || a.str("status") != "OPEN" || a.Header.Get("ETag") == "" {
		t.Errorf("%s", a.raw)
	}
	reused(set("mute", `{"status":"CLOSED"}`))
	if a := set("mute too", `{"status":"RESOLVED"}`).want(t, 200); a.Header.Get("Idempotency-Replayed") != "" || a.str("status") != "RESOLVED" {
		t.Errorf("%s", a.raw)
	}
	// Nor does one that found the status set already.
	set("too late", `{"status":"RESOLVED"}`).want(t, 200)
	set("once more", `{"status":"OPEN"}`).want(t, 200)
	if a := set("too late", `{"status":"RESOLVED"}`).want(t, 200); a.Header.Get("Idempotency-Replayed") != "true" || a.str("status") != "OPEN" {
		t.Errorf("%s", a.raw)
	}
	h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/status", `{"status":"OPEN"}`, "Idempotency-Key", "stale", "If-Match", `"1"`).want(t, 409)
}

// What is empty once it is clean says nothing.
func TestCommentOfNothingButNUL(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	a := h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"\u0000 ","isPublic":true}`).want(t, 422)
	if !strings.Contains(a.str("detail"), "content: is required") {
		t.Errorf("%s", a.raw)
	}
	h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/status", `{"status":"OPEN","comment":"\u0000","isPublic":true}`).want(t, 200)
	if ms := items(h.get("/v1/tickets/" + id + "/comments")); len(ms) != 1 {
		t.Errorf("%d messages", len(ms))
	}
	if l := h.get("/v1/tickets/" + id); l.str("tracking", "firstResponseAt") != "" {
		t.Errorf("nothing counts as a response: %s", l.raw)
	}
}

// A create that took effect is answered with its ticket when it comes again, also
// when what it names is known no more: it asks for nothing new.
func TestACreateIsRepeatedWhenItsNamesAreGone(t *testing.T) {
	h := newHouse(t)
	h.ticket(`{"title":"first","customerId":"cust-1"}`)
	post := func(key string) answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets", `{"title":"x","customerId":"cust-1","teamId":"billing","agentId":"ann"}`, "Idempotency-Key", key)
	}
	made := post("k").want(t, 201)
	h.do(desk.RoleAdmin, "PATCH", "/v1/customers/cust-1", `{"externalId":"cust-2"}`).want(t, 200)
	h.policy.Agents, h.policy.Teams = nil, nil
	if again := post("k").want(t, 201); again.str("uid") != made.str("uid") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", again.raw)
	}
	if f := post("other").want(t, 422).fields(); len(f) != 3 {
		t.Errorf("a new request names %v", f)
	}
}

// So is a comment or a status whose source, identity or status a reload took away.
func TestACommentIsRepeatedWhenWhatItNamesIsGone(t *testing.T) {
	kinds := []string{"email"}
	h := newHouse(t, func(o *api.Options) { o.Starts = func(string) []string { return kinds } })
	id := h.ticket(map[string]any{"title": "x", "requester": map[string]any{"email": "ada@example.com"}})
	say := func(key, content string) answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"`+content+`","isPublic":true,"via":"mail"}`, "Idempotency-Key", key)
	}
	set := func(key string) answer {
		return h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/status", `{"status":"ON_HOLD"}`, "Idempotency-Key", key)
	}
	said := say("k", "hello").want(t, 201)
	set("s").want(t, 200)
	kinds = nil
	h.policy.Statuses = slices.DeleteFunc(slices.Clone(h.policy.Statuses), func(s desk.StatusDef) bool { return s.Name == "ON_HOLD" })
	if again := say("k", "hello").want(t, 201); again.str("id") != said.str("id") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", again.raw)
	}
	if again := set("s").want(t, 200); again.str("status") != "ON_HOLD" || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", again.raw)
	}
	if f := say("k", "another").want(t, 422).fields(); len(f) != 1 || f[0] != "Idempotency-Key" {
		t.Errorf("another body names %v", f)
	}
	if f := say("other", "hello").want(t, 422).fields(); len(f) != 1 || f[0] != "via" {
		t.Errorf("a new comment names %v", f)
	}
	set("other").want(t, 422)
}
