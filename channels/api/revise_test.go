package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// mailed files a mail and returns its ticket.
func (h *house) mailed(id, from, text string) string {
	h.t.Helper()
	now := h.clock()
	d := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: id, From: desk.Party{Name: "Sam", Handle: from},
		Subject: "Help", Text: text, SentAt: now, ReceivedAt: now, Thread: desk.Thread{Key: id, Address: []byte(`{"to":"sam"}`)}}
	r, err := h.intake.FileNow(h.t.Context(), d)
	if err != nil || r.TicketID == "" {
		h.t.Fatal(r, err)
	}
	return string(r.TicketID)
}

func TestEditAndDeleteComment(t *testing.T) {
	var handed []desk.MessageID
	h := newHouse(t, func(o *api.Options) { o.Deliver = func(ids ...desk.MessageID) { handed = append(handed, ids...) } })
	id := h.mailed("<1@x.example>", "sam@x.example", "Please")
	path := "/v1/tickets/" + id + "/comments"
	say := func(body string, headers ...string) answer {
		t.Helper()
		return h.do(desk.RoleAgent, "POST", path, body, headers...).want(t, 201)
	}
	note := say(`{"content":"inside"}`).str("id")
	if len(handed) != 0 {
		t.Errorf("a note was handed to the senders: %v", handed)
	}
	answer := say(`{"content":"Helo","isPublic":true}`, "Idempotency-Key", "k").str("id")
	if !slices.Equal(handed, []desk.MessageID{desk.MessageID(answer)}) {
		t.Errorf("handed over %v", handed)
	}
	h.pass(time.Minute)
	edited := h.do(desk.RoleAgent, "PATCH", path+"/"+answer, `{"content":"Hello"}`).want(t, 200)
	if edited.str("content") != "Hello" || edited.str("editedAt") != "2026-03-02T09:01:00Z" || edited.json["deletedAt"] != nil || edited.str("sendState") != "queued" {
		t.Errorf("%s", edited.raw)
	}
	again := say(`{"content":"Helo","isPublic":true}`, "Idempotency-Key", "k")
	if again.str("id") != answer || again.str("content") != "Hello" {
		t.Errorf("%s", again.raw)
	}
	if err := h.store.Delivered(t.Context(), desk.MessageID(answer), desk.Proof{ExternalID: "<2@x.example>", At: h.clock()}); err != nil {
		t.Fatal(err)
	}
	handed = nil
	h.do(desk.RoleAgent, "PATCH", path+"/"+answer, `{"content":"Hello again"}`).want(t, 200)
	if len(handed) != 1 {
		t.Errorf("the other side is not told: %v", handed)
	}
	h.do(desk.RoleAgent, "DELETE", path+"/"+answer, nil).want(t, 204)
	h.do(desk.RoleAgent, "DELETE", path+"/"+answer, nil).want(t, 204)
	h.do(desk.RoleAgent, "PATCH", path+"/"+answer, `{"content":"back"}`).want(t, 409)
	h.do(desk.RoleAdmin, "PATCH", path+"/"+note, `{"content":"an admin may"}`).want(t, 200)

	all := items(h.get(path))
	if len(all) != 3 || all[2]["content"] != "" || all[2]["deletedAt"] == nil || all[1]["content"] != "an admin may" || all[0]["editedAt"] != nil {
		t.Errorf("%v", all)
	}
	if strings.Contains(string(h.get(path).raw), "Hello again") {
		t.Error("a deleted comment is still there to read")
	}
	var kinds []any
	for _, e := range items(h.get("/v1/tickets/" + id + "/events")) {
		if k := e["kind"].(string); strings.HasPrefix(k, "ticket:comment:") {
			kinds = append(kinds, k)
		}
	}
	if want := []any{"ticket:comment:added", "ticket:comment:added", "ticket:comment:updated", "ticket:comment:updated", "ticket:comment:deleted", "ticket:comment:updated"}; !slices.Equal(kinds, want) {
		t.Errorf("%v", kinds)
	}

	theirs, other := all[0]["id"].(string), h.ticket(sample)
	for name, c := range map[string]struct {
		role   desk.Role
		path   string
		body   string
		status int
	}{
		"what a customer said":  {desk.RoleAdmin, path + "/" + theirs, `{"content":"x"}`, 403},
		"what an agent wrote":   {desk.RoleIntegration, path + "/" + note, `{"content":"x"}`, 403},
		"a reader":              {desk.RoleReader, path + "/" + note, `{"content":"x"}`, 403},
		"another ticket's":      {desk.RoleAgent, "/v1/tickets/" + other + "/comments/" + note, `{"content":"x"}`, 404},
		"no such comment":       {desk.RoleAgent, path + "/01KJPWD6M0DT8SBDG9PQBZ02J0", `{"content":"x"}`, 404},
		"nothing to say":        {desk.RoleAgent, path + "/" + note, `{"content":" "}`, 422},
		"a field too many":      {desk.RoleAgent, path + "/" + note, `{"content":"x","isPublic":true}`, 422},
		"deletes a customer's":  {desk.RoleAdmin, path + "/" + theirs, "", 403},
		"deletes another's":     {desk.RoleIntegration, path + "/" + note, "", 403},
		"deletes what is not":   {desk.RoleAgent, path + "/x", "", 404},
		"deletes on no tickets": {desk.RoleAgent, "/v1/tickets/999/comments/" + note, "", 404},
	} {
		method, body := "PATCH", any(c.body)
		if c.body == "" {
			method, body = "DELETE", nil
		}
		if a := h.do(c.role, method, c.path, body); a.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.raw)
		}
	}
}

func TestACustomersEditIsShown(t *testing.T) {
	h := newHouse(t)
	id := h.mailed("<1@x.example>", "sam@x.example", "It brokn")
	h.pass(time.Minute)
	for i, act := range []desk.Act{desk.ActEdit, desk.ActDelete, desk.ActRestore} {
		now := h.clock()
		d := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: "e" + string(act), Fingerprint: string(act), From: desk.Party{Handle: "sam@x.example"},
			Act: act, Target: "<1@x.example>", SentAt: now, ReceivedAt: now}
		if act == desk.ActEdit {
			d.Text = "It broke"
		}
		r, err := h.intake.FileNow(t.Context(), d)
		if err != nil || string(r.TicketID) != id || r.State != desk.Filed {
			t.Fatal(r, err)
		}
		m := items(h.get("/v1/tickets/" + id + "/comments"))[0]
		want := []string{"It broke", "", "It broke"}[i]
		if m["content"] != want || (m["deletedAt"] != nil) != (act == desk.ActDelete) || m["editedAt"] == nil {
			t.Errorf("%s: %v", act, m)
		}
		if got := h.get("/v1/tickets/" + id).str("description"); got != want {
			t.Errorf("%s: the ticket says %q", act, got)
		}
	}
}
