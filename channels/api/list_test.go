package api_test

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

func TestListFilters(t *testing.T) {
	h := newHouse(t)
	for _, b := range []string{
		`{"title":"one","priority":"LOW","type":"BUG","teamId":"billing","customerId":"c1","source":"EMAIL","tags":["Red"]}`,
		`{"title":"two","priority":"HIGH","type":"TASK","teamId":"support","customerId":"c2","agentId":"ann","status":"OPEN","tags":["red","blue"]}`,
		`{"title":"three","priority":"URGENT","type":"BUG","customerId":"c2","source":"slack"}`,
	} {
		h.ticket(b)
		h.pass(time.Hour)
	}
	for query, want := range map[string]string{
		"": "three two one", "status=open": "two", "status=NEW,OPEN": "three two one", "priority=low,urgent": "three one", "type=bug": "three one",
		"teamId=billing": "one", "teamId=team-x": "", "agentId=ann": "two", "agentId=none": "three one", "agentId=ann,none": "three two one",
		"customerId=c2": "three two", "customerId=c9": "", "source=email": "one", "source=SLACK,EMAIL": "three one", "tag=RED": "two one", "tag=green": "",
		"createdAfter=2026-03-02T10:00:00Z": "three two", "createdBefore=2026-03-02T10:00:00Z": "one",
		"createdAfter=2026-03-02T11:30:00%2B01:00&type=BUG": "three", "customerId=c2&status=OPEN": "two", "limit=1&type=BUG": "three",
	} {
		var got []string
		for _, i := range items(h.get("/v1/tickets?" + query)) {
			got = append(got, i["title"].(string))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q lists %q, want %q", query, s, want)
		}
	}
	uid := items(h.get("/v1/tickets?customerId=c1"))[0]["customer"].(map[string]any)["uid"].(string)
	if l := items(h.get("/v1/tickets?customerId=" + uid)); len(l) != 1 || l[0]["customerId"] != "c1" || l[0]["links"] != nil {
		t.Errorf("%v", l)
	}
	for query, field := range map[string]string{
		"limit=-1": "limit", "limit=0": "limit", "limit=101": "limit", "limit=ten": "limit", "limit=99999999999999999999": "limit", "status=LOST": "status",
		"priority=ASAP": "priority", "type=x": "type", "source=FAX": "source", "colour=red": "colour", "createdAfter=yesterday": "createdAfter",
		"createdBefore=2026-13-01T00:00:00Z": "createdBefore", "cursor=garbage": "cursor", "cursor=" + strings.Repeat("x", 501): "cursor",
		"status=NEW&status=OPEN": "status", "tag=" + strings.Repeat("x", 101): "tag", "tag=%00": "tag",
		"teamId=%ff": "teamId", "agentId=a,%ff": "agentId", "customerId=%ff": "customerId", "tag=%ff": "tag", // PostgreSQL refuses them
		"createdAfter=9999-12-31T23:59:59-23:00": "createdAfter", "createdBefore=0000-01-01T00:00:00Z": "createdBefore",
	} {
		a := h.do(desk.RoleReader, "GET", "/v1/tickets?"+query, nil).want(t, 422)
		if !slices.Contains(a.fields(), field) {
			t.Errorf("%q names %v, want %s", query, a.fields(), field)
		}
		if field == "createdAfter" && strings.Contains(a.str("detail"), "2006") {
			t.Errorf("%q speaks Go: %s", query, a.str("detail"))
		}
	}
	h.do(desk.RoleReader, "GET", "/v1/tickets?%zz", nil).want(t, 400)
}

func TestListPages(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Limits.PageLimit = 3 })
	var want []string
	for i := range 8 {
		want = append(want, h.ticket(fmt.Sprintf(`{"title":"t%d"}`, i)))
	}
	slices.Reverse(want)
	var got []string
	next := ""
	for range 10 {
		a := h.get("/v1/tickets?" + next)
		if n := len(items(a)); n > 3 {
			t.Fatalf("%d on a page", n)
		}
		for _, i := range items(a) {
			got = append(got, i["uid"].(string))
		}
		if a.json["nextCursor"] == nil {
			break
		}
		next = "cursor=" + url.QueryEscape(a.str("nextCursor"))
		h.ticket(`{"title":"made while paging"}`)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
