package api_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"encoding/json"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// sample is the body of the ticket overview the interface is modelled on.
const sample = `{
  "title": "Unable to access account",
  "description": "Customer reported login issues on mobile app",
  "type": "INCIDENT",
  "priority": "HIGH",
  "status": "NEW",
  "source": "EMAIL",
  "customerId": "cust-123",
  "teamId": "team-456",
  "tags": ["mobile-app", "login"],
  "customFields": {
    "impactedSystem": "Mobile Authentication",
    "deviceType": "iOS",
    "appVersion": "2.1.0"
  }
}`

func TestSampleTicketComesBackAsSent(t *testing.T) {
	h := newHouse(t)
	made := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample).want(t, 201)
	var sent map[string]any
	if err := json.Unmarshal([]byte(sample), &sent); err != nil {
		t.Fatal(err)
	}
	uid := made.str("uid")
	if made.Header.Get("Location") != "/v1/tickets/"+uid || !desk.IsID(uid) {
		t.Errorf("Location %q of uid %q", made.Header.Get("Location"), uid)
	}
	for _, path := range []string{uid, strings.ToLower(uid), fmt.Sprint(made.json["number"])} {
		got := h.get("/v1/tickets/" + path)
		for name, want := range sent {
			if !reflect.DeepEqual(got.json[name], want) {
				t.Errorf("%s: %s is %v, sent %v", path, name, got.json[name], want)
			}
		}
		if !reflect.DeepEqual(got.json, made.json) {
			t.Errorf("get and create differ:\n%s\n%s", got.raw, made.raw)
		}
	}
	for _, name := range []string{"number", "createdAt", "updatedAt", "customer", "team", "tracking", "escalationLevel", "handlingTime", "assignedBy", "links", "version"} {
		if made.json[name] == nil {
			t.Errorf("no %s in %s", name, made.raw)
		}
	}
	if made.str("customer", "externalId") != "cust-123" || made.str("team", "id") != "team-456" {
		t.Errorf("customer or team: %s", made.raw)
	}
	if due := made.str("tracking", "firstResponse", "dueAt"); due != "2026-03-02T13:00:00Z" {
		t.Errorf("first response due %q", due)
	}
}

func TestCreateFillsWhatIsLeftOut(t *testing.T) {
	h := newHouse(t)
	a := h.do(desk.RoleAgent, "POST", "/v1/tickets", map[string]any{"description": "It broke.\nBadly.", "priority": " high", "type": "feature request",
		"source": "ms-teams", "requester": map[string]any{"email": "Sam@Example.COM", "name": "Sam"}, "dueDate": "2026-05-01T10:00:00+02:00"}).want(t, 201)
	for name, want := range map[string]string{"title": "It broke.", "priority": "HIGH", "type": "FEATURE_REQUEST", "source": "MS_TEAMS", "status": "NEW",
		"teamId": "support", "dueDate": "2026-05-01T08:00:00Z"} {
		if a.str(name) != want {
			t.Errorf("%s is %q, want %q", name, a.str(name), want)
		}
	}
	if a.str("customer", "email") != "sam@example.com" || a.str("customerId") != a.str("customer", "uid") || a.json["agentId"] != nil {
		t.Errorf("customer or agent: %s", a.raw)
	}
}

func TestIdempotencyKey(t *testing.T) {
	h := newHouse(t)
	post := func(role desk.Role, key, body string) answer {
		return h.do(role, "POST", "/v1/tickets", body, "Idempotency-Key", key)
	}
	first := post(desk.RoleIntegration, "k1", sample).want(t, 201)
	again := post(desk.RoleIntegration, "k1", strings.ReplaceAll(sample, "\n", "")).want(t, 201)
	if again.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" || string(first.raw) != string(again.raw) {
		t.Errorf("not replayed: %v\n%s\n%s", again.Header, first.raw, again.raw)
	}
	other := post(desk.RoleIntegration, "k1", `{"title":"something else"}`).want(t, 422)
	if f := other.fields(); len(f) != 1 || f[0] != "Idempotency-Key" {
		t.Errorf("names %v", f)
	}
	if uid := post(desk.RoleAdmin, "k1", sample).want(t, 201).str("uid"); uid == first.str("uid") {
		t.Error("two API keys share an Idempotency-Key")
	}
	post(desk.RoleIntegration, strings.Repeat("k", 255), sample).want(t, 201)
	post(desk.RoleIntegration, strings.Repeat("k", 256), sample).want(t, 422)
	post(desk.RoleIntegration, "k\x7f", sample).want(t, 422)

	h.do(desk.RoleAdmin, "DELETE", "/v1/tickets/"+first.str("uid"), nil).want(t, 204)
	post(desk.RoleIntegration, "k1", sample).want(t, 404)
}

func TestOneKeyAtOnceIsOneTicket(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	uids := make([]string, 8)
	for i := range uids {
		wg.Go(func() {
			a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample, "Idempotency-Key", "race")
			if a.StatusCode == 201 || a.StatusCode == 202 {
				uids[i] = a.str("uid")
			} else {
				t.Errorf("%d %s", a.StatusCode, a.raw)
			}
		})
	}
	wg.Wait()
	if list := items(h.get("/v1/tickets")); len(list) != 1 {
		t.Errorf("%d tickets of one key: %v", len(list), uids)
	}
}

func TestAccepted(t *testing.T) {
	h := newHouse(t)
	h.intake.slow = true
	a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample, "Idempotency-Key", "slow").want(t, 202)
	where := a.Header.Get("Location")
	if a.str("state") != "accepted" || where != "/v1/intake/"+a.str("receipt") {
		t.Fatalf("Location %q: %s", where, a.raw)
	}
	if got := h.get(where); got.str("state") != "accepted" {
		t.Errorf("%s", got.raw)
	}
	h.intake.slow = false
	made := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample, "Idempotency-Key", "slow").want(t, 201)
	got := h.get(where)
	if got.str("state") != "filed" || got.str("ticket", "uid") != made.str("uid") || len(got.json["trail"].([]any)) == 0 {
		t.Errorf("%s", got.raw)
	}

	async := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample, "Prefer", "wait=5, respond-async").want(t, 202)
	if async.Header.Get("Preference-Applied") != "respond-async" || async.str("state") != "accepted" {
		t.Errorf("%v %s", async.Header, async.raw)
	}
	h.intake.busy = true
	if busy := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample).want(t, 503); busy.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.do(desk.RoleReader, "GET", "/v1/intake/"+made.str("uid"), nil).want(t, 404)
	h.do(desk.RoleReader, "GET", "/v1/intake/nonsense", nil).want(t, 404)
}

func TestRuleThatDropsSaysSo(t *testing.T) {
	h := newHouse(t)
	h.policy.Rules = []desk.Rule{{Name: "spam", On: desk.OnCreated, Then: desk.Action{Drop: "spam"}}}
	a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample).want(t, 202)
	if a.str("state") != "dropped" || a.str("reason") == "" {
		t.Errorf("%s", a.raw)
	}
}

func TestNamesMadeOnFirstUse(t *testing.T) {
	h := newHouse(t)
	unknown := h.do(desk.RoleAgent, "POST", "/v1/tickets", `{"title":"x","customerId":"cust-9","teamId":"team-9","agentId":"zoe"}`).want(t, 422)
	if got := unknown.fields(); !reflect.DeepEqual(got, []string{"customerId", "teamId", "agentId"}) {
		t.Errorf("names %v", got)
	}
	made := h.do(desk.RoleIntegration, "POST", "/v1/tickets", `{"title":"x","customerId":"cust-9","teamId":"team-9"}`).want(t, 201)
	known := h.do(desk.RoleAgent, "POST", "/v1/tickets", `{"title":"y","customerId":"cust-9","teamId":"team-9","agentId":"ann"}`).want(t, 201)
	if known.str("customer", "uid") != made.str("customer", "uid") || known.str("agent", "name") != "Ann" {
		t.Errorf("%s\n%s", made.raw, known.raw)
	}
	byUID := h.do(desk.RoleAgent, "POST", "/v1/tickets", `{"title":"z","customerId":"`+made.str("customer", "uid")+`"}`).want(t, 201)
	if byUID.str("customerId") != "cust-9" {
		t.Errorf("%s", byUID.raw)
	}
}

func TestNewKey(t *testing.T) {
	h := newHouse(t)
	a, key := api.NewKey(desk.RoleAgent, "n", h.now)
	b, _ := api.NewKey(desk.RoleAgent, "n", h.now)
	if a == b || len(a) != 67 || !strings.HasPrefix(a, key.Prefix) || len(key.Prefix) > 12 || len(key.Hash) != 32 {
		t.Errorf("%q %q %+v", a, b, key)
	}
}

// When the request's words are gone from the ledger, a repeat is told what the
// request made: nobody can say any more that the body is another.
func TestRepeatAfterTheDraftIsGone(t *testing.T) {
	h := newHouse(t)
	create := func(headers ...string) answer {
		return h.do(desk.RoleIntegration, "POST", "/v1/tickets", `{"title":"x"}`, append(headers, "Idempotency-Key", "k")...)
	}
	a := create().want(t, 201)
	if n, _, err := h.store.RetireDrafts(t.Context(), time.Now().Add(time.Hour), 100); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for _, b := range []answer{create(), create("Prefer", "respond-async")} {
		if b.want(t, 201); b.str("uid") != a.str("uid") || b.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s", b.raw)
		}
	}
	if l := items(h.get("/v1/tickets")); len(l) != 1 {
		t.Errorf("%d tickets", len(l))
	}
}
