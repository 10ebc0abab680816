package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// handles are the handles of a customer's view.
func handles(a answer) []string {
	out := []string{}
	list, _ := a.json["identities"].([]any)
	for _, e := range list {
		m := e.(map[string]any)
		out = append(out, fmt.Sprint(m["kind"], " ", m["handle"], " ", m["verified"]))
	}
	return out
}

func TestCustomer(t *testing.T) {
	h := newHouse(t)
	h.ticket(`{"title":"a","customerId":"crm/1 é","requester":{"email":"Sam@Acme.example","name":"Sam"}}`)
	path := "/v1/customers/crm%2F1%20%C3%A9"
	a := h.get(path)
	if a.str("name") != "Sam" || a.str("email") != "sam@acme.example" || a.str("externalId") != "crm/1 é" || a.str("account", "domain") != "acme.example" ||
		!slices.Equal(handles(a), []string{"email sam@acme.example false"}) || a.str("createdAt") == "" {
		t.Errorf("%s", a.raw)
	}
	uid := a.str("uid")
	if b := h.get("/v1/customers/" + uid); !reflect.DeepEqual(a.json, b.json) {
		t.Errorf("%s", b.raw)
	}
	patch := func(body string) answer { return h.do(desk.RoleAgent, "PATCH", "/v1/customers/"+uid, body) }
	b := patch(`{"name":" Sam Doe ","phone":"+1","serviceLevel":"gold","vip":true,"language":"de","timeZone":"Europe/Berlin","externalId":"crm-1",
		"preferences":{"channel":"email","digest":{"weekly":true}}}`).want(t, 200)
	if b.str("name") != "Sam Doe" || b.str("phone") != "+1" || b.str("serviceLevel") != "gold" || b.json["vip"] != true || b.str("language") != "de" ||
		b.str("timeZone") != "Europe/Berlin" || b.str("externalId") != "crm-1" || b.str("preferences", "channel") != "email" || b.str("email") != "sam@acme.example" {
		t.Errorf("%s", b.raw)
	}
	h.do(desk.RoleReader, "GET", path, nil).want(t, 404) // the old name is free
	if got := h.get("/v1/customers/crm-1"); got.str("uid") != uid || !reflect.DeepEqual(got.json, b.json) {
		t.Errorf("%s", got.raw)
	}
	c := patch(`{"phone":null,"vip":false,"preferences":{"channel":null,"x":1}}`).want(t, 200)
	if c.json["phone"] != nil || c.json["vip"] != false || !reflect.DeepEqual(c.json["preferences"], map[string]any{"digest": map[string]any{"weekly": true}, "x": 1.0}) {
		t.Errorf("%s", c.raw)
	}
	if d := patch(`{"preferences":null,"externalId":null}`).want(t, 200); d.json["preferences"] != nil || d.json["externalId"] != nil {
		t.Errorf("%s", d.raw)
	}
	h.ticket(`{"title":"b","customerId":"crm-2"}`)
	if got := patch(`{"externalId":"crm-2"}`).want(t, 409).fields(); !slices.Equal(got, []string{"externalId"}) {
		t.Errorf("%v", got)
	}
	for body, field := range map[string]string{`{"name":5}`: "name", `{"name":"` + strings.Repeat("x", 201) + `"}`: "name", `{"phone":"a\nb"}`: "phone",
		`{"timeZone":"Mars/Olympus"}`: "timeZone", `{"timeZone":"Local"}`: "timeZone", `{"externalId":""}`: "externalId", `{"externalId":"` + uid + `"}`: "externalId",
		`{"vip":"yes"}`: "vip", `{"preferences":[]}`: "preferences", `{"preferences":{"":1}}`: "preferences", `{"email":"x@y.example"}`: "email", `{"uid":"x"}`: "uid"} {
		if got := patch(body).want(t, 422).fields(); !slices.Contains(got, field) {
			t.Errorf("%s names %v", body, got)
		}
	}
	h.do(desk.RoleIntegration, "PATCH", "/v1/customers/"+uid, `{"name":"x"}`).want(t, 403)
	h.do(desk.RoleReader, "GET", "/v1/customers/nobody", nil).want(t, 404)
	h.do("", "GET", "/v1/customers/crm-2", nil).want(t, 401)
}

func TestMergeAndSplitCustomers(t *testing.T) {
	h := newHouse(t)
	one := h.mailed("<1@x.example>", "sam@x.example", "a")
	two := h.mailed("<2@x.example>", "sam@home.example", "b")
	who := func(ticket string) string { return h.get("/v1/tickets/"+ticket).str("customer", "uid") }
	sam, home := who(one), who(two)
	merge := func(into, from string) answer {
		return h.do(desk.RoleAgent, "POST", "/v1/customers/"+into+"/merge", map[string]any{"customerId": from})
	}
	a := merge(sam, home).want(t, 200)
	if a.str("uid") != sam || !slices.Equal(handles(a), []string{"email sam@home.example false", "email sam@x.example false"}) {
		t.Errorf("%s", a.raw)
	}
	if who(two) != sam {
		t.Error("the ticket did not move")
	}
	if b := h.get("/v1/customers/" + home); b.str("uid") != sam {
		t.Errorf("%s", b.raw)
	}
	if got := items(h.get("/v1/tickets?customerId=" + home)); len(got) != 2 {
		t.Errorf("%d tickets by the old uid", len(got))
	}
	events := items(h.get("/v1/tickets/" + two + "/events"))
	if e := events[len(events)-1]; e["kind"] != desk.EventCustomer || e["actor"].(map[string]any)["kind"] != "AGENT" {
		t.Errorf("%v", e)
	}
	merge(sam, home).want(t, 200) // again
	merge(sam, sam).want(t, 422)
	merge(sam, "nobody").want(t, 422)
	merge("nobody", sam).want(t, 404)

	split := func(body string) answer { return h.do(desk.RoleAgent, "POST", "/v1/customers/"+sam+"/split", body) }
	for body, field := range map[string]string{`{}`: "identities", `{"identities":[]}`: "identities", `{"identities":[{"kind":"email"}]}`: "identities[0].handle",
		`{"identities":[{"kind":"email","handle":"eve@x.example"}]}`:                                              "identities[0]",
		`{"identities":[{"kind":"email","handle":"sam@x.example"},{"kind":"email","handle":"sam@home.example"}]}`: "identities"} {
		if got := split(body).want(t, 422).fields(); !slices.Contains(got, field) {
			t.Errorf("%s names %v", body, got)
		}
	}
	s := split(`{"identities":[{"kind":"EMAIL","handle":"Sam@Home.example"}]}`).want(t, 201)
	if s.str("uid") == sam || s.str("uid") == home || who(two) != s.str("uid") || who(one) != sam || !slices.Equal(handles(s), []string{"email sam@home.example false"}) {
		t.Errorf("%s", s.raw)
	}
	h.do(desk.RoleIntegration, "POST", "/v1/customers/"+sam+"/merge", `{"customerId":"x"}`).want(t, 403)
	h.do(desk.RoleReader, "POST", "/v1/customers/"+sam+"/split", `{"identities":[{"kind":"email","handle":"x"}]}`).want(t, 403)
}
