package slack

import (
	"slices"
	"strings"
	"testing"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

func TestEmojiMakesTicket(t *testing.T) {
	w := newTown(t, plan{block: "mode: emoji"})
	file := w.s.AddFile(fakeslack.File{Name: "a.txt", Mimetype: "text/plain", Bytes: []byte("abc")})
	root := w.say(fakeslack.Message{Channel: help, User: ada, Text: "it *hurts*", Files: []*fakeslack.File{file}})
	w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: root.TS, Text: "me too"})
	if n := len(w.h.drafts()); n != 0 {
		t.Fatalf("%d drafts before the reaction", n)
	}
	w.yes(w.s.React(t.Context(), cleo, help, root.TS, "ticket"))
	ds := w.h.drafts()
	if len(ds) != 2 || ds[0].Text != "it **hurts**" || ds[0].From.Handle != ada || len(ds[0].Attachments) != 1 || ds[0].Headers["slack-reaction-by"] != cleo {
		t.Fatalf("%d drafts, %+v", len(ds), ds)
	}
	if ds[1].Text != "me too" || ds[1].From.Handle != bob || ds[1].Thread.Key != ds[0].ExternalID {
		t.Errorf("the answer: %+v", ds[1])
	}
	w.yes(w.s.React(t.Context(), ada, help, root.TS, "ticket")) // it is on a ticket
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: root.TS, Text: "more"})
	if ds = w.h.drafts(); len(ds) != 3 || ds[2].Text != "more" {
		t.Errorf("%d drafts", len(ds))
	}
}

// TestEmojiOnTakenMessage: without a desk to ask, the ledger tells that the
// message is the one it has.
func TestEmojiOnTakenMessage(t *testing.T) {
	w := newTown(t, plan{noDesk: true})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.yes(w.s.React(t.Context(), cleo, help, said.TS, "ticket"))
	w.one()
	if w.h.again != 1 {
		t.Errorf("%d copies", w.h.again)
	}
}

func TestEmojiTrouble(t *testing.T) {
	w := newTown(t, plan{block: "mode: emoji"})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.s.Next("conversations.replies", fakeslack.Fault{Status: 429, RetryAfter: "1"})
	if d := w.s.React(t.Context(), cleo, help, said.TS, "ticket"); !d.OK || len(d.Attempts) != 2 {
		t.Errorf("limited: %+v", d.Attempts)
	}
	w.one()
	other := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.s.Next("conversations.replies", fakeslack.Fault{Error: "not_in_channel"})
	w.yes(w.s.React(t.Context(), cleo, help, other.TS, "ticket")) // no retry helps
	w.yes(w.s.React(t.Context(), cleo, help, "1600000000.000100", "ticket"))
	ds := w.h.drafts()
	if len(ds) != 3 {
		t.Fatalf("%d drafts", len(ds))
	}
	for i, why := range []string{"not_in_channel", "thread_not_found"} {
		if d := ds[i+1]; d.Auto.Kind != desk.AutoUnread || !strings.Contains(d.Auto.Reason, why) || d.From.Handle != cleo || !strings.HasPrefix(d.ExternalID, "Ev") {
			t.Errorf("%+v, want %q", d, why)
		}
	}
	if c := w.a.Counts(); c[string(toCreate)] != 4 {
		t.Errorf("counts %v", c)
	}
}

func TestEmojiSetsStatus(t *testing.T) {
	w := newTown(t, plan{})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.yes(w.s.React(t.Context(), cleo, help, said.TS, "eyes"))
	w.yes(w.s.React(t.Context(), cleo, help, said.TS, "white_check_mark"))
	w.yes(w.s.React(t.Context(), bob, help, said.TS, "white_check_mark")) // of another workspace
	w.yes(w.s.React(t.Context(), ada, help, said.TS, "tada"))
	key := "TACME0001:CHELP0001:" + said.TS
	want := []string{"SLACK|" + key + "|IN_PROGRESS|AGENT|" + cleo + "|Cleo", "SLACK|" + key + "|RESOLVED|AGENT|" + cleo + "|Cleo"}
	if !slices.Equal(w.h.moves, want) {
		t.Errorf("%q", w.h.moves)
	}
	for err, tries := range map[error]int{desk.ErrNotFound: 1, desk.ErrMove: 1, desk.ErrUnavailable: 4} {
		w.h.mu.Lock()
		w.h.moveErr = err
		w.h.mu.Unlock()
		if d := w.s.React(t.Context(), cleo, help, said.TS, "eyes"); len(d.Attempts) != tries || d.OK != (tries == 1) {
			t.Errorf("%v: %+v", err, d.Attempts)
		}
	}
}

func TestStaff(t *testing.T) {
	for name, c := range map[string]struct {
		staff string
		who   string
		want  bool
	}{
		"by ID":         {cleo, cleo, true},
		"not by ID":     {cleo, ada, false},
		"by domain":     {`"@desk.example"`, cleo, true},
		"other domain":  {`"@desk.example"`, ada, false},
		"workspace":     {"workspace", ada, true},
		"not workspace": {"workspace", bob, false},
		"foreign mail":  {`"@example.com"`, bob, false}, // another workspace vouches for it
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{block: "staff: [" + c.staff + "]"})
			w.say(fakeslack.Message{Channel: help, User: c.who, Text: "at the top"})
			if got := len(w.h.drafts()) == 0; got != c.want {
				t.Errorf("staff: %v", got)
			}
		})
	}
	w := newTown(t, plan{block: "staff: [" + cleo + "]"})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.yes(w.s.React(t.Context(), ada, help, said.TS, "eyes"))
	if len(w.h.moves) != 0 {
		t.Errorf("a customer moved it: %v", w.h.moves)
	}
	if !strings.Contains(strings.Join(w.a.Inspect(t.Context(), []byte(`{"event":{"type":"reaction_added","user":"UADA00001","reaction":"eyes","item":{"type":"message","channel":"CHELP0001","ts":"1.1"}}}`)), " "), "own people") {
		t.Error("it does not say why")
	}
}
