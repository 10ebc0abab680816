package slack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// try delivers an event as Slack's n-th further try and returns the status.
func (w *town) try(n int, body string) int {
	w.t.Helper()
	ts, sig := fakeslack.Sign(w.s.Options().SigningSecret, time.Now(), []byte(body))
	h := map[string]string{headerTimestamp: ts, headerSignature: sig}
	if n > 0 {
		h["X-Slack-Retry-Num"], h["X-Slack-Retry-Reason"] = fmt.Sprint(n), "http_error"
	}
	return w.post("/events", []byte(body), h)
}

// ago is the timestamp of what was said a while ago.
func ago(d time.Duration) string { return fmt.Sprintf("%d.000100", time.Now().Add(-d).Unix()) }

const wrapped = `{"type":"event_callback","event_id":"Ev%s","team_id":"TACME0001","authorizations":[{"team_id":"TACME0001","user_id":"UBOT00001","is_bot":true}],"event":%s}`

// edited is the event of an edit; fields are more of the message.
func edited(id, user, ts, was, is, fields string) string {
	m := func(text, more string) string {
		return fmt.Sprintf(`{"type":"message","user":%q,"ts":%q,"text":%q%s%s}`, user, ts, text, fields, more)
	}
	return fmt.Sprintf(wrapped, id, fmt.Sprintf(`{"type":"message","subtype":"message_changed","channel":"CHELP0001","ts":"1.1","message":%s,"previous_message":%s}`,
		m(is, `,"edited":{"ts":"1700000009.000100"}`), m(was, "")))
}

func deleted(id, user, ts, was string) string {
	return fmt.Sprintf(wrapped, id, fmt.Sprintf(`{"type":"message","subtype":"message_deleted","channel":"CHELP0001","deleted_ts":%q,"previous_message":{"type":"message","user":%q,"ts":%q,"text":%q}}`,
		ts, user, ts, was))
}

func said(id, user, ts, text, fields string) string {
	return fmt.Sprintf(wrapped, id, fmt.Sprintf(`{"type":"message","channel":"CHELP0001","user":%q,"ts":%q,"text":%q%s}`, user, ts, text, fields))
}

// TestEditBeforeItsMessage: an edit or a delete of a message that is not in the
// ledger yet is asked for again, as long as Slack comes again and the message may
// be on its way.
func TestEditBeforeItsMessage(t *testing.T) {
	const bot = "<@" + fakeslack.BotUser + "> "
	young, old := ago(time.Minute), ago(7*time.Minute)
	in := `,"thread_ts":"1700000000.000100"`
	root := key("TACME0001", help, "1700000000.000100")
	for name, c := range map[string]struct {
		block  string
		event  string
		known  string // what is on a ticket
		try    int
		want   int
		drafts int
	}{
		"edit":                      {"", edited("1", ada, young, "a", "b", ""), "", 0, 503, 0},
		"edit, third try":           {"", edited("1", ada, young, "a", "b", ""), "", 2, 503, 0},
		"edit, last try":            {"", edited("1", ada, young, "a", "b", ""), "", 3, 200, 1},
		"edit of an old one":        {"", edited("1", ada, old, "a", "b", ""), "", 0, 200, 1},
		"edit of a known one":       {"", edited("1", ada, young, "a", "b", ""), key("TACME0001", help, young), 0, 200, 1},
		"delete":                    {"", deleted("1", ada, young, "a"), "", 0, 503, 0},
		"delete, last try":          {"", deleted("1", ada, young, "a"), "", 3, 200, 1},
		"in mode thread":            {"mode: thread", edited("1", ada, young, "a", "b", ""), "", 1, 503, 0},
		"reply in a known thread":   {"", edited("1", ada, young, "a", "b", in), root, 0, 503, 0},
		"our own people":            {"staff: [" + cleo + "]", edited("1", cleo, young, "a", "b", ""), "", 0, 200, 1},
		"our own people, a reply":   {"staff: [" + cleo + "]", edited("1", cleo, young, "a", "b", in), root, 0, 503, 0},
		"mention":                   {"mode: mention", edited("1", ada, young, bot+"a", bot+"b", ""), "", 0, 503, 0},
		"mention taken out":         {"mode: mention", edited("1", ada, young, bot+"a", "b", ""), "", 0, 503, 0},
		"mention deleted":           {"mode: mention", deleted("1", ada, young, bot+"a"), "", 0, 503, 0},
		"mention, last try":         {"mode: mention", edited("1", ada, young, bot+"a", bot+"b", ""), "", 3, 200, 0},
		"no mention":                {"mode: mention", edited("1", ada, young, "a", "b", ""), "", 0, 200, 0},
		"no mention, deleted":       {"mode: mention", deleted("1", ada, young, "a"), "", 0, 200, 0},
		"chatter in a thread":       {"mode: mention", edited("1", ada, young, "a", "b", in), "", 0, 200, 0},
		"reply on a ticket":         {"mode: mention", edited("1", ada, young, "a", "b", in), root, 0, 503, 0},
		"reply on a ticket, last":   {"mode: mention", edited("1", ada, young, "a", "b", in), root, 3, 200, 1},
		"mention where none counts": {"mode: none", edited("1", ada, young, bot+"a", bot+"b", ""), "", 0, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{block: c.block})
			if c.known != "" {
				w.h.known[c.known] = true
			}
			if status := w.try(c.try, c.event); status != c.want || len(w.h.drafts()) != c.drafts {
				t.Errorf("answered %d with %d drafts, want %d with %d\n%s", status, len(w.h.drafts()), c.want, c.drafts, w.logs)
			}
		})
	}
	w := newTown(t, plan{noDesk: true}) // nobody to ask: as ever
	if status := w.try(0, edited("1", ada, young, "a", "b", "")); status != 200 || len(w.h.drafts()) != 1 {
		t.Errorf("without a desk: %d", status)
	}
}

// TestEditOvertakesSlowFile: the message's file is still being fetched when its
// author changes it; the edit is taken after it.
func TestEditOvertakesSlowFile(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.answerWithin = 20 * time.Millisecond }, fake: fakeslack.Options{Retry: []time.Duration{}}})
	file := w.s.AddFile(fakeslack.File{Name: "big.bin", Bytes: []byte("x")})
	hold := make(chan struct{})
	w.s.Next("download", fakeslack.Fault{Until: hold})
	ts := ago(2 * time.Second)
	_, said := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, TS: ts, Text: "old words", Files: []*fakeslack.File{file}})
	edit := w.s.Edit(t.Context(), help, ts, "new words")
	if said.OK || edit.OK || edit.Attempts[0].Status != 503 {
		t.Fatalf("said %+v, edit %+v", said.Attempts, edit.Attempts)
	}
	w.a.answerWithin = time.Minute
	close(hold)
	for what, d := range map[string]fakeslack.Delivery{"said": w.s.Deliver(t.Context(), said.Body), "edit": w.s.Deliver(t.Context(), edit.Body)} {
		if !d.OK {
			t.Errorf("%s: %+v", what, d.Attempts)
		}
	}
	ds := w.h.drafts()
	if len(ds) != 2 || ds[0].Act != "" || ds[1].Act != desk.ActEdit || ds[1].Target != ds[0].ExternalID {
		t.Errorf("%d drafts\n%s", len(ds), w.logs)
	}
}

// miss has a message said while the ledger is away, so that Slack has to come again.
func (w *town) miss(m fakeslack.Message) {
	w.h.refuse = func([]*desk.Draft) error { return desk.ErrUnavailable }
	w.s.Say(w.t.Context(), m)
	w.h.mu.Lock()
	w.h.refuse = nil
	w.h.mu.Unlock()
}

// TestLateMention: what was answered to a mention while its own delivery was late
// is read from the thread.
func TestLateMention(t *testing.T) {
	const hi = "<@" + fakeslack.BotUser + "> help"
	for name, c := range map[string]struct {
		age   time.Duration
		try   int
		reads int
	}{
		"in time": {0, 0, 0}, "sent again": {0, 1, 1}, "slow": {lateAfter + 2*time.Second, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{block: "mode: mention", prepare: func(a *adapter) {
				if now := time.Now(); c.age == 0 { // however long all this takes
					a.Now = func() time.Time { return now }
				}
			}})
			root, reply := ago(c.age), fmt.Sprintf("%d.000200", time.Now().Unix())
			w.miss(fakeslack.Message{Channel: help, User: ada, TS: root, Text: hi})
			before := len(w.s.Calls("conversations.replies"))
			_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: bob, TS: reply, ThreadTS: root, Text: "it is <https://x.example|this> &amp; that"})
			w.yes(d)
			if len(w.h.drafts()) != 0 {
				t.Fatal("the answer has no ticket yet")
			}
			if status := w.try(c.try, said("9", ada, root, hi, "")); status != 200 {
				t.Fatalf("answered %d", status)
			}
			if n := len(w.s.Calls("conversations.replies")) - before; n != c.reads {
				t.Errorf("the thread was read %d times, want %d", n, c.reads)
			}
			ds := w.h.drafts()
			if len(ds) != 1+c.reads || ds[0].Thread.Key != key("TACME0001", help, root) {
				t.Fatalf("%d drafts\n%s", len(ds), w.logs)
			}
			if c.reads == 0 {
				return
			}
			if ds[1].From.Handle != bob || ds[1].Thread.Key != ds[0].ExternalID {
				t.Errorf("the answer: %+v", ds[1])
			}
			w.h.again = 0
			w.yes(w.s.Deliver(t.Context(), d.Body)) // as an event it is the same
			if n := len(w.h.drafts()); n != 2 || w.h.again != 1 {
				t.Errorf("%d drafts, %d copies", n, w.h.again)
			}
			if status := w.try(2, said("9", ada, root, hi, "")); status != 200 || len(w.h.drafts()) != 2 {
				t.Errorf("once more: %d, %d drafts", status, len(w.h.drafts()))
			}
		})
	}
}

// TestLateMentionEditedAnswer: an answer that is in the ledger is not taken a
// second time in other words.
func TestLateMentionEditedAnswer(t *testing.T) {
	const hi = "<@" + fakeslack.BotUser + "> help"
	w := newTown(t, plan{block: "mode: mention"})
	root := w.say(fakeslack.Message{Channel: help, User: ada, Text: hi})
	reply := w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: root.TS, Text: "one"})
	w.yes(w.s.Edit(t.Context(), help, reply.TS, "two"))
	if status := w.try(1, said("9", ada, root.TS, hi, "")); status != 200 {
		t.Fatalf("answered %d", status)
	}
	if ds := w.h.drafts(); len(ds) != 3 || ds[2].Act != desk.ActEdit {
		t.Errorf("%d drafts", len(ds))
	}
}

// TestLateMentionUnreadThread: the mention is taken whatever becomes of its
// thread, which is read again when Slack comes again.
func TestLateMentionUnreadThread(t *testing.T) {
	const hi = "<@" + fakeslack.BotUser + "> help"
	for name, c := range map[string]struct {
		fault fakeslack.Fault
		try   int
		want  int
	}{
		"refused":        {fakeslack.Fault{Error: "missing_scope"}, 1, 200},
		"down":           {fakeslack.Fault{Status: 500}, 1, 503},
		"down, last try": {fakeslack.Fault{Status: 500}, 3, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{block: "mode: mention"})
			root := ago(0)
			w.miss(fakeslack.Message{Channel: help, User: ada, TS: root, Text: hi})
			w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: root, Text: "more"})
			w.s.Next("conversations.replies", c.fault)
			if status := w.try(c.try, said("9", ada, root, hi, "")); status != c.want {
				t.Errorf("answered %d, want %d", status, c.want)
			}
			w.one()
			if !strings.Contains(w.logs.String(), "thread could not be read") {
				t.Error("nobody is told")
			}
			if c.want != 503 {
				return
			}
			if status := w.try(c.try+1, said("9", ada, root, hi, "")); status != 200 || len(w.h.drafts()) != 2 {
				t.Errorf("then %d, %d drafts", status, len(w.h.drafts()))
			}
		})
	}
}
