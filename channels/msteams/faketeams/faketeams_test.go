package faketeams

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestBadBot: what a bot does wrong is refused, and told.
func TestBadBot(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	chat := s.Personal(s.Person("Ada", "ada@example.com"))
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.AppID}, "client_secret": {"wrong"}, "scope": {Issuer + "/.default"}}
	login := func() (int, string) {
		res, err := s.client.PostForm(s.TokenURL(), form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer struct {
			Token string `json:"access_token"`
		}
		json.NewDecoder(res.Body).Decode(&answer)
		return res.StatusCode, answer.Token
	}
	if status, _ := login(); status != 401 {
		t.Errorf("a wrong password: %d", status)
	}
	form.Set("client_secret", s.Password)
	status, token := login()
	if status != 200 || token == "" {
		t.Fatalf("login: %d", status)
	}
	path := "v3/conversations/" + url.PathEscape(chat.ID) + "/activities"
	good := `{"type":"message","from":{"id":"` + s.Bot().ID + `"},"conversation":{"id":"` + chat.ID + `"},"text":"hello"}`
	for name, c := range map[string]struct {
		method, path, token, body string
		status, problems          int
	}{
		"good":                   {"POST", path, token, good, 201, 0},
		"no token":               {"POST", path, "", good, 401, 1},
		"another token":          {"POST", path, "x", good, 401, 0},
		"no JSON":                {"POST", path, token, "hello", 400, 1},
		"year 1":                 {"POST", path, token, strings.Replace(good, `"text"`, `"expiration":"0001-01-01T00:00:00Z","text"`, 1), 400, 1},
		"empty members":          {"POST", path, token, strings.Replace(good, `"text"`, `"suggestedActions":{},"text"`, 1), 400, 1},
		"says nothing":           {"POST", path, token, strings.Replace(good, "hello", "", 1), 400, 1},
		"not from the bot":       {"POST", path, token, strings.Replace(good, "28:", "29:", 1), 400, 1},
		"another conversation":   {"POST", path, token, strings.Replace(good, chat.ID, "other", 1), 400, 1},
		"unknown conversation":   {"POST", "v3/conversations/other/activities", token, strings.Replace(good, chat.ID, "other", 1), 404, 0},
		"unknown activity":       {"POST", path + "/42", token, strings.Replace(good, `"text"`, `"replyToId":"42","text"`, 1), 404, 0},
		"replyToId not the path": {"POST", path, token, strings.Replace(good, `"text"`, `"replyToId":"42","text"`, 1), 400, 1},
		"too large":              {"POST", path, token, strings.Replace(good, "hello", strings.Repeat("a", 110<<10), 1), 413, 1},
		"delete what is not":     {"DELETE", path + "/42", token, "", 404, 0},
		"unknown member":         {"GET", "v3/conversations/" + url.PathEscape(chat.ID) + "/members/nobody", token, "", 404, 0},
	} {
		before := len(s.Problems())
		req, _ := http.NewRequest(c.method, s.ServiceURL()+c.path, strings.NewReader(c.body))
		req.Header.Set("Content-Type", "application/json")
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || len(s.Problems())-before != c.problems {
			t.Errorf("%s: %d with %d problems, want %d with %d", name, res.StatusCode, len(s.Problems())-before, c.status, c.problems)
		}
	}
	if sent := s.Sent(); len(sent) != 1 || sent[0].Text() != "hello" {
		t.Errorf("sent %+v", sent)
	}
}
