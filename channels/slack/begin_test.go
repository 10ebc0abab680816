package slack

import (
	"errors"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

func firstWords(handle string) *desk.Reply {
	return &desk.Reply{To: []desk.Party{{Handle: handle}}, Message: desk.Message{ID: "01FIRST", Text: "Your order is **ready**",
		Via: &desk.Via{Source: "acme"}, CreatedAt: time.Now()}}
}

// TestBegin: somebody who never wrote is written to directly, and their answer
// has the thread of our message.
func TestBegin(t *testing.T) {
	for name, handle := range map[string]string{"by ID": ada, "by address": "Ada@Example.com"} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{})
			r := firstWords(handle)
			proof, err := w.a.Send(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			posts := w.s.Posts()
			dm := "D" + ada[1:]
			if len(posts) != 1 || posts[0].Channel != dm || posts[0].ThreadTS != "" || posts[0].Text != "Your order is *ready*" {
				t.Fatalf("%+v", posts)
			}
			b := proof.Begun
			if b == nil || b.Handle != ada || b.Thread.Key != proof.ExternalID || proof.ExternalID != "TACME0001:"+dm+":"+posts[0].TS {
				t.Fatalf("%+v %+v", proof, b)
			}
			w.say(fakeslack.Message{Channel: dm, User: ada, ThreadTS: posts[0].TS, Text: "thanks"})
			w.say(fakeslack.Message{Channel: dm, User: ada, Text: "when?"})
			ds := w.h.drafts()
			if ds[0].Thread.Key != b.Thread.Key || ds[1].Group != b.Group || ds[0].From.Handle != b.Handle {
				t.Errorf("the answers are %+v and %+v", ds[0], ds[1])
			}
			if _, err := w.a.Send(t.Context(), &desk.Reply{Thread: b.Thread, Message: desk.Message{ID: "01SECOND", Text: "now"}}); err != nil {
				t.Fatal(err)
			}
			if posts = w.s.Posts(); len(posts) != 2 || posts[1].ThreadTS != posts[0].TS {
				t.Errorf("%+v", posts)
			}
		})
	}
}

// TestBeginCutOff: what was cut off is found in the direct channel.
func TestBeginCutOff(t *testing.T) {
	w := newTown(t, plan{})
	w.s.Next("chat.postMessage", fakeslack.Fault{Cut: true})
	r := firstWords(ada)
	if _, err := w.a.Send(t.Context(), r); !errors.Is(err, channels.ErrCutOff) {
		t.Fatal(err)
	}
	proof, found, err := w.a.Probe(t.Context(), r)
	if err != nil || !found || proof.Begun == nil || proof.Begun.Thread.Key != proof.ExternalID {
		t.Fatalf("%+v %v %v", proof, found, err)
	}
}

func TestBeginNobody(t *testing.T) {
	w := newTown(t, plan{})
	w.s.AddUser(fakeslack.User{ID: "UDEE00001", Name: "Dee", Email: "dee@example.com"}) // not confirmed
	for handle, says := range map[string]string{"UNOBODY01": "user_not_found", "nobody@example.com": "users_not_found", "dee@example.com": "nobody confirmed",
		"not an id": "nobody of that name", "": "nobody of that name"} {
		if _, err := w.a.Send(t.Context(), firstWords(handle)); !desk.IsPermanent(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", handle, err)
		}
	}
	w.s.Next("conversations.open", fakeslack.Fault{Status: 429, RetryAfter: "7"})
	var later *channels.Later
	if _, err := w.a.Send(t.Context(), firstWords(ada)); !errors.As(err, &later) || later.After != 7*time.Second {
		t.Errorf("%v", err)
	}
	if len(w.s.Posts()) != 0 {
		t.Error("something was posted")
	}
}
