package slack

import (
	"slices"
	"strings"
	"testing"
	"time"

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
	for err, c := range map[error]struct {
		tries int
		ok    bool
	}{desk.ErrNotFound: {4, true}, desk.ErrMove: {1, true}, desk.ErrUnavailable: {4, false}} { // accepted and not filed yet: until the last try
		w.h.mu.Lock()
		w.h.moveErr = err
		w.h.mu.Unlock()
		if d := w.s.React(t.Context(), cleo, help, said.TS, "eyes"); len(d.Attempts) != c.tries || d.OK != c.ok {
			t.Errorf("%v: %+v", err, d.Attempts)
		}
	}
	w.h.mu.Lock()
	w.h.moveErr = desk.ErrNotFound
	w.h.mu.Unlock()
	w.yes(w.s.React(t.Context(), cleo, help, "1600000000.000100", "eyes")) // of nothing we know
}

// TestStatusWaitsForItsMessage: a reaction to a message that is accepted and not
// filed yet takes effect when it is.
func TestStatusWaitsForItsMessage(t *testing.T) {
	w := newTown(t, plan{})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.h.moveNot = 2
	if d := w.s.React(t.Context(), cleo, help, said.TS, "eyes"); !d.OK || len(d.Attempts) != 3 || len(w.h.moves) != 1 {
		t.Errorf("%+v, %q", d.Attempts, w.h.moves)
	}
}

// TestStatusByUnknown: that Slack cannot say who reacted is no "no".
func TestStatusByUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		block string
		fault fakeslack.Fault
		user  string
		emoji string
		tries int
		moves int
	}{
		"limited":          {"", fakeslack.Fault{Status: 429, RetryAfter: "1"}, cleo, "eyes", 4, 0}, // the tries of the fake come too soon
		"down":             {"", fakeslack.Fault{Status: 500}, cleo, "eyes", 4, 0},
		"cut":              {"", fakeslack.Fault{Drop: true}, cleo, "eyes", 4, 0},
		"in trouble":       {"", fakeslack.Fault{Error: "internal_error"}, cleo, "eyes", 4, 0},
		"by domain":        {`staff: ["@desk.example"]`, fakeslack.Fault{Status: 500}, cleo, "eyes", 4, 0},
		"refused":          {"", fakeslack.Fault{Error: "user_not_found"}, cleo, "eyes", 1, 0},
		"known by ID":      {"staff: [" + cleo + "]", fakeslack.Fault{Status: 500}, cleo, "eyes", 1, 1},
		"no status":        {"", fakeslack.Fault{Status: 500}, cleo, "tada", 1, 0},
		"nobody to ask of": {"staff: [" + cleo + "]", fakeslack.Fault{Status: 500}, ada, "eyes", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{block: c.block})
			now := time.Now()
			w.a.people.now = func() time.Time { return now }
			said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
			w.s.Next("users.info", c.fault)
			if d := w.s.React(t.Context(), c.user, help, said.TS, c.emoji); !d.OK || len(d.Attempts) != c.tries || len(w.h.moves) != c.moves {
				t.Errorf("%+v, %q", d.Attempts, w.h.moves)
			}
		})
	}
}

// TestStatusWhenAnswered: the next try asks again.
func TestStatusWhenAnswered(t *testing.T) {
	for name, fault := range map[string]fakeslack.Fault{"down": {Status: 500}, "in trouble": {Error: "internal_error"}} {
		w := newTown(t, plan{})
		now := time.Now()
		w.a.people.now = func() time.Time { now = now.Add(10 * time.Second); return now }
		said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
		w.s.Next("users.info", fault)
		if d := w.s.React(t.Context(), cleo, help, said.TS, "eyes"); !d.OK || len(d.Attempts) != 2 || len(w.h.moves) != 1 {
			t.Errorf("%s: %+v, %q", name, d.Attempts, w.h.moves)
		}
	}
}

// TestStatusWithSkinTone: whoever reacts is asked for, whatever the tone.
func TestStatusWithSkinTone(t *testing.T) {
	w := newTown(t, plan{block: "emoji: {statuses: {thumbsup: RESOLVED}}"})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	w.yes(w.s.React(t.Context(), cleo, help, said.TS, "thumbsup::skin-tone-3"))
	if len(w.h.moves) != 1 {
		t.Errorf("%q\n%s", w.h.moves, w.logs)
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
