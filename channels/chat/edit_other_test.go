package chat

import (
	"errors"
	"strings"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/chat/fakechat"
	"switchboard/pipeline/desk"
)

// TestDesksEdit: what was sent is changed and taken back, as far as each service
// has calls for it, and as often as one likes.
func TestDesksEdit(t *testing.T) {
	for _, c := range []struct {
		via     string
		block   func(*fakechat.Fake) string
		more    obj
		edits   bool
		text    string // "A **new** one" there
		strange []string
	}{
		{"crisp", func(f *fakechat.Fake) string {
			return "url: '" + f.CrispURL() + "', user: " + fakechat.CrispUser + ", token: " + fakechat.CrispKey
		}, obj{"website": fakechat.CrispWebsite, "session": "session_1"}, true, "A *new* one", []string{"shop:session_2:9001", "shop:session_1:x", "shop:session_1:../9001"}},
		{"chatwoot", func(f *fakechat.Fake) string {
			return "url: '" + f.ChatwootURL() + "', token: " + fakechat.ChatwootToken
		},
			obj{"account": 1, "conversation": 8}, false, "", []string{"shop:9:9001", "shop:8:../9001", "shop:8"}},
		{"intercom", func(f *fakechat.Fake) string {
			return "url: '" + f.IntercomURL() + "', token: " + fakechat.IntercomToken + ", sender: '" + fakechat.IntercomAdmin + "'"
		}, obj{"conversation": "c1"}, false, "", []string{"shop:../9001"}},
	} {
		t.Run(c.via, func(t *testing.T) {
			f := newFake(t)
			w := newTown(t, tokenBlock+"send: {via: "+c.via+", "+c.block(f)+"}\n")
			e := w.ad.(channels.Editor)
			r := replyTo(t, "An **old** one", c.more)
			proof, err := w.sender().Send(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			r.Message.Text = "A **new** one"
			err = e.Edit(t.Context(), r, proof.ExternalID)
			s := f.Sent()
			switch {
			case c.edits && (err != nil || s[0].Text != c.text || !s[0].Edited):
				t.Errorf("%v, %+v", err, s)
			case !c.edits && (!desk.IsPermanent(err) || !strings.Contains(err.Error(), "lets nobody change") || s[0].Edited):
				t.Errorf("%v, %+v", err, s)
			}
			for _, id := range append(c.strange, "", "shop:", "shop:sent:1", "other:1") {
				if err := e.Remove(t.Context(), r, id); !desk.IsPermanent(err) {
					t.Errorf("remove %q: %v", id, err)
				}
			}
			f.Fail(fakechat.Fault{Status: 429, After: 3 * time.Second}, fakechat.Fault{}, fakechat.Fault{Status: 401})
			var later *channels.Later
			if err := e.Remove(t.Context(), r, proof.ExternalID); !errors.As(err, &later) || later.After != 3*time.Second {
				t.Errorf("429: %v", err)
			}
			if err := e.Remove(t.Context(), r, proof.ExternalID); err == nil || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) {
				t.Errorf("cut: %v", err)
			}
			if err := e.Remove(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) {
				t.Errorf("401: %v", err)
			}
			if f.Sent()[0].Removed {
				t.Fatal("it is gone already")
			}
			for range 2 {
				if err := e.Remove(t.Context(), r, proof.ExternalID); err != nil {
					t.Error(err)
				}
			}
			if !f.Sent()[0].Removed {
				t.Error("it stands there")
			}
			if c.edits {
				if err := e.Edit(t.Context(), r, proof.ExternalID); !desk.IsPermanent(err) {
					t.Errorf("an edit of what is gone: %v", err)
				}
			}
		})
	}
}
