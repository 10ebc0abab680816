package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

func TestUpdate(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	h.pass(time.Hour)
	patch := func(body string, headers ...string) answer {
		return h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id, body, headers...)
	}
	a := patch(`{"title":"New title","priority":"urgent","type":"bug","tags":["a","A","b"],"agentId":"ann","teamId":"billing","escalationLevel":2,
		"addHandlingTime":90,"dueDate":"2026-04-01T00:00:00Z","customFields":{"appVersion":null,"seats":5,"nested":{"x":[1,2]}}}`).want(t, 200)
	if a.str("title") != "New title" || a.str("priority") != "URGENT" || a.str("type") != "BUG" || a.str("agentId") != "ann" || a.str("teamId") != "billing" ||
		a.json["escalationLevel"] != 2.0 || a.json["handlingTime"] != 90.0 || a.str("dueDate") != "2026-04-01T00:00:00Z" || a.json["version"] != 2.0 {
		t.Errorf("%s", a.raw)
	}
	if want := map[string]any{"impactedSystem": "Mobile Authentication", "deviceType": "iOS", "seats": 5.0, "nested": map[string]any{"x": []any{1.0, 2.0}}}; !reflect.DeepEqual(a.json["customFields"], want) {
		t.Errorf("customFields %v", a.json["customFields"])
	}
	if !reflect.DeepEqual(a.json["tags"], []any{"a", "b"}) {
		t.Errorf("tags %v", a.json["tags"])
	}
	if by := a.str("assignedBy", "agent"); !strings.Contains(by, "the agent") {
		t.Errorf("assigned by %q", by)
	}
	if !reflect.DeepEqual(h.get("/v1/tickets/"+id).json, a.json) {
		t.Error("patch and get differ")
	}
	patch(`{"version":1,"title":"late"}`).want(t, 409)
	patch(`{"title":"late"}`, "If-Match", `"1"`).want(t, 409)
	patch(`{"title":"x"}`, "If-Match", `W/"2"`).want(t, 422)
	b := patch(`{"dueDate":null,"agentId":null,"tags":null,"description":""}`, "If-Match", a.Header.Get("ETag")).want(t, 200)
	if b.json["dueDate"] != nil || b.json["agentId"] != nil || len(b.json["tags"].([]any)) != 0 || b.str("description") != "" {
		t.Errorf("%s", b.raw)
	}
	same := patch(`{"title":"New title"}`).want(t, 200)
	if !reflect.DeepEqual(same.json["updatedAt"], b.json["updatedAt"]) {
		t.Error("setting what is so changed the ticket")
	}
	patch(`{}`).want(t, 200)

	for body, field := range map[string]string{
		`{"title":""}`: "title", `{"title":null}`: "title", `{"status":null}`: "status", `{"status":"LOST"}`: "status", `{"priority":""}`: "priority",
		`{"priority":"ASAP"}`: "priority", `{"type":7}`: "type", `{"teamId":"nowhere"}`: "teamId", `{"agentId":"nobody"}`: "agentId",
		`{"dueDate":"tomorrow"}`: "dueDate", `{"dueDate":"1066-10-14T00:00:00Z"}`: "dueDate", `{"customFields":{"seats":"five"}}`: "customFields.seats",
		`{"customFields":null}`: "customFields", `{"customFields":{"a b":1}}`: "customFields", `{"addHandlingTime":-5}`: "addHandlingTime", `{"addHandlingTime":1.5}`: "addHandlingTime",
		`{"escalationLevel":-1}`: "escalationLevel", `{"version":0}`: "version", `{"tags":"a"}`: "tags", `{"tags":[1]}`: "tags[0]", `{"uid":"x"}`: "uid", `{"Title":"x"}`: "Title",
		`{"customerId":"c"}`: "customerId", `{"title":"` + strings.Repeat("é", 501) + `"}`: "title",
	} {
		if got := patch(body).want(t, 422).fields(); !slices.Contains(got, field) {
			t.Errorf("%s names %v, want %s", body, got, field)
		}
	}
	if now := h.get("/v1/tickets/" + id); now.json["version"] != same.json["version"] {
		t.Error("a refused change changed the ticket")
	}
}

func TestAssign(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	assign := func(role desk.Role, body string) answer {
		return h.do(role, "POST", "/v1/tickets/"+id+"/assign", body)
	}
	a := assign(desk.RoleAgent, `{"agentId":"bob","teamId":"billing"}`).want(t, 200)
	if a.str("agent", "name") != "Bob" || a.str("team", "name") != "Billing" || a.str("assignedBy", "agent") != "by hand: the agent" {
		t.Errorf("%s", a.raw)
	}
	if b := assign(desk.RoleAgent, `{"agentId":""}`).want(t, 200); b.json["agentId"] != nil || b.str("teamId") != "billing" {
		t.Errorf("%s", b.raw)
	}
	assign(desk.RoleAgent, `{"teamId":"team-456","agentId":null}`).want(t, 200)
	assign(desk.RoleAgent, `{}`).want(t, 422)
	assign(desk.RoleAgent, `{"agentId":"zoe"}`).want(t, 422)
	assign(desk.RoleAdmin, `{"agentId":"zoe"}`).want(t, 200)
	assign(desk.RoleAdmin, `{"teamId":"nowhere"}`).want(t, 422)
	assign(desk.RoleIntegration, `{"agentId":"ann"}`).want(t, 403)
}

func TestStatus(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	set := func(body string, headers ...string) answer {
		return h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id+"/status", body, headers...)
	}
	h.pass(time.Hour)
	a := set(`{"status":"in progress"}`).want(t, 200)
	if a.str("status") != "IN_PROGRESS" || a.str("tracking", "previousStatus") != "NEW" {
		t.Errorf("%s", a.raw)
	}
	back := set(`{"status":"NEW"}`).want(t, 409)
	if !slices.Contains(back.fields(), "status") || !strings.Contains(back.str("detail"), "RESOLVED") {
		t.Errorf("%s", back.raw)
	}
	h.pass(time.Hour)
	b := set(`{"status":"RESOLVED","comment":"Fixed in 2.1.1.","isPublic":true,"mentions":["bob"]}`, "If-Match", a.Header.Get("ETag")).want(t, 200)
	if b.str("status") != "RESOLVED" || b.str("tracking", "resolution", "state") != "MET" || b.str("tracking", "firstResponse", "state") != "MET" || b.str("tracking", "resolvedAt") == "" {
		t.Errorf("%s", b.raw)
	}
	ms := items(h.get("/v1/tickets/" + id + "/comments"))
	if len(ms) != 2 || ms[1]["content"] != "Fixed in 2.1.1." || ms[1]["isPublic"] != true {
		t.Errorf("%v", ms)
	}
	set(`{"status":"PENDING","comment":"no"}`).want(t, 409)
	set(`{"status":"OPEN","comment":"late"}`, "If-Match", a.Header.Get("ETag")).want(t, 409)
	if ms := items(h.get("/v1/tickets/" + id + "/comments")); len(ms) != 2 {
		t.Errorf("a refused move left its comment: %v", ms)
	}
	c := set(`{"status":"OPEN"}`).want(t, 200)
	if c.json["tracking"].(map[string]any)["reopenCount"] != 1.0 {
		t.Errorf("%s", c.raw)
	}
	set(`{}`).want(t, 422)
	set(`{"status":"nope"}`).want(t, 422)
}

func TestDelete(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	h.do(desk.RoleAgent, "DELETE", "/v1/tickets/"+id, nil).want(t, 403)
	h.do(desk.RoleAdmin, "DELETE", "/v1/tickets/"+id, nil, "If-Match", `"9"`).want(t, 409)
	if a := h.do(desk.RoleAdmin, "DELETE", "/v1/tickets/"+id, nil).want(t, 204); len(a.raw) != 0 {
		t.Errorf("a body: %s", a.raw)
	}
	for _, c := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"GET", "/comments"}, {"GET", "/links"}, {"GET", "/events"}} {
		h.do(desk.RoleAdmin, c[0], "/v1/tickets/"+id+c[1], nil).want(t, 404)
	}
	h.do(desk.RoleAdmin, "PATCH", "/v1/tickets/"+id, `{"title":"x"}`).want(t, 404)
	if l := items(h.get("/v1/tickets")); len(l) != 0 {
		t.Errorf("deleted and listed: %v", l)
	}
}

func TestEvents(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	for i := range 4 {
		h.do(desk.RoleAgent, "PATCH", "/v1/tickets/"+id, fmt.Sprintf(`{"title":"t%d"}`, i)).want(t, 200)
	}
	var seqs []any
	path := "/v1/tickets/" + id + "/events?limit=2"
	next := ""
	for range 10 {
		a := h.get(path + next)
		for _, e := range items(a) {
			seqs = append(seqs, e["seq"])
		}
		if a.json["nextCursor"] == nil {
			break
		}
		next = "&cursor=" + a.str("nextCursor")
	}
	want := make([]any, len(seqs))
	for i := range want {
		want[i] = float64(i + 1)
	}
	if len(seqs) < 5 || !reflect.DeepEqual(seqs, want) {
		t.Errorf("seqs %v", seqs)
	}
	first := items(h.get("/v1/tickets/" + id + "/events"))[0]
	if first["kind"] != "ticket:created" || first["actor"].(map[string]any)["kind"] != "API" {
		t.Errorf("%v", first)
	}
	h.do(desk.RoleReader, "GET", path+"&cursor=x", nil).want(t, 422)
}
