package msteams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/msteams/faketeams"
	"switchboard/pipeline/desk"
)

// asked is a house with one message in it.
func asked(t *testing.T, o options) (*house, *desk.Draft) {
	h := newHouse(t, o)
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "help"), 200)
	return h, h.one(t)
}

// onSend makes what the bot says go wrong.
func onSend(f faketeams.Fault) func(*http.Request) *faketeams.Fault {
	return func(r *http.Request) *faketeams.Fault {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/activities") {
			return &f
		}
		return nil
	}
}

func TestSendErrors(t *testing.T) {
	for name, c := range map[string]struct {
		fault             faketeams.Fault
		permanent, cutOff bool
		later             time.Duration
		says              string
		sent              int // what arrived all the same
	}{
		"blocked":             {fault: faketeams.Fault{Status: 403, Code: "BotNotInConversationRoster"}, permanent: true, says: "removed, or the bot blocked (403 BotNotInConversationRoster)"},
		"gone":                {fault: faketeams.Fault{Status: 404, Code: "ConversationNotFound"}, permanent: true, says: "does not exist any more"},
		"bad":                 {fault: faketeams.Fault{Status: 400, Code: "BadSyntax"}, permanent: true, says: "refuses the message"},
		"too large":           {fault: faketeams.Fault{Status: 413}, permanent: true, says: "too large"},
		"throttled":           {fault: faketeams.Fault{Status: 429, RetryAfter: "17"}, later: 17 * time.Second},
		"throttled, wordless": {fault: faketeams.Fault{Status: 429}, later: 10 * time.Second},
		"throttled for ever":  {fault: faketeams.Fault{Status: 429, RetryAfter: "999999"}, later: time.Hour},
		"to be repeated":      {fault: faketeams.Fault{Status: 412}, later: 10 * time.Second},
		"down":                {fault: faketeams.Fault{Status: 503, RetryAfter: "3"}, later: 3 * time.Second},
		"broken":              {fault: faketeams.Fault{Status: 500}, says: "has a failure"},
		"gateway":             {fault: faketeams.Fault{Status: 504}, cutOff: true},
		"cut, not done":       {fault: faketeams.Fault{Cut: true}, cutOff: true},
		"cut, done":           {fault: faketeams.Fault{Cut: true, Done: true}, cutOff: true, sent: 1},
		"redirected":          {fault: faketeams.Fault{Status: 307}, says: "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			h, d := asked(t, options{})
			h.fake.Break(onSend(c.fault))
			_, err := h.Send(t.Context(), answerTo(d, "hello"))
			var later *channels.Later
			errors.As(err, &later)
			after := time.Duration(0)
			if later != nil {
				after = later.After
			}
			if err == nil || desk.IsPermanent(err) != c.permanent || errors.Is(err, channels.ErrCutOff) != c.cutOff || after != c.later || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
			h.fake.Break(nil)
			if n := len(h.fake.Sent()); n != c.sent {
				t.Errorf("%d arrived", n)
			}
			if !c.permanent { // it heals
				if _, err := h.Send(t.Context(), answerTo(d, "hello")); err != nil {
					t.Error(err)
				}
			}
			h.well(t)
		})
	}
}

// TestSendNowhere: what cannot be sent fails before anything leaves.
func TestSendNowhere(t *testing.T) {
	h, d := asked(t, options{})
	bend := func(fn func(*address)) *desk.Reply {
		var to address
		if err := json.Unmarshal(d.Thread.Address, &to); err != nil {
			t.Fatal(err)
		}
		fn(&to)
		r := answerTo(d, "hello")
		r.Thread.Address, _ = json.Marshal(to)
		return r
	}
	without := answerTo(d, "hello")
	without.Thread.Address = nil
	for name, r := range map[string]*desk.Reply{
		"no address":              without,
		"another house's address": {Thread: desk.Thread{Address: []byte(`{"to":[]}`)}, Message: desk.Message{Public: true, Direction: desk.Outbound, Text: "x"}},
		"host not allowed":        bend(func(a *address) { a.ServiceURL = "https://evil.example/" }),
		"private address":         bend(func(a *address) { a.ServiceURL = "https://10.0.0.1/" }),
		"no conversation":         bend(func(a *address) { a.Conversation = "" }),
		"a climbing conversation": bend(func(a *address) { a.Conversation = ".." }),
		"nothing to say":          answerTo(d, " \n"),
		"too long":                answerTo(d, strings.Repeat("word ", 30000)),
	} {
		if _, err := h.Send(t.Context(), r); !desk.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.Edit(t.Context(), answerTo(d, "x"), "another/1"); !desk.IsPermanent(err) {
		t.Errorf("edit elsewhere: %v", err)
	}
	if err := h.Remove(t.Context(), answerTo(d, "x"), d.ExternalID[:strings.LastIndex(d.ExternalID, "/")+1]); !desk.IsPermanent(err) {
		t.Errorf("remove nothing: %v", err)
	}
	if len(h.fake.Sent()) != 0 {
		t.Error("something left")
	}

	// A path in an ID stays an ID.
	if _, err := h.Send(t.Context(), bend(func(a *address) { a.Conversation, a.ReplyTo = "../../x", "" })); err == nil {
		t.Error("sent to a conversation that does not exist")
	}
	if n := h.fake.Hits("/emea/v3/conversations/../../x/activities"); n != 1 {
		t.Errorf("the ID was not escaped: %d", n)
	}
	h.well(t)
}

// TestProactive: without a message to answer it is said in the conversation.
func TestProactive(t *testing.T) {
	h, d := asked(t, options{})
	var to address
	if err := json.Unmarshal(d.Thread.Address, &to); err != nil {
		t.Fatal(err)
	}
	to.ReplyTo = ""
	d.Thread.Address, _ = json.Marshal(to)
	if _, err := h.Send(t.Context(), answerTo(d, "Any news?")); err != nil {
		t.Fatal(err)
	}
	if sent := h.fake.Sent(); len(sent) != 1 || sent[0].ReplyTo != "" || sent[0].Activity["replyToId"] != nil {
		t.Errorf("sent %+v", sent)
	}
	h.well(t)
}

// TestToken: fetched once for many, renewed early, renewed when refused.
func TestToken(t *testing.T) {
	h, d := asked(t, options{extra: "profiles: false\n"})
	const path = "/botframework.com/oauth2/v2.0/token"
	send := func() error { _, err := h.Send(t.Context(), answerTo(d, "hello")); return err }
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := send(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.fake.Hits(path); n != 1 {
		t.Errorf("%d tokens for 16 messages at once", n)
	}
	h.clock.Add(56 * time.Minute) // of 60
	if err := send(); err != nil || h.fake.Hits(path) != 2 {
		t.Errorf("%v, %d tokens; want a new one 5 minutes early", err, h.fake.Hits(path))
	}
	h.fake.Revoke()
	if err := send(); err != nil || h.fake.Hits(path) != 3 {
		t.Errorf("%v, %d tokens; a refused one is replaced", err, h.fake.Hits(path))
	}
	h.adapter.tokens.password = "wrong"
	h.fake.Revoke()
	err := send()
	if err == nil || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) || !strings.Contains(err.Error(), "invalid_client") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("wrong password: %v", err)
	}
	h.adapter.tokens.password = h.fake.Password
	h.fake.Break(func(r *http.Request) *faketeams.Fault {
		if r.URL.Path == path {
			return &faketeams.Fault{Cut: true}
		}
		return nil
	})
	if err := send(); err == nil || errors.Is(err, channels.ErrCutOff) || desk.IsPermanent(err) {
		t.Errorf("login server cut: %v", err)
	}
	h.fake.Break(nil)
	if err := send(); err != nil {
		t.Error(err)
	}
	var refused atomic.Int32
	h.fake.Break(func(r *http.Request) *faketeams.Fault {
		if strings.Contains(r.URL.Path, "/activities") {
			refused.Add(1)
			return &faketeams.Fault{Status: 401}
		}
		return nil
	})
	if err := send(); err == nil || desk.IsPermanent(err) || refused.Load() != 2 {
		t.Errorf("always refused: %v after %d tries", err, refused.Load())
	}
	h.fake.Break(nil)
	h.well(t)
}

// TestSendGivesUp: a Connector that says nothing does not hold a worker.
func TestSendGivesUp(t *testing.T) {
	h, d := asked(t, options{extra: "timeouts: { send: 2s }\n"}) // to call, and to give up
	if _, err := h.tokens.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	h.fake.Break(func(r *http.Request) *faketeams.Fault {
		if strings.Contains(r.URL.Path, "/activities") {
			<-hold
			return &faketeams.Fault{Cut: true}
		}
		return nil
	})
	_, err := h.Send(t.Context(), answerTo(d, "hello"))
	close(hold)
	if !errors.Is(err, channels.ErrCutOff) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Send(ended, answerTo(d, "hello")); err == nil || errors.Is(err, channels.ErrCutOff) {
		t.Errorf("cancelled before: %v", err)
	}
}

// TestNobodyThere: a connection refused is no cut-off.
func TestNobodyThere(t *testing.T) {
	h, d := asked(t, options{})
	if _, err := h.tokens.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.fake.Close()
	h.outside.CloseIdleConnections()
	if _, err := h.Send(t.Context(), answerTo(d, "hello")); err == nil || errors.Is(err, channels.ErrCutOff) || desk.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
}

func put(t *testing.T, h *house, name, kind string, data []byte) desk.Attachment {
	ref, err := h.blobs.Put(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return desk.Attachment{Name: name, ContentType: kind, Blob: ref}
}

// TestSendFiles: a small picture goes in the message, a file by consent, and in
// the end it lies on the customer's drive byte for byte.
func TestSendFiles(t *testing.T) {
	h, d := asked(t, options{})
	f := h.fake
	report := bytes.Repeat([]byte("report "), 30000)
	files := []desk.Attachment{put(t, h, "shot.png", "image/png", []byte("\x89PNG")), put(t, h, "report.pdf", "application/pdf", report)}
	if _, err := h.Send(t.Context(), answerTo(d, "Here you are", files...)); err != nil {
		t.Fatal(err)
	}
	sent := f.Sent()
	cards, _ := sent[0].Activity["attachments"].([]any)
	if len(sent) != 1 || len(cards) != 2 || cards[0].(map[string]any)["contentUrl"] != "data:image/png;base64,iVBORw==" || cards[1].(map[string]any)["contentType"] != typeConsent {
		t.Fatalf("sent %+v", sent)
	}

	h.deliver(t, f.Consent(sent[0], 1, h.person, false), 200)
	for _, u := range f.Uploads() {
		if u.Data != nil {
			t.Error("uploaded although declined")
		}
	}
	if len(f.Sent()) != 1 {
		t.Error("something was said about a declined file")
	}

	if got := h.deliver(t, f.Consent(sent[0], 1, h.person, true), 200); got.Body != "{}" {
		t.Errorf("the invoke was answered %q", got.Body)
	}
	arrived := 0
	for _, u := range f.Uploads() {
		if u.Data != nil {
			arrived++
			if u.Name != "report.pdf" || !bytes.Equal(u.Data, report) {
				t.Errorf("uploaded %s, %d bytes", u.Name, len(u.Data))
			}
		}
	}
	sent = f.Sent()
	if arrived != 1 || len(sent) != 2 || sent[1].Activity["attachments"].([]any)[0].(map[string]any)["contentType"] != typeInfo {
		t.Errorf("%d arrived, sent %+v", arrived, sent)
	}
	if len(h.ledger.all()) != 1 {
		t.Error("an invoke was filed")
	}
	h.well(t)
}

// TestConsentForged: a customer cannot ask for another file, elsewhere, or have
// it sent elsewhere.
func TestConsentForged(t *testing.T) {
	h, d := asked(t, options{})
	f := h.fake
	secret := put(t, h, "secret.txt", "text/plain", []byte("of another customer"))
	if _, err := h.Send(t.Context(), answerTo(d, "x", put(t, h, "a.txt", "text/plain", []byte("abc")))); err != nil {
		t.Fatal(err)
	}
	sent := f.Sent()[0]
	other := f.Person("Eve", "eve@elsewhere.example")
	chat := f.Personal(other)
	for name, c := range map[string]struct {
		bend   func(a faketeams.Activity, value, context, upload map[string]any)
		status int
	}{
		"another file":     {func(_ faketeams.Activity, _, c, _ map[string]any) { c["blob"] = secret.Blob.Digest }, 403},
		"another name":     {func(_ faketeams.Activity, _, c, _ map[string]any) { c["name"] = "b.exe" }, 403},
		"no MAC":           {func(_ faketeams.Activity, _, c, _ map[string]any) { delete(c, "mac") }, 403},
		"a path":           {func(_ faketeams.Activity, _, c, _ map[string]any) { c["blob"] = "../../../etc/passwd" }, 403},
		"another chat":     {func(a faketeams.Activity, _, _, _ map[string]any) { a["conversation"].(map[string]any)["id"] = chat.ID }, 403},
		"no context":       {func(_ faketeams.Activity, v, _, _ map[string]any) { delete(v, "context") }, 403},
		"odd context":      {func(_ faketeams.Activity, v, _, _ map[string]any) { v["context"] = []int{1} }, 403},
		"odd value":        {func(a faketeams.Activity, _, _, _ map[string]any) { a["value"] = "accept" }, 400},
		"no value":         {func(a faketeams.Activity, _, _, _ map[string]any) { delete(a, "value") }, 400},
		"upload inside":    {func(_ faketeams.Activity, _, _, u map[string]any) { u["uploadUrl"] = "https://10.0.0.1/x" }, 502},
		"upload elsewhere": {func(_ faketeams.Activity, _, _, u map[string]any) { u["uploadUrl"] = "https://evil.example/x" }, 502},
		"no upload":        {func(_ faketeams.Activity, v, _, _ map[string]any) { delete(v, "uploadInfo") }, 502},
	} {
		a := f.Consent(sent, 0, h.person, true)
		raw, _ := json.Marshal(a)
		var copied faketeams.Activity
		json.Unmarshal(raw, &copied)
		value := copied["value"].(map[string]any)
		c.bend(copied, value, value["context"].(map[string]any), value["uploadInfo"].(map[string]any))
		if answer, err := f.Deliver(t.Context(), h.endpoint, copied); err != nil || answer.Status != c.status {
			t.Errorf("%s: answered %d (%v), want %d", name, answer.Status, err, c.status)
		}
	}
	for _, u := range f.Uploads() {
		if u.Data != nil {
			t.Errorf("uploaded %q", u.Data)
		}
	}
	h.well(t)
}

// TestSendFilesElsewhere: in channels Teams takes no files of bots; nothing at
// all is sent then.
func TestSendFilesElsewhere(t *testing.T) {
	h := newHouse(t, options{})
	h.deliver(t, h.fake.Message(h.fake.Channel(), h.person, "help"), 200)
	d := h.one(t)
	_, err := h.Send(t.Context(), answerTo(d, "See the file", put(t, h, "report.pdf", "application/pdf", []byte("x"))))
	if !desk.IsPermanent(err) || !strings.Contains(err.Error(), "report.pdf") || len(h.fake.Sent()) != 0 {
		t.Errorf("error %v, sent %v", err, h.fake.Sent())
	}
	if _, err := h.Send(t.Context(), answerTo(d, "See", put(t, h, "a.png", "image/png", []byte("x")))); err != nil {
		t.Errorf("a small picture: %v", err)
	}
	personal, p := asked(t, options{extra: "fileBytes: 1KB\n"})
	for name, f := range map[string]desk.Attachment{"empty": put(t, personal, "e", "text/plain", nil), "large": put(t, personal, "l", "text/plain", make([]byte, 1025))} {
		if _, err := personal.Send(t.Context(), answerTo(p, "x", f)); !desk.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.well(t)
}

// A process that was taken for dead while it waited lets nothing go.
func TestNothingLeavesThatOthersSend(t *testing.T) {
	h, d := asked(t, options{})
	r := answerTo(d, "hello")
	r.Still = func(context.Context) error { return desk.ErrTaken }
	if _, err := h.Send(t.Context(), r); !errors.Is(err, desk.ErrTaken) || len(h.fake.Sent()) > 0 {
		t.Errorf("%v, %d arrived", err, len(h.fake.Sent()))
	}
	h.well(t)
}
