package api_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// TestHostileBodies sends what no good client sends: each is refused with its
// own status, names the field where there is one, never repeats a value, and
// leaves nothing in the books.
func TestHostileBodies(t *testing.T) {
	h := newHouse(t)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for name, c := range map[string]struct {
		body   string
		status int
		field  string
		detail string
	}{
		"empty":                {"", 400, "", ""},
		"cut off":              {`{"title":"SECRET`, 400, "", "byte 16"},
		"not JSON":             {`title=SECRET`, 400, "", "byte"},
		"two values":           {`{"title":"x"}{"title":"y"}`, 400, "", "byte 14"},
		"comma at the end":     {`{"title":"x",}`, 400, "", "byte 14"},
		"byte order mark":      {"\ufeff" + `{"title":"x"}`, 400, "", ""},
		"UTF-16":               {"\xff\xfe{\x00}\x00", 400, "", "byte 0"},
		"bad UTF-8":            {"{\"title\":\"x\xff\"}", 400, "", "byte 11"},
		"array":                {`[]`, 422, "", ""},
		"null":                 {`null`, 422, "", ""},
		"string":               {`"SECRET"`, 422, "", ""},
		"nothing said":         {`{}`, 422, "title", "required"},
		"blank title":          {`{"title":"  "}`, 422, "title", "required"},
		"title is a number":    {`{"title":4711}`, 422, "title", "string"},
		"title is an object":   {`{"title":{"SECRET":1}}`, 422, "title", "string"},
		"title too long":       {`{"title":"` + strings.Repeat("SECRET", 100) + `"}`, 422, "title", "500"},
		"description too long": {`{"title":"x","description":"` + strings.Repeat("SECRET", 50_000) + `"}`, 422, "description", "longer"},
		"unknown field":        {`{"title":"x","colour":"SECRET"}`, 422, "colour", "not a known field"},
		"field in other case":  {`{"title":"x","TITLE":"SECRET"}`, 422, "TITLE", "not a known field"},
		"attachments":          {`{"title":"x","attachments":[]}`, 422, "attachments", ""},
		"unknown priority":     {`{"title":"x","priority":"SECRET"}`, 422, "priority", "URGENT"},
		"unknown status":       {`{"title":"x","status":"SECRET"}`, 422, "status", "RESOLVED"},
		"unknown type":         {`{"title":"x","type":"SECRET"}`, 422, "type", "INCIDENT"},
		"unknown source":       {`{"title":"x","source":"SECRET"}`, 422, "source", "EMAIL"},
		"tags are a text":      {`{"title":"x","tags":"SECRET"}`, 422, "tags", "array"},
		"a tag is null":        {`{"title":"x","tags":[null]}`, 422, "tags[0]", ""},
		"too many tags":        {`{"title":"x","tags":[` + strings.Repeat(`"SECRET",`, 50) + `"x"]}`, 422, "tags", "50"},
		"fields are a list":    {`{"title":"x","customFields":["SECRET"]}`, 422, "customFields", "object"},
		"field of wrong kind":  {`{"title":"x","customFields":{"seats":"SECRET"}}`, 422, "customFields.seats", "number"},
		"field name":           {`{"title":"x","customFields":{"SECRET thing":1}}`, 422, "customFields", "name"},
		"too many fields":      {`{"title":"x","customFields":{` + manyFields(101) + `}}`, 422, "customFields", "100"},
		"number out of range":  {`{"title":"x","customFields":{"n":1e400}}`, 422, "customFields.n", "exactly"},
		"number loses digits":  {`{"title":"x","customFields":{"n":[1,12345678901234567890]}}`, 422, "customFields.n[1]", "exactly"},
		"deep":                 {`{"title":"x","customFields":` + deep + `}`, 422, "customFields", "32"},
		"very deep":            {strings.Repeat("[", 500_000), 400, "", ""},
		"name twice":           {`{"title":"x","title":"SECRET"}`, 422, "title", "twice"},
		"name twice inside":    {`{"title":"x","customFields":{"a":1,"a":"SECRET"}}`, 422, "customFields.a", "twice"},
		"name twice by NUL":    {`{"title":"x","customFields":{"a":1,"a\u0000":"SECRET"}}`, 422, "customFields.a", "twice"},
		"due in words":         {`{"title":"x","dueDate":"SECRET"}`, 422, "dueDate", "RFC 3339"},
		"due on no day":        {`{"title":"x","dueDate":"2026-02-30T00:00:00Z"}`, 422, "dueDate", "RFC 3339"},
		"due long ago":         {`{"title":"x","dueDate":"0001-01-01T00:00:00Z"}`, 422, "dueDate", "1970"},
		"due is a number":      {`{"title":"x","dueDate":4711}`, 422, "dueDate", "string"},
		"mail address":         {`{"title":"x","requester":{"email":"SECRET"}}`, 422, "requester.email", "mail address"},
		"mail with a name":     {`{"title":"x","requestorEmail":"SECRET <a@b.example>"}`, 422, "requestorEmail", "mail address"},
		"mail header":          {`{"title":"x","requestorEmail":"a@b.example\r\nBcc: SECRET"}`, 422, "requestorEmail", "mail address"},
		"requester no email":   {`{"title":"x","requester":{"name":"SECRET"}}`, 422, "requester.email", "required"},
		"NUL in an ID":         {`{"title":"x","customerId":"SECRET\u0000"}`, 422, "customerId", "printed"},
		"ID too long":          {`{"title":"x","teamId":"` + strings.Repeat("SECRET", 40) + `"}`, 422, "teamId", "200"},
		"2 MB":                 {`{"title":"x","description":"` + strings.Repeat("SECRET", 350_000) + `"}`, 413, "", "1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", c.body)
			if a.StatusCode != c.status {
				t.Fatalf("%d, want %d: %s", a.StatusCode, c.status, a.raw)
			}
			if c.field != "" && !slices.ContainsFunc(a.fields(), func(f string) bool { return f == c.field || name == "deep" && strings.HasPrefix(f, c.field) }) {
				t.Errorf("names %v, want %s", a.fields(), c.field)
			}
			if !strings.Contains(a.str("detail"), c.detail) {
				t.Errorf("detail %q says nothing of %q", a.str("detail"), c.detail)
			}
			if strings.Contains(string(a.raw), "SECRET") && c.field != "TITLE" {
				t.Errorf("repeats what came: %s", a.raw)
			}
		})
	}
	if l := items(h.get("/v1/tickets")); len(l) != 0 {
		t.Errorf("%d refused tickets in the books", len(l))
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"f` + strings.Repeat("x", i) + `":1`)
	}
	return b.String()
}

// TestStrangeButRight sends what is unusual and must be kept.
func TestStrangeButRight(t *testing.T) {
	h := newHouse(t)
	for _, c := range [][4]string{
		{`{"title":"a\u0000b"}`, "title", "ab", "NUL cannot be stored"},
		{`{"title":"lone \ud800 half"}`, "title", "lone \ufffd half", ""},
		{`{"title":"two\nlines"}`, "title", "two lines", ""},
		{`{"title":"😀\u0301 漢字 \u202e"}`, "title", "😀\u0301 漢字 \u202e", ""},
		{`{"title":"<script>alert(1)</script>"}`, "title", "<script>alert(1)</script>", ""},
		{`{"title":"'; DROP TABLE tickets; --"}`, "title", "'; DROP TABLE tickets; --", ""},
		{`{"description":"  kept  \n\tas it is\r\n"}`, "description", "  kept  \n\tas it is\r\n", ""},
		{`{"title":"` + strings.Repeat("é", 500) + `"}`, "title", strings.Repeat("é", 500), ""},
		{`{"title":"x","customerId":"kündë/ö 1"}`, "customerId", "kündë/ö 1", ""},
		{" \n{\"title\":\"x\"}\n ", "title", "x", ""},
		{`{"title":"x","type":null,"tags":null,"requester":null,"customFields":null,"dueDate":null}`, "title", "x", ""},
	} {
		a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", c[0])
		if a.StatusCode != 201 || a.str(c[1]) != c[2] {
			t.Errorf("%s: %d %q, want %q", c[0], a.StatusCode, a.str(c[1]), c[2])
			continue
		}
		if got := h.get("/v1/tickets/" + a.str("uid")); got.str(c[1]) != c[2] {
			t.Errorf("%s: reads back %q", c[0], got.str(c[1]))
		}
	}
}

func TestContentTypes(t *testing.T) {
	h := newHouse(t)
	for ct, status := range map[string]int{"application/json": 201, "application/JSON; charset=utf-8": 201, "application/vnd.desk+json": 201, "text/plain": 415,
		"application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415, "application/xml": 415, ";;": 415, "application/merge-patch+json": 201} {
		h.do(desk.RoleIntegration, "POST", "/v1/tickets", `{"title":"x"}`, "Content-Type", ct).want(t, status)
	}
	req := httptest.NewRequest("POST", "/v1/tickets", strings.NewReader(`{"title":"x"}`))
	req.Header.Set("X-Api-Key", h.secrets[desk.RoleIntegration])
	h.send(req).want(t, 201)
}

// TestUnknownSize sends a body without a length: cut off at the limit, and
// refused when the connection breaks.
func TestUnknownSize(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Limits.BodyBytes = 100 })
	send := func(r io.Reader) answer {
		req := httptest.NewRequest("POST", "/v1/tickets", r)
		req.ContentLength = -1
		req.Header.Set("X-Api-Key", h.secrets[desk.RoleIntegration])
		return h.send(req)
	}
	full := `{"title":"` + strings.Repeat("x", 88) + `"}`
	send(strings.NewReader(full)).want(t, 201)
	send(strings.NewReader(full+" ")).want(t, 413)
	send(io.MultiReader(strings.NewReader(`{"title":`), broken{})).want(t, 400)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestPathsAndMethods(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	for path, allow := range map[string]string{"/v1/tickets": "GET, HEAD, POST", "/v1/tickets/" + id: "DELETE, GET, HEAD, PATCH", "/v1/tickets/" + id + "/assign": "POST",
		"/v1/tickets/" + id + "/status": "PATCH", "/v1/tickets/" + id + "/links": "GET, HEAD, POST", "/healthz": "GET, HEAD", "/openapi.json": "GET, HEAD"} {
		a := h.do(desk.RoleAdmin, "PUT", path, `{}`).want(t, 405)
		if a.Header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", path, a.Header.Get("Allow"), allow)
		}
	}
	for _, path := range []string{"/", "/v1", "/v1/tickets/", "/v1/nothing", "/v1/tickets/" + id + "/nothing", "/docs", "/schemas/Ticket.json", "/openapi.yaml", "/metrics",
		"/v1/tickets/0", "/v1/tickets/-1", "/v1/tickets/99999", "/v1/tickets/01", "/v1/tickets/1e3", "/v1/tickets/99999999999999999999", "/v1/tickets/%00", "/v1/tickets/%ff",
		"/v1/tickets/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/v1/tickets/'%20OR%201=1", "/v1/tickets/..%2f..%2fetc"} {
		h.do(desk.RoleAdmin, "GET", path, nil).want(t, 404)
	}
	h.do(desk.RoleAdmin, "GET", "/v1/tickets/"+strings.Repeat("9", 41), nil).want(t, 422)
	if a := h.do(desk.RoleAdmin, "HEAD", "/v1/tickets/"+id, nil).want(t, 200); a.Header.Get("ETag") != `"1"` {
		t.Errorf("%v", a.Header)
	}
	h.do(desk.RoleAdmin, "GET", "/v1/tickets/"+id+"?x=1", nil).want(t, 422)
	h.do(desk.RoleAdmin, "POST", "/v1/tickets?dry=1", `{"title":"x"}`).want(t, 422)
}

func TestKeys(t *testing.T) {
	h := newHouse(t)
	send := func(name, value string) answer {
		req := httptest.NewRequest("GET", "/v1/tickets", nil)
		if name != "" {
			req.Header.Set(name, value)
		}
		return h.send(req)
	}
	good := h.secrets[desk.RoleReader]
	send("Authorization", "Bearer "+good).want(t, 200)
	send("Authorization", "bearer  "+good).want(t, 200)
	send("x-api-key", good).want(t, 200)
	for _, c := range [][3]string{{"", "", `Bearer realm="switchboard"`}, {"Authorization", "Basic " + good, "invalid_request"}, {"Authorization", "Bearer ", ""},
		{"x-api-key", good[:66] + "!", "invalid_token"}, {"Authorization", "Bearer " + strings.Repeat("x", 5000), "invalid_token"}, {"x-api-key", strings.ToUpper(good), "invalid_token"}} {
		a := send(c[0], c[1]).want(t, 401)
		if w := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(w, "Bearer") || !strings.Contains(w, c[2]) {
			t.Errorf("%v: challenge %q", c, w)
		}
		if strings.Contains(string(a.raw), good[:20]) {
			t.Errorf("the answer repeats the key: %s", a.raw)
		}
	}
	if err := h.store.RevokeKey(t.Context(), string(h.keys[desk.RoleReader].ID), h.clock()); err != nil {
		t.Fatal(err)
	}
	h.pass(10 * time.Second)
	send("x-api-key", good).want(t, 401)
}

// TestRoles asks every route with every role, and compares with the one table
// that decides.
func TestRoles(t *testing.T) {
	h := newHouse(t)
	id := h.ticket(sample)
	for _, c := range []struct {
		method, path, body string
		may                desk.Permission
	}{
		{"POST", "/v1/tickets", `{}`, desk.CreateTickets}, {"GET", "/v1/tickets", "", desk.ReadTickets}, {"GET", "/v1/tickets/" + id, "", desk.ReadTickets},
		{"PATCH", "/v1/tickets/" + id, `{}`, desk.UpdateTickets}, {"DELETE", "/v1/tickets/0", "", desk.DeleteTickets}, {"POST", "/v1/tickets/" + id + "/comments", `{}`, desk.Comment},
		{"GET", "/v1/tickets/" + id + "/comments", "", desk.ReadTickets}, {"POST", "/v1/tickets/" + id + "/assign", `{}`, desk.UpdateTickets},
		{"PATCH", "/v1/tickets/" + id + "/status", `{}`, desk.UpdateTickets}, {"POST", "/v1/tickets/" + id + "/links", `{}`, desk.UpdateTickets},
		{"GET", "/v1/tickets/" + id + "/comments/x/attachments/x", "", desk.ReadTickets},
		{"GET", "/v1/tickets/" + id + "/links", "", desk.ReadTickets}, {"GET", "/v1/tickets/" + id + "/events", "", desk.ReadTickets}, {"GET", "/v1/intake/" + id, "", desk.ReadIntake},
	} {
		for _, role := range desk.Roles() {
			var body any
			if c.body != "" {
				body = c.body
			}
			a := h.do(role, c.method, c.path, body)
			if refused := a.StatusCode == http.StatusForbidden; refused == role.May(c.may) {
				t.Errorf("%s %s as %s: %d", c.method, c.path, role, a.StatusCode)
			}
		}
		req := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		h.send(req).want(t, 401)
	}
}

func TestRateLimit(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Limits.Rate, o.Limits.Burst = 0.5, 3 })
	for i := range 3 {
		a := h.get("/v1/tickets")
		if got := a.Header.Get("X-RateLimit-Remaining"); got != []string{"2", "1", "0"}[i] {
			t.Errorf("remaining %q", got)
		}
	}
	a := h.do(desk.RoleReader, "GET", "/v1/tickets", nil).want(t, 429)
	if a.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	h.do(desk.RoleAgent, "GET", "/v1/tickets", nil).want(t, 200)
	h.pass(2 * time.Second)
	h.get("/v1/tickets")
	h.do(desk.RoleReader, "GET", "/v1/tickets", nil).want(t, 429)
	h.get("/healthz")
}
