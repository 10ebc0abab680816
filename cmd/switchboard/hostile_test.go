package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"switchboard/pipeline/desk"
)

// TestHostileClients sends over HTTP what no good client sends, to a whole
// house. Each is refused in its own way, and the books hold nothing of it.
func TestHostileClients(t *testing.T) {
	l := live(t, "fields: [{ name: seats, kind: number }]\n")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	agent := l.newKey(desk.RoleAgent)
	uid := l.ask(key, "POST", "/v1/tickets", sampleTicket).want(t, 201).text("uid")
	l.ask(agent, "PATCH", "/v1/tickets/"+uid+"/status", `{"status":"OPEN"}`).want(t, 200)
	comments, ticket := "/v1/tickets/"+uid+"/comments", "/v1/tickets/"+uid
	before := l.ask(key, "GET", ticket, "").want(t, 200)

	for _, c := range []struct {
		what               string
		key, method, path  string
		body               string
		status             int
		field, detail, ask string
	}{
		{"malformed JSON", key, "POST", "/v1/tickets", `{"title":"x"`, 400, "", "byte", ""},
		{"not JSON", key, "POST", "/v1/tickets", `title=x`, 400, "", "malformed JSON at byte 2", ""},
		{"no body", key, "POST", "/v1/tickets", ``, 400, "", "a JSON body is needed", ""},
		{"a title that is a number", key, "POST", "/v1/tickets", `{"title":1}`, 422, "title", "string", ""},
		{"tags that are a text", key, "POST", "/v1/tickets", `{"title":"x","tags":"a"}`, 422, "tags", "array", ""},
		{"a field of the wrong kind", key, "POST", "/v1/tickets", `{"title":"x","customFields":{"seats":"many"}}`, 422, "customFields.seats", "number", ""},
		{"an unknown field", key, "POST", "/v1/tickets", `{"title":"x","colour":"red"}`, 422, "colour", "not a known field", ""},
		{"a priority that is none", key, "POST", "/v1/tickets", `{"title":"x","priority":"ASAP"}`, 422, "priority", "URGENT", ""},
		{"a date that is none", key, "POST", "/v1/tickets", `{"title":"x","dueDate":"tomorrow"}`, 422, "dueDate", "RFC 3339", ""},
		{"nothing said", key, "POST", "/v1/tickets", `{}`, 422, "title", "required", ""},
		{"invalid UTF-8", key, "POST", "/v1/tickets", "{\"title\":\"a\xffb\"}", 400, "", "not UTF-8 at byte 11", ""},
		{"NUL in an ID", key, "POST", "/v1/tickets", `{"title":"x","customerId":"a\u0000b"}`, 422, "customerId", "printed", ""},
		{"two megabytes", key, "POST", "/v1/tickets", `{"description":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "", "larger than 1048576 bytes", ""},
		{"form data", key, "POST", "/v1/tickets", `{"title":"x"}`, 415, "", "application/json", "application/x-www-form-urlencoded"},
		{"no key", "", "POST", "/v1/tickets", `{"title":"x"}`, 401, "", "API key is needed", ""},
		{"a key that is none", "sb_" + strings.Repeat("0", 64), "POST", "/v1/tickets", `{"title":"x"}`, 401, "", "unknown or revoked", ""},
		{"rubbish for a key", "' OR 1=1 --", "POST", "/v1/tickets", `{"title":"x"}`, 401, "", "unknown or revoked", ""},
		{"a key that may not", key, "DELETE", ticket, "", 403, "", "lacks the permission tickets:delete", ""},
		{"an empty comment", agent, "POST", comments, `{"content":" "}`, 422, "content", "required", ""},
		{"a comment of the wrong type", agent, "POST", comments, `{"content":"x","isPublic":"yes"}`, 422, "isPublic", "boolean", ""},
		{"a comment on no ticket", agent, "POST", "/v1/tickets/4711/comments", `{"content":"x"}`, 404, "id", "no such ticket", ""},
		{"an illegal move", agent, "PATCH", ticket + "/status", `{"status":"NEW","comment":"back to start"}`, 409, "status", "it can become", ""},
		{"a status that is none", agent, "PATCH", ticket + "/status", `{"status":"GONE"}`, 422, "status", "RESOLVED", ""},
		{"an agent that is none", agent, "POST", ticket + "/assign", `{"agentId":"nobody"}`, 422, "agentId", "configured agent", ""},
		{"a link to itself", agent, "POST", ticket + "/links", `{"type":"RELATES","ticketId":"` + uid + `"}`, 422, "ticketId", "", ""},
		{"a title of nothing", agent, "PATCH", ticket, `{"title":"  "}`, 422, "title", "empty", ""},
		{"an unknown parameter", key, "GET", "/v1/tickets?colour=red", "", 422, "colour", "not a known parameter", ""},
		{"a page without end", key, "GET", "/v1/tickets?limit=1000000", "", 422, "limit", "", ""},
		{"a method that is none", key, "PUT", "/v1/tickets", `{"title":"x"}`, 405, "", "", ""},
		{"a path that is none", key, "GET", "/v2/tickets", "", 404, "", "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			var headers []string
			if c.ask != "" {
				headers = []string{"Content-Type", c.ask}
			}
			a := l.ask(c.key, c.method, c.path, c.body, headers...).want(t, c.status)
			if c.field != "" && !a.names(c.field) {
				t.Errorf("the field %s is not named: %s", c.field, a.raw)
			}
			if !strings.Contains(a.text("detail"), c.detail) {
				t.Errorf("the detail %q does not say %q", a.text("detail"), c.detail)
			}
		})
	}
	if receipts, tickets, messages := l.kept(); receipts != 1 || tickets != 1 || messages != 1 {
		t.Errorf("%d receipts, %d tickets and %d messages are in the books, want the first one only", receipts, tickets, messages)
	}
	if after := l.ask(key, "GET", ticket, "").want(t, 200); string(after.raw) != string(before.raw) {
		t.Errorf("refused requests changed the ticket:\n%s\n%s", before.raw, after.raw)
	}
}

// TestNULIsLeftOut: PostgreSQL cannot keep a NUL, so no books do; all the rest of
// the text is kept, and the fact is not hidden from the sender, who gets the
// ticket back as it is.
func TestNULIsLeftOut(t *testing.T) {
	l := live(t, "")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	a := l.ask(key, "POST", "/v1/tickets", `{"title":"a\u0000b","description":"lone \ud800 half","tags":["t\u0000"],"customFields":{"k":"v\u0000w"}}`).want(t, 201)
	for _, got := range []reply{a, l.ask(key, "GET", "/v1/tickets/"+a.text("uid"), "").want(t, 200)} {
		if got.text("title") != "ab" || got.text("description") != "lone \ufffd half" || fmt.Sprint(got.json["tags"], got.json["customFields"]) != "[t] map[k:vw]" {
			t.Errorf("%s", got.raw)
		}
	}
}

// TestRevokedKey: a key that worked stops working within seconds.
func TestRevokedKey(t *testing.T) {
	l := live(t, "")
	l.answer()
	key := l.newKey(desk.RoleReader)
	l.ask(key, "GET", "/v1/tickets", "").want(t, 200)
	if code, _, err := command(t, nil, "keys", "revoke", "the reader", "--data", l.place.Data); code != 0 {
		t.Fatal(err)
	}
	l.later.Store(int64(5 * time.Second))
	a := l.ask(key, "GET", "/v1/tickets", "").want(t, 401)
	if !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) || strings.Contains(string(a.raw), key[:12]) {
		t.Errorf("%v %s", a.header, a.raw)
	}
}

// TestSameKeyAgain repeats requests under one Idempotency-Key.
func TestSameKeyAgain(t *testing.T) {
	l := live(t, "")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	other := l.newKey(desk.RoleAdmin)
	post := func(key, path, body string) reply {
		return l.ask(key, "POST", path, body, "Idempotency-Key", "8e03978e-40d5")
	}
	first := post(key, "/v1/tickets", sampleTicket).want(t, 201)
	again := post(key, "/v1/tickets", strings.ReplaceAll(sampleTicket, ",", ",\n ")).want(t, 201)
	if again.text("uid") != first.text("uid") || first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s and %s", first.raw, again.raw)
	}
	if a := post(key, "/v1/tickets", `{"title":"something else"}`).want(t, 422); !a.names("Idempotency-Key") {
		t.Errorf("%s", a.raw)
	}
	if a := post(other, "/v1/tickets", sampleTicket).want(t, 201); a.text("uid") == first.text("uid") {
		t.Error("the keys of two clients met")
	}
	comments := "/v1/tickets/" + first.text("uid") + "/comments"
	said := post(key, comments, sampleComment).want(t, 201)
	if a := post(key, comments, sampleComment).want(t, 201); a.text("id") != said.text("id") {
		t.Errorf("the comment was said twice: %s", a.raw)
	}
	if a := post(key, comments, `{"content":"something else"}`).want(t, 422); !a.names("Idempotency-Key") {
		t.Errorf("%s", a.raw)
	}
	for _, bad := range []string{strings.Repeat("k", 256), "smörgås"} {
		if a := l.ask(key, "POST", "/v1/tickets", sampleTicket, "Idempotency-Key", bad).want(t, 422); !a.names("Idempotency-Key") {
			t.Errorf("%s", a.raw)
		}
	}
	if receipts, tickets, messages := l.kept(); receipts != 2 || tickets != 2 || messages != 3 {
		t.Errorf("%d receipts, %d tickets and %d messages, want 2, 2 and 3", receipts, tickets, messages)
	}
}

// TestSameKeyAtOnce sends equal requests at the same moment.
func TestSameKeyAtOnce(t *testing.T) {
	l := live(t, "")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	const n = 20
	post := func(path, body, field string) string {
		got := make([]string, n)
		var g errgroup.Group
		for i := range n {
			g.Go(func() error {
				a, err := ask(t.Context(), key, "POST", l.url+path, body, "Idempotency-Key", "one")
				if err == nil && a.status != 201 {
					err = fmt.Errorf("%d: %s", a.status, a.raw)
				}
				got[i] = a.text(field)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, id := range got {
			if id != got[0] || id == "" {
				t.Fatalf("%d equal requests made %v", n, got)
			}
		}
		return got[0]
	}
	uid := post("/v1/tickets", sampleTicket, "uid")
	post("/v1/tickets/"+uid+"/comments", sampleComment, "id")
	if receipts, tickets, messages := l.kept(); receipts != 1 || tickets != 1 || messages != 2 {
		t.Errorf("%d receipts, %d tickets and %d messages, want 1, 1 and 2", receipts, tickets, messages)
	}
}

// TestBrokenConnections writes to the socket what an HTTP library would not:
// requests cut off, sizes that lie, headers without end.
func TestBrokenConnections(t *testing.T) {
	l := live(t, "limits: { bodyBytes: 1KB }\n")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	accepted := 0
	head := "POST /v1/tickets HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\nx-api-key: " + key + "\r\n"
	for _, c := range []struct {
		what, send string
		status     int  // 0: what the library makes of it
		cut        bool // the client goes away after that
	}{
		{"cut off in the body", head + "Content-Length: 100\r\n\r\n{\"title\":\"half", 400, true},
		{"cut off in the header", head + "Content-Le", 400, true},
		{"more than it says", head + "Content-Length: 13\r\nConnection: close\r\n\r\n{\"title\":\"x\"}{\"title\":\"y\"}", 201, false},
		{"two lengths", head + "Content-Length: 13\r\nContent-Length: 14\r\n\r\n{\"title\":\"x\"} ", 400, false},
		{"length and chunks", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nd\r\n{\"title\":\"z\"}\r\n0\r\n\r\n", 0, false},
		{"chunks without end", head + "Transfer-Encoding: chunked\r\n\r\n800\r\n" + strings.Repeat("x", 0x800) + "\r\n", 413, false},
		{"a chunk size that is none", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 400, false},
		{"a header without end", head + "X-Long: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", 431, false},
		{"no HTTP", "EHLO desk\r\n\r\n", 400, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(scriptPatience))
			go func() { // the server may answer before it has read all
				conn.Write([]byte(c.send))
				if c.cut {
					conn.(*net.TCPConn).CloseWrite()
				}
			}()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.status != 0 && resp.StatusCode != c.status {
				t.Errorf("%s, want %d", resp.Status, c.status)
			}
			if resp.StatusCode == http.StatusCreated {
				accepted++
			}
		})
	}
	if receipts, tickets, _ := l.kept(); receipts != accepted || tickets != accepted {
		t.Errorf("%d receipts and %d tickets, and %d were accepted", receipts, tickets, accepted)
	}
	l.ask(key, "GET", "/healthz", "").want(t, 200)
}

// TestRefusedWhileSending: who still sends a body that was refused hears why before the
// connection ends: it is not reset, which may take the answer away (RFC 9112 section 9.6).
func TestRefusedWhileSending(t *testing.T) {
	l := live(t, "limits: { bodyBytes: 1KB }\n")
	l.answer()
	key := l.newKey(desk.RoleIntegration)
	for _, length := range []string{"Content-Length: 2000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1e8480\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(scriptPatience))
		head := "POST /v1/tickets HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\nx-api-key: " + key + "\r\n"
		if _, err := io.WriteString(conn, head+length+strings.Repeat("x", 300<<10)); err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 413 ") {
			t.Errorf("%q, then %v", said, err)
		}
	}
}
