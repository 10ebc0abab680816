package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// thread lets Ada say something and returns the message and a reply to it.
func (w *town) answer(id, text string, files ...desk.Attachment) (fakeslack.Message, *desk.Reply) {
	w.t.Helper()
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	ds := w.h.drafts()
	return said, &desk.Reply{Thread: ds[len(ds)-1].Thread,
		Message: desk.Message{ID: desk.MessageID(id), Text: text, Attachments: files, CreatedAt: time.Now()}}
}

func (w *town) file(name, content string) desk.Attachment {
	return desk.Attachment{Name: name, ContentType: "text/plain", Blob: w.h.keep([]byte(content))}
}

func TestReplyArrivesInItsThread(t *testing.T) {
	w := newTown(t, plan{})
	said, r := w.answer("01MESSAGE", "**Hello** Ada,\n\n- one\n- see [here](https://example.com/?a=1&b=2) <!channel> & <@U1>\n\n`code`")
	proof, err := w.a.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	posts := w.s.Posts()
	if len(posts) != 1 || posts[0].ThreadTS != said.TS || posts[0].Channel != help {
		t.Fatalf("%+v", posts)
	}
	for _, want := range []string{"*Hello* Ada,", "• one", "<https://example.com/?a=1&amp;b=2|here>", "&lt;!channel&gt;", "&amp; &lt;@U1&gt;", "`code`"} {
		if !strings.Contains(posts[0].Text, want) {
			t.Errorf("%q is not in %q", want, posts[0].Text)
		}
	}
	if proof.ExternalID != "TACME0001:CHELP0001:"+posts[0].TS || proof.At.IsZero() {
		t.Errorf("%+v", proof)
	}
	if m := posts[0].Metadata; m["event_type"] != "switchboard" || m["event_payload"].(map[string]any)["message"] != "01MESSAGE" {
		t.Errorf("metadata %v", m)
	}
	// What the customer says below it belongs to the same thread.
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: said.TS, Text: "thanks"})
	if d := w.h.drafts()[1]; d.Thread.Key != "TACME0001:CHELP0001:"+said.TS {
		t.Errorf("%s", d.Thread.Key)
	}
}

func TestReplyWithFiles(t *testing.T) {
	w := newTown(t, plan{})
	said, r := w.answer("01M", "see these", w.file("a.txt", "first"), w.file("b/\x00\".bin", "\x00\xff"), w.file("empty", ""), w.file("a.txt", "second"))
	if _, err := w.a.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	th := w.s.Thread(help, said.TS)
	if len(th) != 3 || !strings.Contains(th[1].Text, "see these") || !strings.Contains(th[1].Text, "empty") {
		t.Fatalf("%+v", th)
	}
	var got []string
	for _, f := range th[2].Files {
		got = append(got, f.Title+"="+string(f.Bytes))
	}
	if fmt.Sprintf("%q", got) != `["a.txt=first" "b__.bin=\x00\xff" "a.txt=second"]` {
		t.Errorf("%q", got)
	}
	if _, found, err := w.a.Probe(t.Context(), r); !found || err != nil {
		t.Errorf("probe: %v %v", found, err)
	}
	if _, err := w.a.Send(t.Context(), r); err != nil { // again: nothing is missing
		t.Fatal(err)
	}
	if th = w.s.Thread(help, said.TS); len(th) != 3 {
		t.Errorf("%d messages after sending again", len(th))
	}
}

// TestFilesCutOff: whichever step is cut off, the words and each file are there
// once in the end.
func TestFilesCutOff(t *testing.T) {
	for _, method := range []string{"chat.postMessage", "files.completeUploadExternal", "files.getUploadURLExternal", "conversations.replies"} {
		for name, fault := range map[string]fakeslack.Fault{"cut": {Cut: true}, "drop": {Drop: true}, "500": {Status: 500}, "limited": {Status: 429, RetryAfter: "1"}, "internal": {Error: "internal_error"}} {
			t.Run(method+" "+name, func(t *testing.T) {
				w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
				said, r := w.answer("01M", "see this", w.file("a.txt", "first"))
				w.s.Next(method, fault)
				_, err := w.a.Send(t.Context(), r)
				if err == nil {
					t.Fatal("no error")
				}
				if desk.IsPermanent(err) {
					t.Fatalf("permanent: %v", err)
				}
				for try := 0; err != nil && try < 4; try++ {
					if errors.Is(err, channels.ErrCutOff) {
						_, found, perr := w.a.Probe(t.Context(), r)
						if perr != nil {
							t.Fatal(perr)
						}
						if found {
							break
						}
					}
					_, err = w.a.Send(t.Context(), r)
				}
				words, files := 0, 0
				for _, m := range w.s.Thread(help, said.TS)[1:] {
					if m.Text == "see this" {
						words++
					}
					files += len(m.Files)
				}
				if words != 1 || files != 1 {
					t.Errorf("%d times the words, %d files", words, files)
				}
			})
		}
	}
}

// leap is a clock in which a second passes with each look.
func leap() func() time.Time {
	now := time.Now()
	return func() time.Time { now = now.Add(2 * time.Second); return now }
}

func TestCutOffAndProbe(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	said, r := w.answer("01M", "hello")
	w.s.Next("chat.postMessage", fakeslack.Fault{Cut: true}, fakeslack.Fault{Drop: true})
	_, err := w.a.Send(t.Context(), r)
	if !errors.Is(err, channels.ErrCutOff) {
		t.Fatalf("%v", err)
	}
	proof, found, err := w.a.Probe(t.Context(), r)
	if err != nil || !found || proof.ExternalID != "TACME0001:CHELP0001:"+w.s.Posts()[0].TS {
		t.Errorf("%+v %v %v", proof, found, err)
	}
	_, other := w.answer("02M", "hello")
	if _, err := w.a.Send(t.Context(), other); !errors.Is(err, channels.ErrCutOff) {
		t.Errorf("dropped: %v", err)
	}
	if _, found, err := w.a.Probe(t.Context(), other); found || err != nil {
		t.Errorf("dropped: %v %v", found, err)
	}
	w.s.Next("conversations.replies", fakeslack.Fault{Status: 500})
	if _, _, err := w.a.Probe(t.Context(), other); err == nil {
		t.Error("a probe that saw nothing must not say no")
	}
	for i := range 250 { // over several pages
		w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, ThreadTS: said.TS, Text: fmt.Sprint(i), Subtype: "channel_topic"})
	}
	late := &desk.Reply{Thread: r.Thread, Message: desk.Message{ID: "03M", Text: "late", CreatedAt: time.Now()}}
	if _, err := w.a.Send(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if _, found, err := w.a.Probe(t.Context(), late); !found || err != nil {
		t.Errorf("on a later page: %v %v", found, err)
	}
}

// Who deletes the question while we answer it does not make the answer fail: it
// stands in the channel, and is found there.
func TestProbeWhenTheThreadIsGone(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	said, first := w.answer("01M", "hello")
	second := &desk.Reply{Thread: first.Thread, Message: desk.Message{ID: "02M", Text: "hello", CreatedAt: time.Now()}}
	w.s.Delete(t.Context(), said.Channel, said.TS)
	w.s.Next("chat.postMessage", fakeslack.Fault{Cut: true}, fakeslack.Fault{Drop: true})
	for _, r := range []*desk.Reply{first, second} {
		if _, err := w.a.Send(t.Context(), r); !errors.Is(err, channels.ErrCutOff) {
			t.Fatalf("%v", err)
		}
	}
	if _, found, err := w.a.Probe(t.Context(), first); err != nil || !found {
		t.Errorf("it arrived: %v %v", found, err)
	}
	if _, found, err := w.a.Probe(t.Context(), second); err != nil || found {
		t.Errorf("it did not arrive: %v %v", found, err)
	}
}

func TestSendErrors(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	_, r := w.answer("01M", "hello")
	for code, want := range map[string]string{
		"channel_not_found": "permanent", "is_archived": "permanent", "not_in_channel": "permanent", "invalid_auth": "permanent",
		"token_revoked": "permanent", "account_inactive": "permanent", "missing_scope": "permanent", "restricted_action": "permanent",
		"msg_too_long": "permanent", "ratelimited": "later", "internal_error": "cut off", "fatal_error": "cut off", "brand_new_error": "again",
	} {
		w.s.Next("chat.postMessage", fakeslack.Fault{Error: code})
		_, err := w.a.Send(t.Context(), r)
		if got := kindOfErr(err); got != want || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %s, want %s: %v", code, got, want, err)
		}
	}
	w.s.Next("chat.postMessage", fakeslack.Fault{Status: 429, RetryAfter: "7"})
	_, err := w.a.Send(t.Context(), r)
	if l, ok := later(err); !ok || l.After != 7*time.Second {
		t.Errorf("429: %v", err)
	}
	for name, f := range map[string]fakeslack.Fault{"502": {Status: 502}, "HTML": {Body: "<html>"}, "ok without a word": {Body: `{"ok":false}`}, "nothing": {Body: " "}} {
		w.s.Next("chat.postMessage", f)
		if _, err := w.a.Send(t.Context(), r); kindOfErr(err) != "cut off" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.s.Next("chat.postMessage", fakeslack.Fault{Status: 404})
	if _, err := w.a.Send(t.Context(), r); kindOfErr(err) != "again" {
		t.Errorf("404: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.a.Send(ctx, r); kindOfErr(err) != "again" {
		t.Errorf("never left: %v", err)
	}
	if len(w.s.Posts()) != 0 {
		t.Error("something was posted")
	}
	for name, thread := range map[string]desk.Thread{"none": {}, "no JSON": {Address: []byte("{")}, "empty": {Address: []byte("{}")}} {
		if _, err := w.a.Send(t.Context(), &desk.Reply{Thread: thread}); !desk.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if strings.Contains(w.logs.String(), "xoxb") {
		t.Error("the token is in the log")
	}
}

func kindOfErr(err error) string {
	_, wait := later(err)
	switch {
	case err == nil:
		return "sent"
	case desk.IsPermanent(err):
		return "permanent"
	case wait:
		return "later"
	case errors.Is(err, channels.ErrCutOff):
		return "cut off"
	}
	return "again"
}

// TestUnreachable: nothing listens, so nothing was sent.
func TestUnreachable(t *testing.T) {
	w := newTown(t, plan{})
	_, r := w.answer("01M", "hello")
	w.s.Close()
	w.a.idle()
	if _, err := w.a.Send(t.Context(), r); kindOfErr(err) != "again" || strings.Contains(err.Error(), "http://") {
		t.Errorf("%v", err)
	}
}

func TestPace(t *testing.T) {
	now := time.Now()
	p := newPace(func() time.Time { return now })
	if err := p.turn(t.Context(), "C1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.turn(ctx, "C1"); !errors.Is(err, context.Canceled) {
		t.Errorf("before its turn, and given up: %v", err)
	}
	now = now.Add(time.Second) // the turn given up is free again
	if err := p.turn(t.Context(), "C1"); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		p.at["C1"].ReserveN(now, 1)
	}
	if l, ok := later(p.turn(t.Context(), "C1")); !ok || l.After != 7*time.Second {
		t.Errorf("behind six others: %v", l)
	}
	if err := p.turn(t.Context(), "C2"); err != nil {
		t.Errorf("another channel: %v", err)
	}
}

// TestRateLimited: with a limit in a channel, replies wait for their turns and Slack never
// has to refuse. Its limit is under ours by what a busy machine may delay a request.
func TestRateLimited(t *testing.T) {
	w := newTown(t, plan{fake: fakeslack.Options{PostEvery: 400 * time.Millisecond}})
	_, r := w.answer("01M", "hello")
	start := time.Now()
	for range 3 {
		if _, err := w.a.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 1900*time.Millisecond {
		t.Errorf("three in %s", took)
	}
	for _, c := range w.s.Calls("chat.postMessage") {
		if c.Answer != "ok" {
			t.Errorf("Slack answered %s", c.Answer)
		}
	}
}

func TestEditAndRemove(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	_, r := w.answer("01M", "hello")
	proof, err := w.a.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	r.Message.Text = "**hello** again"
	if err := w.a.Edit(t.Context(), r, proof.ExternalID); err != nil {
		t.Fatal(err)
	}
	if p := w.s.Posts()[0]; p.Text != "*hello* again" {
		t.Errorf("%q", p.Text)
	}
	for range 2 {
		if err := w.a.Remove(t.Context(), r, proof.ExternalID); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.s.Posts()) != 0 {
		t.Error("it is still there")
	}
	if err := w.a.Edit(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) {
		t.Errorf("edit of what is gone: %v", err)
	}
	for _, id := range []string{"", "x", "T:c:1", "T1:C1:x", "T1:C1:1:2"} {
		if err := w.a.Remove(t.Context(), r, id); !desk.IsPermanent(err) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestLongReply(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	long := strings.Repeat("a line of words & more\n", 3000)
	said, r := w.answer("01M", long)
	if _, err := w.a.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	th := w.s.Thread(help, said.TS)
	if len(th) != 3 || len(th[1].Text) > 4000 || len(th[2].Files) != 1 || string(th[2].Files[0].Bytes) != long {
		t.Errorf("%d messages", len(th))
	}
}

// TestThreadIsGone: the reply stands in the channel then.
func TestThreadIsGone(t *testing.T) {
	w := newTown(t, plan{})
	said, r := w.answer("01M", "hello")
	w.yes(w.s.Delete(t.Context(), help, said.TS))
	if _, err := w.a.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if p := w.s.Posts(); len(p) != 1 || p[0].ThreadTS != "" || !strings.Contains(w.logs.String(), "thread is gone") {
		t.Errorf("%+v", p)
	}
}

// A process that was taken for dead while it waited lets nothing go.
func TestNothingLeavesThatOthersSend(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	_, r := w.answer("01M", "hello", w.file("a.txt", "first"))
	r.Still = func(context.Context) error { return desk.ErrTaken }
	if _, err := w.a.Send(t.Context(), r); !errors.Is(err, desk.ErrTaken) || len(w.s.Posts()) != 0 {
		t.Errorf("%v, %d posts", err, len(w.s.Posts()))
	}
	r.Still = nil
	proof, err := w.a.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	before := w.s.Posts()[0].Text
	r.Still, r.Message.Text = func(context.Context) error { return desk.ErrTaken }, "older"
	if err := w.a.Edit(t.Context(), r, proof.ExternalID); !errors.Is(err, desk.ErrTaken) || w.s.Posts()[0].Text != before {
		t.Errorf("%v, it says %q", err, w.s.Posts()[0].Text)
	}
}
