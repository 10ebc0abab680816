package chat

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

const genericMapping = `
mapping:
  each: body.events[]
  ignore: 'item.kind == "typing" ? "typing" : ""'
  id: item.id
  thread: up[0].conversation.id
  from: item.author.id
  fromName: item.author.name
  email: item.author.email
  subject: up[0].conversation.title
  text: item.text
  html: item.html
  sentAt: item.at
  act: item.act
  target: item.target
  attachments: item.files
  address: '{"room": up[0].conversation.room}'
`

func newFake(t *testing.T) *fakechat.Fake {
	f, err := fakechat.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func generic(f *fakechat.Fake) string {
	return "signature: {scheme: standard-webhooks, secret: " + fakechat.HookSecret + "}\nsend: {via: callback, url: " + f.CallbackURL() + ", secret: " + fakechat.CallbackSecret + "}\n" + genericMapping
}

type obj = map[string]any

func event(id, text string, more obj) obj {
	e := obj{"id": id, "text": text, "at": 1767225600, "author": obj{"id": 7, "name": "Ada", "email": "Ada@example.com"}}
	for k, v := range more {
		e[k] = v
	}
	return e
}

func talk(thread string, events ...obj) obj {
	return obj{"conversation": obj{"id": thread, "title": "Parcel", "room": 12345678901234567}, "events": events}
}

// TestGeneric: several messages of one request, a follow-up, an edit, a delete,
// the same again, a file, and the answer back.
func TestGeneric(t *testing.T) {
	f := newFake(t)
	w := newTown(t, generic(f))
	say := func(id string, v any) {
		t.Helper()
		status, text, err := f.Post(t.Context(), w.url, id, v)
		if err != nil || status != http.StatusOK {
			t.Fatal(status, text, err)
		}
	}
	data := "\x00\xff binary \r\n"
	say("1", talk("c1", event("m1", "It is **late**", obj{"files": []obj{{"name": "../../a b.bin", "content": "AP8gYmluYXJ5IA0K", "type": "application/x-thing"}}}), event("x", "", obj{"kind": "typing"}), event("m2", "Hello?", nil)))
	say("2", talk("c1", event("m3", "", obj{"html": "<p>Still <b>late</b></p><script>x</script>"})))
	say("3", talk("c1", event("e1", "It is here", obj{"act": "edit", "target": "m1"})))
	say("4", talk("c1", event("e2", "", obj{"act": "delete", "target": "m2"})))
	say("1", talk("c1", event("m1", "It is **late**", nil), event("m2", "Hello?", nil)))
	ds := w.h.drafts()
	if len(ds) != 5 || w.h.again != 2 {
		t.Fatalf("%d drafts, %d again", len(ds), w.h.again)
	}
	d := ds[0]
	if d.ExternalID != "shop:m1" || d.Thread.Key != "shop:c1" || d.From != (desk.Party{Name: "Ada", Handle: "shop:7"}) || d.Text != "It is **late**" || d.Subject != "Parcel" ||
		!d.SentAt.Equal(time.Unix(1767225600, 0)) || d.Profile == nil || d.Profile.Email != "ada@example.com" || d.Profile.EmailVerified {
		t.Errorf("%+v %+v", d, d.Profile)
	}
	if len(d.Attachments) != 1 || d.Attachments[0].Name != "a b.bin" || w.h.bytes(t, d.Attachments[0].Blob) != data {
		t.Errorf("%+v", d.Attachments)
	}
	if ds[2].Text != "Still **late**" || ds[2].Thread.Key != "shop:c1" || !strings.Contains(w.h.bytes(t, ds[2].HTML), "<b>late") {
		t.Errorf("%q", ds[2].Text)
	}
	if ds[3].Act != desk.ActEdit || ds[3].Target != "shop:m1" || ds[3].ExternalID != "shop:e1" || ds[4].Act != desk.ActDelete || ds[4].Target != "shop:m2" {
		t.Errorf("%+v %+v", ds[3], ds[4])
	}
	proof, err := w.sender().Send(t.Context(), reply(ds[1], "On **its** way"))
	if err != nil {
		t.Fatal(err)
	}
	got := f.Sent()[0]
	if got.To != "c1" || got.Answers != "m2" || got.Text != "On **its** way" || got.Callback["html"] != "<p>On <strong>its</strong> way</p>\n" && !strings.Contains(got.Callback["html"].(string), "<strong>its</strong>") ||
		got.Callback["plain"] == got.Text || proof.ExternalID != "shop:"+got.ID {
		t.Errorf("%+v %+v", got, proof)
	}
	if room := got.Callback["address"].(obj)["room"]; room.(float64) != 12345678901234567 {
		t.Errorf("%v", room)
	}
}

// TestCallbackFaults: what each failure of the other side means.
func TestCallbackFaults(t *testing.T) {
	f := newFake(t)
	w := newTown(t, generic(f))
	if status, text, err := f.Post(t.Context(), w.url, "1", talk("c1", event("m1", "Hi", nil))); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	r := reply(w.h.drafts()[0], "Hi")
	f.Fail(fakechat.Fault{Status: 429, After: 7 * time.Second}, fakechat.Fault{Status: 422}, fakechat.Fault{Status: 500}, fakechat.Fault{})
	_, err := w.sender().Send(t.Context(), r)
	var later *channels.Later
	if !errors.As(err, &later) || later.After != 7*time.Second {
		t.Errorf("429: %v", err)
	}
	if _, err = w.sender().Send(t.Context(), r); !desk.IsPermanent(err) {
		t.Errorf("422: %v", err)
	}
	if _, err = w.sender().Send(t.Context(), r); err == nil || desk.IsPermanent(err) {
		t.Errorf("500: %v", err)
	}
	if _, err = w.sender().Send(t.Context(), r); err == nil || desk.IsPermanent(err) {
		t.Errorf("cut: %v", err)
	}
	for range 2 { // the receiver takes it once
		if _, err = w.sender().Send(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	if len(f.Sent()) != 1 {
		t.Errorf("%d sent", len(f.Sent()))
	}
	r.Thread.Address = nil
	if _, err = w.sender().Send(t.Context(), r); !desk.IsPermanent(err) {
		t.Errorf("no address: %v", err)
	}
}

func telegramBlock(f *fakechat.Fake) string {
	return "preset: telegram\nsignature: {secret: " + fakechat.TelegramSecret + "}\nsend: {url: " + f.TelegramURL() + ", token: '" + fakechat.TelegramToken + "'}\n"
}

func TestTelegram(t *testing.T) {
	f := newFake(t)
	w := newTown(t, telegramBlock(f))
	send := func(update obj) {
		t.Helper()
		status, text, err := f.Telegram(t.Context(), w.url, update)
		if err != nil || status != http.StatusOK {
			t.Fatal(status, text, err)
		}
	}
	f.AddFile("F1", []byte("file bytes\x00"))
	first := fakechat.TelegramMessage(4711, 10, "Ada", "Where is it?", 1767225600)
	send(obj{"update_id": 1, "message": first})
	send(obj{"update_id": 1, "message": first})
	photo := fakechat.TelegramMessage(4711, 11, "Ada", "", 1767225700)
	delete(photo, "text")
	photo["caption"] = "look"
	photo["reply_to_message"] = obj{"message_id": 10}
	photo["document"] = obj{"file_id": "F1", "file_name": "a.pdf", "mime_type": "application/pdf"}
	photo["photo"] = []obj{{"file_id": "small"}, {"file_id": "gone"}}
	send(obj{"update_id": 2, "message": photo})
	edited := fakechat.TelegramMessage(4711, 10, "Ada", "Where is my parcel?", 1767225600)
	edited["edit_date"] = 1767225800
	send(obj{"update_id": 3, "edited_message": edited})
	send(obj{"update_id": 4, "my_chat_member": obj{}})
	ds := w.h.drafts()
	if len(ds) != 3 || w.h.again != 1 {
		t.Fatalf("%d drafts, %d again", len(ds), w.h.again)
	}
	d := ds[0]
	if d.ExternalID != "shop:4711:10" || d.Thread.Key != "shop:4711" || d.From != (desk.Party{Name: "Ada", Handle: "telegram:4711"}) || d.Profile.Language != "de" {
		t.Errorf("%+v", d)
	}
	if x := ds[1]; x.Text != "look" || len(x.Attachments) != 1 || x.Attachments[0].Name != "a.pdf" || w.h.bytes(t, x.Attachments[0].Blob) != "file bytes\x00" || len(x.Damage) != 1 || x.Thread.Key != d.Thread.Key || len(x.References) != 1 || x.References[0] != d.ExternalID {
		t.Errorf("%+v", x)
	}
	if x := ds[2]; x.Act != desk.ActEdit || x.Target != d.ExternalID || x.ExternalID == d.ExternalID || x.Text != "Where is my parcel?" {
		t.Errorf("%+v", x)
	}
	r := reply(d, "# Soon\n\nIt is **on** its _way_ & `x<y`:\n\n- one\n- [two](https://example.com/?a=1&b=2)\n\n> quoted")
	ref, err := w.h.Put(context.Background(), strings.NewReader("pdf"))
	if err != nil {
		t.Fatal(err)
	}
	r.Message.Attachments = []desk.Attachment{{Name: "label.pdf", ContentType: "application/pdf", Blob: ref}}
	proof, err := w.sender().Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	sent := f.Sent()
	want := "<b>Soon</b>\n\nIt is <b>on</b> its <i>way</i> &amp; <code>x&lt;y</code>:\n\n• one\n• <a href=\"https://example.com/?a=1&amp;b=2\">two</a>\n\n<blockquote>quoted</blockquote>"
	if len(sent) != 2 || sent[0].To != "4711" || sent[0].Answers != "10" || sent[0].Text != want || string(sent[1].Files["label.pdf"]) != "pdf" || proof.ExternalID != "shop:4711:"+sent[0].ID {
		t.Errorf("%+v\nwant %s", sent, want)
	}
	if _, err := w.sender().Send(t.Context(), reply(d, strings.Repeat("A **long** story. ", 700))); err != nil {
		t.Error(err)
	}
	f.Fail(fakechat.Fault{Status: 403}, fakechat.Fault{})
	if _, err := w.sender().Send(t.Context(), reply(d, "x")); !desk.IsPermanent(err) {
		t.Errorf("blocked: %v", err)
	}
	if _, err := w.sender().Send(t.Context(), reply(d, "x")); !errors.Is(err, channels.ErrCutOff) || strings.Contains(err.Error(), fakechat.TelegramToken) {
		t.Errorf("cut: %v", err)
	}
}

func TestWhatsApp(t *testing.T) {
	f := newFake(t)
	w := newTown(t, "preset: whatsapp\nverifyToken: "+fakechat.VerifyToken+"\nsignature: {secret: "+fakechat.AppSecret+"}\nsend: {url: '"+f.WhatsAppURL()+"', token: "+fakechat.AccessToken+"}\n")
	if err := f.Subscribe(t.Context(), w.url); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"", "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong"} {
		resp, err := http.Get(w.url + q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Error(q, resp.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	f.AddFile("media1", []byte("jpeg"))
	status, text, err := f.WhatsApp(t.Context(), w.url, "49170", "Ada",
		obj{"id": "wamid.1", "timestamp": "1767225600", "type": "text", "text": obj{"body": "Hi"}},
		obj{"id": "wamid.2", "timestamp": "1767225601", "type": "image", "image": obj{"id": "media1", "mime_type": "image/jpeg", "caption": "see"}},
		obj{"id": "wamid.3", "timestamp": "1767225602", "type": "reaction", "reaction": obj{"emoji": "x"}})
	if err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	ds := w.h.drafts()
	if len(ds) != 2 || ds[0].From != (desk.Party{Name: "Ada", Handle: "whatsapp:49170"}) || ds[0].Thread.Key != ds[1].Thread.Key || ds[0].Profile.Phone != "+49170" || ds[1].Text != "see" ||
		len(ds[1].Attachments) != 1 || w.h.bytes(t, ds[1].Attachments[0].Blob) != "jpeg" {
		t.Fatalf("%+v", ds)
	}
	proof, err := w.sender().Send(t.Context(), reply(ds[1], "It is **here**, see [the map](https://example.com/m)"))
	sent := f.Sent()
	if err != nil || sent[0].To != "49170" || sent[0].Answers != "wamid.2" || sent[0].Text != "It is *here*, see the map (https://example.com/m)" || proof.ExternalID != "shop:"+sent[0].ID {
		t.Errorf("%v %+v", err, sent)
	}
	if out := w.post(`{"entry":[{"changes":[{"value":{"statuses":[{}]}}]}]}`, "X-Hub-Signature-256", fakechat.HubSignature(fakechat.AppSecret, []byte(`{"entry":[{"changes":[{"value":{"statuses":[{}]}}]}]}`))); out.Code != 200 {
		t.Error(out.Code, out.Body)
	}
}

// TestOtherPresets: each service's own shape, signed its way.
func TestOtherPresets(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	discordSigned := func(body string) []string {
		return []string{"X-Signature-Timestamp", stamp, "X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(private, []byte(stamp+body)))}
	}
	form := "AccountSid=AC1&Body=Hello&From=%2B49170&MessageSid=SM1&NumMedia=0&To=%2B49180"
	for _, tc := range []struct {
		name, block, body, kind string
		headers                 func(body string) []string
		id, thread, from, text  string
		act                     desk.Act
		says                    string
	}{
		{name: "twilio", block: "preset: twilio-sms\nurl: https://desk.example/hooks/chat/shop\nsignature: {secret: tok}", body: form, kind: "application/x-www-form-urlencoded",
			headers: func(string) []string {
				return []string{"X-Twilio-Signature", b64(sum("sha1", "tok", "https://desk.example/hooks/chat/shop", "AccountSidAC1BodyHelloFrom+49170MessageSidSM1NumMedia0To+49180"))}
			}, id: "SM1", thread: "+49180:+49170", from: "phone:+49170", text: "Hello", says: "<Response>"},
		{name: "intercom", block: "preset: intercom\nsignature: {secret: cs}",
			body: `{"topic":"conversation.user.replied","data":{"item":{"id":"c9","source":{"id":"s","body":"<p>old</p>"},"conversation_parts":{"conversation_parts":[{"id":"p2","body":"<p>Hi <b>you</b></p>","author":{"id":"u1","name":"Ada","email":"ada@example.com"},"created_at":1767225600}]}}}}`,
			headers: func(b string) []string {
				return []string{"X-Hub-Signature", "sha1=" + hex.EncodeToString(sum("sha1", "cs", b))}
			},
			id: "p2", thread: "c9", from: "intercom:u1", text: "Hi **you**"},
		{name: "crisp", block: "preset: crisp\nsignature: {secret: cs}",
			body: `{"website_id":"w1","event":"message:removed","timestamp":1767225600000,"data":{"website_id":"w1","session_id":"s1","fingerprint":99}}`,
			headers: func(b string) []string {
				return []string{"X-Crisp-Request-Timestamp", stamp, "X-Crisp-Signature", hex.EncodeToString(sum("sha256", "cs", "["+stamp+";"+b+"]"))}
			}, id: "message:removed:99:1767225600000", thread: "s1", from: "crisp:s1", act: desk.ActDelete},
		{name: "chatwoot", block: "preset: chatwoot\nsignature: {scheme: bearer, secret: cs}",
			body:    `{"event":"message_created","id":5,"content":"Hi","message_type":"incoming","private":false,"created_at":"2026-01-01T00:00:00.000Z","sender":{"id":3,"name":"Ada"},"conversation":{"id":8},"account":{"id":1}}`,
			headers: func(string) []string { return []string{"Authorization", "Bearer cs"} },
			id:      "8:5", thread: "8", from: "chatwoot:3", text: "Hi"},
		{name: "discord", block: "preset: discord\nsignature: {publicKey: " + hex.EncodeToString(public) + "}",
			body:    `{"id":"i1","type":2,"channel_id":"77","member":{"user":{"id":"88","username":"ada"}},"data":{"name":"ticket","options":[{"name":"text","type":3,"value":"Help"}]}}`,
			headers: discordSigned, id: "i1", thread: "77:88", from: "discord:88", text: "Help", says: `"type":4`},
		{name: "discord ping", block: "preset: discord\nsignature: {publicKey: " + hex.EncodeToString(public) + "}", body: `{"type":1}`, headers: discordSigned, says: `"type":1`},
		{name: "intercom ping", block: "preset: intercom\nsignature: {secret: cs}", body: `{"topic":"ping"}`,
			headers: func(b string) []string {
				return []string{"X-Hub-Signature", "sha1=" + hex.EncodeToString(sum("sha1", "cs", b))}
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newTown(t, tc.block)
			headers := tc.headers(tc.body)
			if tc.kind != "" {
				headers = append(headers, "Content-Type", tc.kind)
			}
			out := w.post(tc.body, headers...)
			if out.Code != 200 || !strings.Contains(out.Body.String(), tc.says) {
				t.Fatal(out.Code, out.Body)
			}
			if bad := w.post(tc.body+" ", headers...); bad.Code != http.StatusUnauthorized && tc.name != "chatwoot" {
				t.Error("a changed body was taken", bad.Code)
			}
			if tc.id == "" {
				if n := len(w.h.drafts()); n != 0 {
					t.Errorf("%d drafts", n)
				}
				return
			}
			d := w.h.drafts()[0]
			if d.ExternalID != "shop:"+tc.id || d.Thread.Key != "shop:"+tc.thread || d.From.Handle != tc.from || d.Text != tc.text || d.Act != tc.act {
				b, _ := json.Marshal(d)
				t.Errorf("%s", b)
			}
		})
	}
}

// TestTelegramTopic: a topic of a group is a conversation of its own, and is
// answered there.
func TestTelegramTopic(t *testing.T) {
	f := newFake(t)
	w := newTown(t, telegramBlock(f))
	m := fakechat.TelegramMessage(4711, 10, "Ada", "Hi", 1767225600)
	m["chat"], m["message_thread_id"] = obj{"id": -1001234567890, "type": "supergroup"}, 5
	if status, text, err := f.Telegram(t.Context(), w.url, obj{"update_id": 1, "message": m}); err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
	d := w.h.drafts()[0]
	if d.Thread.Key != "shop:-1001234567890:5" || d.From.Handle != "telegram:4711" {
		t.Errorf("%+v", d)
	}
	if _, err := w.sender().Send(t.Context(), reply(d, "Hi")); err != nil {
		t.Fatal(err)
	}
	if s := f.Sent()[0]; s.To != "-1001234567890" || s.Topic != "5" {
		t.Errorf("%+v", s)
	}
}
