package chat

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

// line is a transport that is a function.
type line func(*http.Request) (*http.Response, error)

func (l line) RoundTrip(r *http.Request) (*http.Response, error) { return l(r) }

// The files of one request have one time together, however many messages they
// belong to: a request of two messages whose files hang is taken, with the damage
// noted, and not refused again and again.
func TestTheFilesOfARequestHaveOneTime(t *testing.T) {
	w := newTown(t, "signature: {scheme: bearer, secret: s3cret-s3cret-s3cret}\nattachments: {hosts: [files.example.com], timeout: 5s}\n"+
		"mapping: {each: 'body.list[]', from: item.who, text: item.says, attachments: item.file}\n")
	var mu sync.Mutex
	var until []time.Time
	w.a.files.Transport = line(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		end, _ := r.Context().Deadline()
		until = append(until, end)
		return nil, errors.New("hangs")
	})
	got := w.post(`{"list": [{"who": "ada", "says": "one", "file": "https://files.example.com/1"}, {"who": "bo", "says": "two", "file": "https://files.example.com/2"}]}`, "Authorization", "Bearer s3cret-s3cret-s3cret")
	if ds := w.h.drafts(); got.Code != 200 || len(ds) != 2 || len(ds[0].Damage) != 1 || len(ds[1].Damage) != 1 {
		t.Fatalf("status %d %s, %d drafts", got.Code, got.Body, len(ds))
	}
	if len(until) != 2 || until[0].IsZero() || !until[0].Equal(until[1]) {
		t.Errorf("they have until %v", until)
	}
}

// A part of a form whose name cannot be read is a file without a name.
func TestAPartWithAnImpossibleNameIsKept(t *testing.T) {
	w := newTown(t, "signature: {scheme: bearer, secret: s3cret-s3cret-s3cret}\nmapping: {from: body.who, text: body.says, attachments: files}\n")
	body := "--x\r\nContent-Disposition: form-data; name=\"who\"\r\n\r\nada\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"says\"\r\n\r\nsee the file\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"the \"last\" bill.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--x--\r\n"
	got := w.post(body, "Authorization", "Bearer s3cret-s3cret-s3cret", "Content-Type", "multipart/form-data; boundary=x")
	if ds := w.h.drafts(); got.Code != 200 || len(ds) != 1 || len(ds[0].Attachments) != 1 || w.h.bytes(t, ds[0].Attachments[0].Blob) != "%PDF" || ds[0].Attachments[0].ContentType != "application/pdf" {
		t.Errorf("status %d %s, %+v", got.Code, got.Body, ds)
	}
}

// What a service took without naming it has an ID of its own, not one that it
// shares with the next.
func TestWhatIsNotNamedHasAnIDOfItsOwn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer server.Close()
	for via, block := range map[string]string{"crisp": "token: key, user: ident", "chatwoot": "token: tok"} {
		w := newTown(t, tokenBlock+"send: {via: "+via+", url: '"+server.URL+"', "+block+"}\n")
		r := replyTo(t, "On its way", obj{"account": 1, "conversation": 8, "website": "w1", "session": "s1"})
		proof, err := w.sender().Send(t.Context(), r)
		if err != nil || proof.ExternalID != "shop:"+unnamed+string(r.Message.ID) {
			t.Errorf("%s: %+v, %v", via, proof, err)
		}
	}
}

// A reply of which nothing is left to send is not called sent.
func TestNothingIsNotSent(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	for _, via := range []string{"telegram", "whatsapp", "twilio-sms"} {
		w := newTown(t, tokenBlock+"send: {via: "+via+", url: '"+server.URL+"', token: tok, user: AC1}\n")
		r := replyTo(t, " \n", obj{"chat": 1, "phone": "77", "to": "+49170", "from": "+49180"})
		if proof, err := w.sender().Send(t.Context(), r); !desk.IsPermanent(err) || calls > 0 {
			t.Errorf("%s: sent in %d calls: %+v, %v", via, calls, proof, err)
		}
	}
}

// What a customer sends and no words stand for is a message all the same.
func TestWhatHasNoWordsIsAMessage(t *testing.T) {
	f := newFake(t)
	telegram := newTown(t, telegramBlock(f))
	for text, what := range map[string]string{
		"👍":          `"sticker": {"file_id": "S1", "emoji": "👍"}`,
		"Which one?": `"poll": {"id": "1", "question": "Which one?"}`,
		"🎲":          `"dice": {"emoji": "🎲", "value": 3}`,
		"":           `"video_note": {"file_id": "V1", "duration": 3}`,
	} {
		before := len(telegram.h.drafts())
		got := telegram.post(`{"update_id": 1, "message": {"message_id": `+string(rune('1'+before))+`, "from": {"id": 7, "first_name": "Ada"}, "chat": {"id": 7}, "date": 1767225600, `+what+`}}`,
			"X-Telegram-Bot-Api-Secret-Token", fakechat.TelegramSecret)
		if ds := telegram.h.drafts(); got.Code != 200 || len(ds) != before+1 || ds[before].Text != text {
			t.Errorf("%s: status %d %s, %d drafts", what, got.Code, got.Body, len(ds))
		}
	}
	whatsapp := newTown(t, "preset: whatsapp\nsignature: {scheme: bearer, secret: s3cret-s3cret-s3cret}\n")
	message := func(id, what string) string {
		return `{"id": "` + id + `", "from": "49170", "timestamp": "1767225600", ` + what + `}`
	}
	got := whatsapp.post(`{"entry": [{"changes": [{"value": {"metadata": {"phone_number_id": "1"}, "messages": [`+strings.Join([]string{
		message("a", `"type": "text", "text": {"body": "hello"}`),
		message("b", `"type": "unsupported", "errors": [{"code": 131051}]`),
		message("c", `"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "{\"size\": 4}"}}`),
		message("d", `"type": "order", "order": {"catalog_id": "1"}`),
		message("e", `"type": "image", "image": {"id": "M1"}`),
		message("f", `"type": "contacts", "contacts": [{"name": {"formatted_name": "Bo"}, "phones": [{"phone": "+49 30 1"}]}, {"name": {"formatted_name": "Cy"}}]`),
	}, ", ")+`]}}]}]}`, "Authorization", "Bearer s3cret-s3cret-s3cret")
	ds := whatsapp.h.drafts()
	if got.Code != 200 || len(ds) != 6 {
		t.Fatalf("status %d %s, %d drafts", got.Code, got.Body, len(ds))
	}
	for i, want := range []string{"hello", "(a message of the type unsupported, which cannot be shown as text)", `{"size": 4}`, "(a message of the type order, which cannot be shown as text)", "", "Contact: Bo +49 30 1 (and others, which the request has)"} {
		if ds[i].Text != want {
			t.Errorf("message %d says %q, want %q", i+1, ds[i].Text, want)
		}
	}
}
