package chat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// TestCarriers: what each service is sent, as its documentation has it, and how
// its answer names the message.
func TestCarriers(t *testing.T) {
	type seen struct{ path, auth, kind, body string }
	for _, tc := range []struct {
		via, block string
		more       obj
		answer     string
		path, auth string
		wants      []string
		id         string
	}{
		{via: "twilio-sms", block: "token: tok, user: AC1", more: obj{"to": "+49170", "from": "+49180"}, answer: `{"sid":"SM9"}`,
			path: "/Accounts/AC1/Messages.json", auth: "Basic QUMxOnRvaw==", wants: []string{"From=%2B49180", "To=%2B49170", "Body=On+its+way"}, id: "SM9"},
		{via: "intercom", block: "token: tok, sender: '77'", more: obj{"conversation": "c1"}, answer: `{"conversation_parts":{"conversation_parts":[{"id":"1"},{"id":"2"}]}}`,
			path: "/conversations/c1/reply", auth: "Bearer tok", wants: []string{`"admin_id":"77"`, `"message_type":"comment"`, `strong`}, id: "2"},
		{via: "crisp", block: "token: key, user: ident", more: obj{"website": "w1", "session": "s1"}, answer: `{"data":{"fingerprint":123456}}`,
			path: "/website/w1/conversation/s1/message", auth: "Basic aWRlbnQ6a2V5", wants: []string{`"from":"operator"`, `On *its* way`}, id: "s1:123456"},
		{via: "chatwoot", block: "token: tok", more: obj{"account": 1, "conversation": 8}, answer: `{"id":55}`,
			path: "/api/v1/accounts/1/conversations/8/messages", wants: []string{`"message_type":"outgoing"`, `"private":false`, `On **its** way`}, id: "8:55"},
		{via: "discord", block: "token: tok", more: obj{"channel": "77", "user": "88"}, answer: `{"id":"999"}`,
			path: "/channels/77/messages", auth: "Bot tok", wants: []string{`@88`, `"enforce_nonce":true`, `"users":["88"]`}, id: "999"},
	} {
		t.Run(tc.via, func(t *testing.T) {
			got := make(chan seen, 10)
			status := http.StatusOK
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got <- seen{r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer server.Close()
			w := newTown(t, tokenBlock+"send: {via: "+tc.via+", url: '"+server.URL+"/', "+tc.block+"}\n")
			to, err := json.Marshal(address{Thread: "t", ID: "i", More: tc.more})
			if err != nil {
				t.Fatal(err)
			}
			r := &desk.Reply{Message: desk.Message{ID: desk.NewID[desk.MessageID](time.Now()), Text: "On **its** way"}, Thread: desk.Thread{Address: to}}
			r.Still = func(context.Context) error { return desk.ErrTaken } // others send it
			if _, err := w.sender().Send(t.Context(), r); !errors.Is(err, desk.ErrTaken) || len(got) > 0 {
				t.Fatalf("%v, %d calls", err, len(got))
			}
			r.Still = nil
			proof, err := w.sender().Send(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			s := <-got
			if s.path != tc.path || s.auth != tc.auth || proof.ExternalID != "shop:"+tc.id {
				t.Errorf("%+v %+v", s, proof)
			}
			for _, want := range tc.wants {
				if !strings.Contains(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(s.body), want) {
					t.Errorf("no %s in %s", want, s.body)
				}
			}
			status = http.StatusFound
			if _, err := w.sender().Send(t.Context(), r); !desk.IsPermanent(err) {
				t.Errorf("a redirect: %v", err)
			}
			status = http.StatusUnauthorized
			if _, err := w.sender().Send(t.Context(), r); !desk.IsPermanent(err) {
				t.Errorf("401: %v", err)
			}
			if to, err = json.Marshal(address{Thread: "../x"}); err != nil {
				t.Fatal(err)
			}
			r.Thread.Address = to
			for len(got) > 0 {
				<-got
			}
			if _, err := w.sender().Send(t.Context(), r); !desk.IsPermanent(err) {
				t.Errorf("an address of another service: %v", err)
			}
			if len(got) > 0 && strings.Contains((<-got).path, "..") {
				t.Error("an address left its path")
			}
		})
	}
}
