package api_test

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
	"switchboard/store"
)

func TestComments(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	post := func(role desk.Role, body string, headers ...string) answer {
		return h.do(role, "POST", "/v1/tickets/"+id+"/comments", body, headers...)
	}
	note := post(desk.RoleAgent, `{"content":"Looks like the token store."}`).want(t, 201)
	if note.json["isPublic"] != false || note.str("direction") != "INTERNAL" || note.json["sendState"] != nil || note.str("author", "kind") != "AGENT" || note.str("ticketId") != id {
		t.Errorf("%s", note.raw)
	}
	if tr := h.get("/v1/tickets/" + id).json["tracking"].(map[string]any); tr["firstResponseAt"] != nil {
		t.Error("a note counts as a response")
	}
	if by := post(desk.RoleIntegration, `{"content":"from a program","isPublic":true}`).want(t, 201); by.str("author", "kind") != "API" {
		t.Errorf("%s", by.raw)
	}
	h.pass(time.Hour)
	said := post(desk.RoleAgent, `{"content":"Investigating the login issue...","isPublic":true,"mentions":["user-789","user-789","bob"]}`).want(t, 201)
	if said.str("direction") != "OUTBOUND" || !reflect.DeepEqual(said.json["mentions"], []any{"user-789", "bob"}) {
		t.Errorf("%s", said.raw)
	}
	ticket := h.get("/v1/tickets/" + id)
	if ticket.str("tracking", "firstResponseAt") != "2026-03-02T10:00:00Z" || ticket.str("status") != "OPEN" || ticket.str("tracking", "firstResponse", "state") != "MET" {
		t.Errorf("%s", ticket.raw)
	}
	var kinds []any
	for _, e := range items(h.get("/v1/tickets/" + id + "/events")) {
		kinds = append(kinds, e["kind"])
	}
	if n := len(slices.DeleteFunc(slices.Clone(kinds), func(k any) bool { return k != desk.EventMentioned })); n != 2 {
		t.Errorf("%d mentions in %v", n, kinds)
	}

	all := items(h.get("/v1/tickets/" + id + "/comments"))
	public := items(h.get("/v1/tickets/" + id + "/comments?isPublic=true"))
	if len(all) != 4 || len(public) != 3 || all[0]["direction"] != "INBOUND" || all[0]["content"] != "Customer reported login issues on mobile app" {
		t.Errorf("%v\n%v", all, public)
	}
	one := h.get("/v1/tickets/" + id + "/comments?limit=3")
	two := h.get("/v1/tickets/" + id + "/comments?limit=3&cursor=" + one.str("nextCursor"))
	if len(items(one)) != 3 || len(items(two)) != 1 || two.json["nextCursor"] != nil || items(two)[0]["id"] != all[3]["id"] {
		t.Errorf("%s\n%s", one.raw, two.raw)
	}

	for body, field := range map[string]string{`{}`: "content", `{"content":"  "}`: "content", `{"content":5}`: "content", `{"content":"x","isPublic":"yes"}`: "isPublic",
		`{"content":"x","mentions":"bob"}`: "mentions", `{"content":"x","author":"me"}`: "author", `{"content":null}`: "content"} {
		if got := post(desk.RoleAgent, body).want(t, 422).fields(); !slices.Contains(got, field) {
			t.Errorf("%s names %v", body, got)
		}
	}
	post(desk.RoleReader, `{"content":"x"}`).want(t, 403)
}

func TestCommentIdempotency(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	post := func(body string) answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", body, "Idempotency-Key", "c1")
	}
	a := post(`{"content":"once","isPublic":true}`).want(t, 201)
	b := post(`{"content":"once","isPublic":true}`).want(t, 201)
	if a.str("id") != b.str("id") || b.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s\n%s", a.raw, b.raw)
	}
	post(`{"content":"twice","isPublic":true}`).want(t, 422)
	post(`{"content":"once"}`).want(t, 422)
	if ms := items(h.get("/v1/tickets/" + id + "/comments")); len(ms) != 2 {
		t.Errorf("%v", ms)
	}
}

func TestPublicCommentIsQueuedWhereTheSourceSends(t *testing.T) {
	h := newHouse(t)
	now := h.clock()
	d := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: "<1@x.example>", Fingerprint: "f", From: desk.Party{Handle: "sam@x.example"},
		Subject: "Help", Text: "Please", ReceivedAt: now, Thread: desk.Thread{Key: "<1@x.example>", Address: []byte(`{"to":"sam@x.example"}`)}}
	r, err := h.intake.FileNow(t.Context(), d)
	if err != nil || r.TicketID == "" {
		t.Fatal(r, err)
	}
	path := "/v1/tickets/" + string(r.TicketID) + "/comments"
	if a := h.do(desk.RoleAgent, "POST", path, `{"content":"Hello","isPublic":true}`).want(t, 201); a.str("sendState") != "queued" {
		t.Errorf("%s", a.raw)
	}
	if a := h.do(desk.RoleAgent, "POST", path, `{"content":"Inside"}`).want(t, 201); a.json["sendState"] != nil {
		t.Errorf("%s", a.raw)
	}
}

func TestLinks(t *testing.T) {
	h := newHouse(t)
	a, b, c := h.ticket(`{"title":"a"}`), h.ticket(`{"title":"b"}`), h.ticket(`{"title":"c"}`)
	link := func(from, body string) answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+from+"/links", body)
	}
	if l := link(a, `{"ticketId":"`+b+`","type":"blocks"}`).want(t, 201); l.str("type") != "BLOCKS" || l.str("ticketId") != b {
		t.Errorf("%s", l.raw)
	}
	link(a, `{"ticketId":"`+b+`","type":"BLOCKS"}`).want(t, 409)
	link(b, `{"ticketId":"`+a+`","type":"blocked_by"}`).want(t, 409)
	if l := link(c, `{"ticketId":"`+a+`","type":"child"}`).want(t, 201); l.str("type") != "CHILD" {
		t.Errorf("%s", l.raw)
	}
	link(c, `{"ticketId":"`+a+`","type":"PARENT"}`).want(t, 422)
	link(a, `{"ticketId":"2"}`).want(t, 201)
	for body, field := range map[string]string{`{"ticketId":"` + a + `"}`: "ticketId", `{"ticketId":"99999"}`: "ticketId", `{}`: "ticketId",
		`{"ticketId":"` + b + `","type":"LIKES"}`: "type", `{"ticketId":"../x"}`: "ticketId", `{"ticketId":7}`: "ticketId"} {
		if got := link(a, body).want(t, 422).fields(); !slices.Contains(got, field) {
			t.Errorf("%s names %v", body, got)
		}
	}
	seen := map[string]string{}
	for _, l := range items(h.get("/v1/tickets/" + b + "/links")) {
		seen[l["type"].(string)] = l["ticketId"].(string)
	}
	if seen["BLOCKED_BY"] != a || len(seen) != 2 {
		t.Errorf("%v", seen)
	}
	if got := h.get("/v1/tickets/" + a).json["links"].([]any); len(got) != 3 {
		t.Errorf("%v", got)
	}
	var linked int
	for _, e := range items(h.get("/v1/tickets/" + c + "/events")) {
		if e["kind"] == desk.EventLinked {
			linked++
		}
	}
	if linked != 1 {
		t.Errorf("%d link events", linked)
	}
}

// TestCommentIsNotSentTwice repeats a comment after it was delivered: by then
// its external ID is the channel's.
func TestCommentIsNotSentTwice(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	post := func() answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"once","isPublic":true}`, "Idempotency-Key", "c1")
	}
	a := post().want(t, 201)
	if err := h.store.Delivered(t.Context(), desk.MessageID(a.str("id")), desk.Proof{ExternalID: "<9@house.example>", At: h.clock()}); err != nil {
		t.Fatal(err)
	}
	for i := range 250 { // past one page of history
		h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id, `{"escalationLevel":`+string(rune('1'+i%2))+`}`).want(t, 200)
	}
	if b := post().want(t, 201); b.str("id") != a.str("id") || b.Header.Get("Idempotency-Replayed") != "true" || b.str("sendState") != "sent" {
		t.Errorf("%s", b.raw)
	}
	set := func() answer {
		return h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/status", `{"status":"RESOLVED","comment":"done"}`, "Idempotency-Key", "s1")
	}
	set().want(t, 200)
	if c := set().want(t, 200); c.Header.Get("Idempotency-Replayed") != "true" || c.str("status") != "RESOLVED" {
		t.Errorf("%s", c.raw)
	}
	if ms := items(h.get("/v1/tickets/" + id + "/comments")); len(ms) != 3 {
		t.Errorf("%d messages", len(ms))
	}
}

// overtaken are books in which something comes between a request's look and its
// writing.
type overtaken struct {
	*store.Store
	between func()
}

func (o *overtaken) AddMessage(ctx context.Context, m *desk.Message, fn func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, *desk.Message, error) {
	if between := o.between; between != nil {
		o.between = nil
		between()
	}
	return o.Store.AddMessage(ctx, m, fn)
}

// Of two requests with one key the second looks before the first is there, and
// adds when the first was delivered: it is told of the first, and only what the
// first said goes out.
func TestCommentIsNotSentTwiceWhenItWasDeliveredMeanwhile(t *testing.T) {
	var books *overtaken
	h := newHouse(t, func(o *api.Options) {
		books = &overtaken{Store: o.Books.(*store.Store)}
		o.Books = books
	})
	id := h.ticket(sample)
	post := func() answer {
		return h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"once","isPublic":true,"mentions":["bob"]}`, "Idempotency-Key", "c1")
	}
	var a answer
	books.between = func() {
		a = post().want(t, 201)
		if err := h.store.Delivered(t.Context(), desk.MessageID(a.str("id")), desk.Proof{ExternalID: "<9@house.example>", At: h.clock()}); err != nil {
			t.Fatal(err)
		}
	}
	if b := post().want(t, 201); b.str("id") != a.str("id") || b.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", b.raw)
	}
	books.between = func() { // something else is said
		h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"another"}`).want(t, 201)
	}
	if c := h.do(desk.RoleAgent, "POST", "/v1/tickets/"+id+"/comments", `{"content":"mine"}`, "Idempotency-Key", "c2").want(t, 201); c.Header.Get("Idempotency-Replayed") == "true" {
		t.Errorf("%s", c.raw)
	}
	if ms := items(h.get("/v1/tickets/" + id + "/comments")); len(ms) != 4 {
		t.Errorf("%d messages", len(ms))
	}
}
