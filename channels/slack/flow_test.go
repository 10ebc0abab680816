package slack

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

func TestMessageBecomesDraft(t *testing.T) {
	w := newTown(t, plan{})
	file := w.s.AddFile(fakeslack.File{Name: "crash.log", Mimetype: "text/plain", Bytes: bytes.Repeat([]byte("\x00\xffline\r\n"), 5000)})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "The *printer* is <https://example.com/p|broken> &amp; <@" + cleo + "> is out", Files: []*fakeslack.File{file}})
	d := w.one()
	if d.ExternalID != "TACME0001:CHELP0001:"+said.TS || d.Thread.Key != d.ExternalID {
		t.Errorf("external ID %q, thread %q", d.ExternalID, d.Thread.Key)
	}
	if got, want := string(d.Thread.Address), `{"team":"TACME0001","channel":"CHELP0001","threadTs":"`+said.TS+`"}`; got != want {
		t.Errorf("address %s, want %s", got, want)
	}
	if d.Text != "The **printer** is [broken](<https://example.com/p>) & @Cleo is out" {
		t.Errorf("text %q", d.Text)
	}
	if d.From != (desk.Party{Name: "Ada", Handle: ada}) {
		t.Errorf("from %+v", d.From)
	}
	want := desk.Profile{Name: "Ada", Email: "ada@example.com", EmailVerified: true, Phone: "+49 30 1", TimeZone: "Europe/Berlin", Language: "de-DE"}
	if d.Profile == nil || *d.Profile != want {
		t.Errorf("profile %+v", d.Profile)
	}
	if d.Group != "TACME0001:CHELP0001:"+ada || d.Window != 2*time.Minute {
		t.Errorf("group %q, window %s", d.Group, d.Window)
	}
	if d.SentAt.UnixMicro() == 0 || time.Until(d.SentAt).Abs() > time.Minute || d.ReceivedAt.IsZero() {
		t.Errorf("sent %s, received %s", d.SentAt, d.ReceivedAt)
	}
	if len(d.Attachments) != 1 || !bytes.Equal(w.h.blobs[d.Attachments[0].Blob.Digest], file.Bytes) || d.Attachments[0].Name != "crash.log" || d.Attachments[0].ContentType != "text/plain" {
		t.Errorf("attachments %+v", d.Attachments)
	}
	if !bytes.Contains(w.h.blobs[d.Raw.Digest], []byte(said.TS)) {
		t.Error("the raw event is not kept")
	}
	if !strings.Contains(d.Headers["slack-decision"], "mode every") || d.Headers["slack-mode"] != "every" || d.Auto.Kind != "" || len(d.Damage) != 0 {
		t.Errorf("headers %v, auto %v, damage %v", d.Headers, d.Auto, d.Damage)
	}
}

func TestFollowUpEditDelete(t *testing.T) {
	w := newTown(t, plan{})
	first := w.say(fakeslack.Message{Channel: help, User: ada, Text: "no power"})
	w.say(fakeslack.Message{Channel: help, User: bob, ThreadTS: first.TS, Text: "same here"})
	w.yes(w.s.Edit(t.Context(), help, first.TS, "no *power* at all"))
	w.yes(w.s.Edit(t.Context(), help, first.TS, "no *power* at all")) // a preview came: nothing was said
	w.yes(w.s.Delete(t.Context(), help, first.TS))                    // has an answer: a tombstone
	second := w.say(fakeslack.Message{Channel: help, User: ada, Text: "never mind"})
	w.yes(w.s.Delete(t.Context(), help, second.TS))

	ds := w.h.drafts()
	if len(ds) != 7 {
		t.Fatalf("%d drafts", len(ds))
	}
	root := "TACME0001:CHELP0001:" + first.TS
	if r := ds[1]; r.Thread.Key != root || r.Group != "" || r.ExternalID == root || r.Act != "" {
		t.Errorf("answer in the thread: %+v", r)
	}
	edit := ds[2]
	if edit.Act != desk.ActEdit || edit.Target != root || edit.Text != "no **power** at all" || edit.Thread.Key != root || !strings.HasPrefix(edit.ExternalID, "Ev") || edit.SentAt.IsZero() {
		t.Errorf("edit: %+v", edit)
	}
	if ds[3].Act != desk.ActEdit || ds[3].Fingerprint == edit.Fingerprint {
		t.Errorf("the fake edits twice, with another time: %+v", ds[3])
	}
	if gone := ds[4]; gone.Act != desk.ActDelete || gone.Target != root || gone.Text != "" {
		t.Errorf("tombstone: %+v", gone)
	}
	if gone := ds[6]; gone.Act != desk.ActDelete || gone.Target != "TACME0001:CHELP0001:"+second.TS || gone.ExternalID == ds[4].ExternalID {
		t.Errorf("delete: %+v", gone)
	}
}

// TestPreviewIsNoEdit: Slack tells of a link's preview as message_changed.
func TestPreviewIsNoEdit(t *testing.T) {
	w := newTown(t, plan{})
	m := map[string]any{"type": "message", "user": ada, "ts": "1700000000.000100", "text": "see <https://example.com>"}
	w.yes(w.s.Event(t.Context(), map[string]any{"type": "message", "subtype": "message_changed", "channel": help, "ts": "1700000001.000100",
		"message": m, "previous_message": m}))
	if n := len(w.h.drafts()); n != 0 {
		t.Errorf("%d drafts", n)
	}
}

func TestRedeliveryChangesNothing(t *testing.T) {
	w := newTown(t, plan{})
	_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "hello <@" + cleo + ">"})
	w.yes(d)
	for range 3 {
		w.yes(w.s.Deliver(t.Context(), d.Body))
	}
	w.one()
	if w.h.again != 3 {
		t.Errorf("%d copies reached the ledger, want 3", w.h.again)
	}
}

// TestMentionComesTwice: message and app_mention of one message are one draft.
func TestMentionComesTwice(t *testing.T) {
	w := newTown(t, plan{block: "mode: mention"})
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "<@" + fakeslack.BotUser + ">: please help"})
	if d := w.one(); d.Text != "please help" || d.Group != "" || w.h.again != 1 {
		t.Errorf("text %q, group %q, %d copies", d.Text, d.Group, w.h.again)
	}
}

func TestTakenAgainAfterTrouble(t *testing.T) {
	w := newTown(t, plan{})
	fails := 2
	w.h.refuse = func([]*desk.Draft) error {
		if fails--; fails >= 0 {
			return desk.ErrUnavailable
		}
		return nil
	}
	_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	if len(d.Attempts) != 3 || !d.OK || d.Attempts[0].Status != 503 || d.Attempts[1].Reason != "http_error" {
		t.Errorf("attempts %+v", d.Attempts)
	}
	w.one()
	w.h.refuse, w.h.noBlobs = nil, errDown
	_, d = w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "hello again"})
	if d.OK || len(d.Attempts) != 4 {
		t.Errorf("without blobs nothing may be taken: %+v", d.Attempts)
	}
	w.one()
}

// TestSlowFile: a file that takes longer than Slack waits holds nothing up; the
// next try joins what is at work, or finds it done, and so does one more.
func TestSlowFile(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.answerWithin = 50 * time.Millisecond }, fake: fakeslack.Options{Retry: []time.Duration{}}})
	hold := make(chan struct{})
	file := w.s.AddFile(fakeslack.File{Name: "big.bin", Mimetype: "application/zip", Bytes: bytes.Repeat([]byte("x"), 1<<20)})
	w.s.Next("download", fakeslack.Fault{Until: hold})
	_, d := w.s.Say(t.Context(), fakeslack.Message{Channel: help, User: ada, Text: "look", Files: []*fakeslack.File{file}})
	if d.OK || d.Attempts[0].Status != 503 {
		t.Fatalf("attempts %+v\n%s", d.Attempts, w.logs)
	}
	w.a.answerWithin = time.Minute
	close(hold)
	for range 2 {
		if d := w.s.Deliver(t.Context(), d.Body); !d.OK {
			t.Fatalf("attempts %+v\n%s", d.Attempts, w.logs)
		}
	}
	if x := w.one(); len(x.Attachments) != 1 || len(x.Damage) != 0 {
		t.Errorf("attachments %+v, damage %v", x.Attachments, x.Damage)
	}
}

// TestConnect: in a channel shared with another workspace messages are named by
// ours, authors keep theirs, and their mail addresses prove nothing.
func TestConnect(t *testing.T) {
	w := newTown(t, plan{})
	said := w.say(fakeslack.Message{Channel: talk, User: bob, Text: "hello from elsewhere"})
	d := w.one()
	if d.ExternalID != "TACME0001:CTALK0001:"+said.TS {
		t.Errorf("external ID %q", d.ExternalID)
	}
	if d.Headers["slack-author-team"] != "TOTHER001" || d.Headers["slack-shared"] != "true" {
		t.Errorf("headers %v", d.Headers)
	}
	if d.Profile == nil || d.Profile.EmailVerified || d.Profile.Email != "ada@example.com" {
		t.Errorf("profile %+v", d.Profile)
	}
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello from here"})
	if d := w.h.drafts()[1]; d.Headers["slack-author-team"] != "" {
		t.Errorf("headers %v", d.Headers)
	}
}

// TestProfileNeverBlocks: whatever users.info does, the message is taken.
func TestProfileNeverBlocks(t *testing.T) {
	for name, fault := range map[string]fakeslack.Fault{
		"limited": {Status: 429, RetryAfter: "30"}, "down": {Status: 500}, "cut": {Drop: true},
		"refused": {Error: "missing_scope"}, "nonsense": {Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, plan{})
			w.s.Next("users.info", fault)
			w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
			if d := w.one(); d.From.Handle != ada || d.Profile != nil {
				t.Errorf("%+v %+v", d.From, d.Profile)
			}
			w.say(fakeslack.Message{Channel: help, User: ada, Text: "again"})
			if n := len(w.s.Calls("users.info")); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestProfileIsRemembered(t *testing.T) {
	w := newTown(t, plan{})
	now := time.Now()
	w.a.people.now = func() time.Time { return now }
	for range 3 {
		w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	}
	if n := len(w.s.Calls("users.info")); n != 1 {
		t.Errorf("asked %d times", n)
	}
	now = now.Add(2 * time.Hour)
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	if n := len(w.s.Calls("users.info")); n != 2 {
		t.Errorf("after its time asked %d times", n)
	}
}

// TestOwnWordsMakeNoTicket: what we post comes back as an event and ends there.
func TestOwnWordsMakeNoTicket(t *testing.T) {
	w := newTown(t, plan{fake: fakeslack.Options{Echo: true}})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "hello"})
	reply := &desk.Reply{Message: desk.Message{ID: "01M", Text: "on it"}, Thread: w.one().Thread}
	proof, err := w.a.Send(t.Context(), reply)
	if err != nil {
		t.Fatal(err)
	}
	await(t, w, func() bool { return w.a.Counts()[string(toNobody)] >= 1 })
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: said.TS, Text: "thanks"})
	ds := w.h.drafts()
	if len(ds) != 2 || ds[1].Text != "thanks" || strings.Contains(proof.ExternalID, " ") {
		t.Errorf("%d drafts", len(ds))
	}
}

// await polls a condition that has no signal of its own.
func await(t *testing.T, w *town, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hang); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to that\n%s", w.logs)
		}
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	w := newTown(t, plan{})
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "my secret words"})
	w.s.Next("users.info", fakeslack.Fault{Drop: true})
	w.say(fakeslack.Message{Channel: help, User: cleo, Text: "my secret words"})
	w.yes(w.s.Event(t.Context(), map[string]any{"type": "brand_new_event", "user": ada, "text": "my secret words"}))
	w.raw("/events", []byte("my secret words"))
	for _, s := range []string{"my secret words", w.s.Options().BotToken, w.s.Options().SigningSecret, "ada@example.com"} {
		if strings.Contains(w.logs.String(), s) {
			t.Errorf("the log has %q:\n%s", s, w.logs)
		}
	}
}

func TestSeveralFilesAndOddOnes(t *testing.T) {
	w := newTown(t, plan{block: "fileBytes: 2000"})
	good := w.s.AddFile(fakeslack.File{Name: "good.txt", Mimetype: "text/plain", Bytes: []byte("good")})
	info := w.s.AddFile(fakeslack.File{Name: "shared.txt", Mimetype: "text/plain", Bytes: []byte("shared"), InfoOnly: true})
	big := w.s.AddFile(fakeslack.File{Name: "big.bin", Bytes: make([]byte, 3000)})
	w.say(fakeslack.Message{Channel: help, User: ada, Text: "files", Files: []*fakeslack.File{good, info, big}})
	d := w.one()
	var names []string
	for _, x := range d.Attachments {
		names = append(names, x.Name+"="+string(w.h.blobs[x.Blob.Digest]))
	}
	if !slices.Equal(names, []string{"good.txt=good", "shared.txt=shared"}) {
		t.Errorf("files %q", names)
	}
	if len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "big.bin") || !strings.Contains(d.Damage[0], "fileBytes") {
		t.Errorf("damage %q", d.Damage)
	}
}
