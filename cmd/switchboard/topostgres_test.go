package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
	"switchboard/workers/broker/program/programtest"
)

// TestToPostgres: docs/to-postgres takes the books of an installation on SQLite over to
// PostgreSQL, whatever characters are in them; the audit finds the same in both, and
// keys, numbers and what is held go on.
func TestToPostgres(t *testing.T) {
	programtest.Need(t, "sqlite3", "sqlite3")
	programtest.Need(t, "psql", "postgresql-client")
	dir, dsn := t.TempDir(), pgtest.New(t)
	odd := "Quotes ' \" \\, a tab\t, a bell\a, \\.\n\\.\n, a pipe |, a comma, \\N, \\x41, ümläut, 💬, " + strings.Repeat("long ", 30000)
	var key, comments string
	var held desk.Receipt
	t.Run("on SQLite", func(t *testing.T) {
		l := liveIn(t, dir, "rules:\n  - { name: odd, when: 'subject contains \"odd\"', then: { hold: ask } }\n")
		t.Cleanup(l.close)
		l.answer()
		key = l.newKey(desk.RoleAdmin)
		for _, body := range []map[string]any{{"title": "first", "description": odd, "tags": []string{"a", "b"}, "dueDate": "2027-01-02T03:04:05Z"},
			{"title": "second", "requester": map[string]any{"email": "ann@example.com"}, "customFields": map[string]any{"n": 1.5, "b": true}}} {
			l.ask(key, "POST", "/v1/tickets", jsonOf(t, body)).want(t, 201)
		}
		l.ask(key, "POST", "/v1/tickets/1/comments", jsonOf(t, map[string]any{"content": odd, "isPublic": true})).want(t, 201)
		l.ask(key, "POST", "/v1/tickets/1/links", `{"ticketId": "2"}`).want(t, 201)
		held = l.mail(fmt.Sprintf(strings.Replace(newsletter, "Ten per cent off", "an odd one", 1), 1), nil)
		comments = string(l.ask(key, "GET", "/v1/tickets/1/comments", "").want(t, 200).raw)
	})
	sqlite, postgres, data := filepath.Join(dir, "switchboard.yaml"), filepath.Join(dir, "postgres.yaml"), filepath.Join(dir, "data")
	for name, text := range map[string]string{"dsn": dsn, "postgres.yaml": "redis: { mode: embedded }\nlog: { level: warn }\ndatabase: { url: \"file:dsn\" }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	does := func(config string, args ...string) string {
		t.Helper()
		code, out, err := command(t, nil, append(args, "--config", config, "--data", data)...)
		if code != 0 {
			t.Fatalf("%v: exit code %d: %s%s", args, code, out, err)
		}
		return out
	}
	audit := func(config string) string {
		t.Helper()
		out := does(config, "audit", "--grace", "0s", "--digest")
		return out[:strings.LastIndex(out, "audit of ")]
	}
	move := func() (string, error) {
		out, err := exec.Command(filepath.Join("..", "..", "docs", "to-postgres"), filepath.Join(data, "switchboard.db"), dsn).CombinedOutput()
		return string(out), err
	}
	if out, err := move(); err == nil {
		t.Fatalf("it goes into a database without tables: %s", out)
	}
	before := audit(sqlite)
	does(postgres, "migrate")
	if out, err := move(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := move(); err == nil || !strings.Contains(out, "the database is not empty") {
		t.Fatalf("%v: %s", err, out)
	}
	if after := audit(postgres); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if out := does(postgres, "replay", "--state", "held"); out != string(held.ID)+" filed\n1 messages replayed: 1 filed\n" {
		t.Error(out)
	}
	l := &lived{t: t, place: place{Config: postgres, Data: data}}
	h, err := open(t.Context(), l.place, streams{strings.NewReader(""), t.Output(), t.Output(), noEnv})
	if err != nil {
		t.Fatal(err)
	}
	l.house = h
	t.Cleanup(l.close)
	l.answer()
	if got := string(l.ask(key, "GET", "/v1/tickets/1/comments", "").want(t, 200).raw); got != comments {
		t.Errorf("before:\n%.2000s\nafter:\n%.2000s", comments, got)
	}
	if a := l.ask(key, "POST", "/v1/tickets", `{"title": "the next"}`).want(t, 201); !strings.Contains(string(a.raw), `"number":4,`) {
		t.Errorf("%s", a.raw)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
