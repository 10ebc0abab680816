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

	"switchboard/channels"
	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

// TestTelegramEdit: what was sent is changed and taken back, each as often as
// one likes.
func TestTelegramEdit(t *testing.T) {
	f := newFake(t)
	w := newTown(t, telegramBlock(f))
	if status, text, err := f.Telegram(t.Context(), w.url, obj{"update_id": 1, "message": fakechat.TelegramMessage(4711, 10, "Ada", "Hi", 1767225600)}); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	d := w.h.drafts()[0]
	e := w.ad.(channels.Editor)
	r := reply(d, strings.Repeat("A **long** story. ", 300))
	proof, err := w.sender().Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	n := len(f.Sent())
	if n < 2 {
		t.Fatalf("%d parts", n)
	}
	old := r.Message.Text
	r.Message.Text = "A **short** one"
	for range 2 {
		if err := e.Edit(t.Context(), r, proof.ExternalID); err != nil {
			t.Fatal(err)
		}
	}
	s := f.Sent()
	if len(s) != n || s[0].Text != "A <b>short</b> one" || !s[0].Edited || s[1].Edited {
		t.Errorf("%+v", s)
	}
	r.Message.Text = old
	if err := e.Edit(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("too long: %v", err)
	}
	if err := e.Remove(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) || !strings.Contains(err.Error(), "only the first") {
		t.Errorf("several: %v", err)
	}
	r.Message.Text = " "
	if err := e.Edit(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) {
		t.Errorf("empty: %v", err)
	}
	r.Message.Text = "x"
	for range 2 {
		if err := e.Remove(t.Context(), r, proof.ExternalID); err != nil {
			t.Error(err)
		}
	}
	if s := f.Sent(); !s[0].Removed || s[0].Text != "A <b>short</b> one" || s[1].Removed {
		t.Errorf("%+v", s)
	}
	if err := e.Edit(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) || !strings.Contains(err.Error(), "not found") {
		t.Errorf("an edit of what is gone: %v", err)
	}
	for _, id := range []string{"", "shop:", "shop:sent:1", "shop:1:9001", "other:4711:9001", "shop:4711:x", "shop:4711"} {
		if err := e.Edit(t.Context(), r, id); !desk.IsPermanent(err) {
			t.Errorf("edit %q: %v", id, err)
		}
		if err := e.Remove(t.Context(), r, id); !desk.IsPermanent(err) {
			t.Errorf("remove %q: %v", id, err)
		}
	}
	f.Fail(fakechat.Fault{}, fakechat.Fault{Status: 429, After: 3 * time.Second})
	if err := e.Edit(t.Context(), r, proof.ExternalID); err == nil || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) {
		t.Errorf("cut: %v", err)
	}
	var later *channels.Later
	if err := e.Remove(t.Context(), r, proof.ExternalID); !errors.As(err, &later) || later.After != 3*time.Second {
		t.Errorf("429: %v", err)
	}
}

// TestDiscordEdit: the calls are Discord's, and a message that is gone is gone.
func TestDiscordEdit(t *testing.T) {
	type seen struct{ what, body string }
	got := make(chan seen, 10)
	status, answer := http.StatusOK, `{"id":"999"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- seen{r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization"), string(b)}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	w := newTown(t, tokenBlock+"send: {via: discord, url: '"+server.URL+"', token: tok}\n")
	e := w.ad.(channels.Editor)
	r := replyTo(t, "New", obj{"channel": "77", "user": "88"})
	if err := e.Edit(t.Context(), r, "shop:999"); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s.what != "PATCH /channels/77/messages/999 Bot tok" || !strings.Contains(s.body, `New`) || !strings.Contains(s.body, `"users":["88"]`) {
		t.Errorf("%+v", s)
	}
	status, answer = http.StatusNoContent, ""
	if err := e.Remove(t.Context(), r, "shop:999"); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s.what != "DELETE /channels/77/messages/999 Bot tok" || s.body != "" {
		t.Errorf("%+v", s)
	}
	status, answer = http.StatusNotFound, `{"message":"Unknown Message","code":10008}`
	if err := e.Remove(t.Context(), r, "shop:999"); err != nil {
		t.Error(err)
	}
	if err := e.Edit(t.Context(), r, "shop:999"); !desk.IsPermanent(err) {
		t.Errorf("an edit of what is gone: %v", err)
	}
	answer = `{"message":"Unknown Channel","code":10003}`
	if err := e.Remove(t.Context(), r, "shop:999"); !desk.IsPermanent(err) {
		t.Errorf("another channel: %v", err)
	}
	for range 3 {
		<-got
	}
	r.Message.Text = strings.Repeat("long ", 1000)
	if err := e.Edit(t.Context(), r, "shop:999"); !desk.IsPermanent(err) || len(got) != 0 {
		t.Errorf("too long: %v", err)
	}
	if err := e.Edit(t.Context(), r, "shop:../../users"); !desk.IsPermanent(err) || len(got) != 0 {
		t.Errorf("an ID left its path: %v", err)
	}
}

func replyTo(t *testing.T, text string, more obj) *desk.Reply {
	t.Helper()
	to, err := json.Marshal(address{Thread: "t", ID: "i", More: more})
	if err != nil {
		t.Fatal(err)
	}
	return &desk.Reply{Message: desk.Message{ID: desk.NewID[desk.MessageID](time.Now()), Text: text}, Thread: desk.Thread{Address: to}}
}

// TestAbilities: a source is an Editor only when its service can edit, a Sender
// only when it sends, and a reply with files fails before anything left when the
// service is not given files.
func TestAbilities(t *testing.T) {
	called := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		_, _ = io.WriteString(w, `{"id":"1","result":{"message_id":1}}`)
	}))
	defer server.Close()
	all := obj{"phone": "1", "to": "2", "from": "3", "conversation": "4", "website": "5", "session": "6", "account": "7", "channel": "8", "chat": "9"}
	for via, can := range map[string]struct{ edit, files bool }{
		"callback": {false, true}, "telegram": {true, true}, "discord": {true, false}, "whatsapp": {}, "twilio-sms": {},
		"intercom": {true, false}, "crisp": {true, false}, "chatwoot": {true, false},
	} {
		w := newTown(t, tokenBlock+"send: {via: "+via+", url: '"+server.URL+"', token: tok, user: u, sender: '7', secret: "+fakechat.CallbackSecret+"}\n")
		if _, ok := w.ad.(channels.Editor); ok != can.edit {
			t.Errorf("%s: an Editor: %v", via, ok)
		}
		r := replyTo(t, "See the file", all)
		ref, err := w.h.Put(context.Background(), strings.NewReader("pdf"))
		if err != nil {
			t.Fatal(err)
		}
		r.Message.Attachments = []desk.Attachment{{Name: "a.pdf", Blob: ref}}
		_, err = w.sender().Send(t.Context(), r)
		if can.files != (err == nil) || can.files == (len(called) == 0) {
			t.Errorf("%s: %v, %d calls", via, err, len(called))
		}
		if !can.files && (!desk.IsPermanent(err) || !strings.Contains(err.Error(), "this service is not given files")) {
			t.Errorf("%s: %v", via, err)
		}
		for len(called) > 0 {
			<-called
		}
	}
	if len(carriers) != 8 {
		t.Errorf("%d ways of sending, 8 are known here", len(carriers))
	}
	if w := newTown(t, tokenBlock); true {
		_, sends := w.ad.(channels.Sender)
		_, edits := w.ad.(channels.Editor)
		if sends || edits {
			t.Error("a source that only listens says it can send")
		}
	}
}
