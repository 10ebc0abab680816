package slack

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

func (w *town) view() fakeslack.View {
	w.t.Helper()
	vs := w.s.Views()
	if len(vs) != 1 {
		w.t.Fatalf("%d forms are open\n%s", len(vs), w.logs)
	}
	return vs[0]
}

func input(v fakeslack.View, name string) string {
	for _, b := range v.Blocks {
		if b.BlockID == name {
			return b.Element.InitialValue
		}
	}
	return "(none)"
}

func TestCommandOpensForm(t *testing.T) {
	w := newTown(t, plan{block: "channels: [{id: " + help + ", team: field}]"})
	r, err := w.s.Command(t.Context(), ada, help, "/ticket", "Printer *jams*\nsince Monday")
	if err != nil || r.Status != 200 || len(r.Body) != 0 {
		t.Fatalf("%d %s %v", r.Status, r.Body, err)
	}
	v := w.view()
	if input(v, "title") != "Printer *jams*" || input(v, "description") != "Printer *jams*\nsince Monday" || input(v, "priority") != "" {
		t.Errorf("%q %q %q", input(v, "title"), input(v, "description"), input(v, "priority"))
	}
	r, err = w.s.Submit(t.Context(), ada, v.ID, map[string]fakeslack.Answer{
		"title": {Text: "Printer *jams* & <b>"}, "description": {Text: "since <Monday> & _before_"}, "priority": {Option: "HIGH"}})
	if err != nil || r.Status != 200 || len(r.Body) != 0 {
		t.Fatalf("%d %s %v\n%s", r.Status, r.Body, err, w.logs)
	}
	d := w.one()
	if d.ExternalID != "TACME0001:view:"+v.ID || d.Ask.Title != "Printer *jams* & <b>" || d.Ask.Description != "since <Monday> & _before_" || d.Ask.Priority != desk.High || d.Ask.TeamID != "field" {
		t.Errorf("%s %+v", d.ExternalID, d.Ask)
	}
	if d.From != (desk.Party{Name: "Ada", Handle: ada}) || d.Profile == nil || d.ReceivedAt.IsZero() || d.Text == "" {
		t.Errorf("%+v", d)
	}
	posts := w.s.Posts()
	if len(posts) != 1 || posts[0].Channel != help || posts[0].ThreadTS != "" || !strings.Contains(posts[0].Text, "&lt;Monday&gt; &amp;") || !strings.Contains(posts[0].Text, "<@"+ada+">") || strings.Contains(posts[0].Text, "<b>") {
		t.Fatalf("%+v", posts)
	}
	if d.Thread.Key != "TACME0001:CHELP0001:"+posts[0].TS || !strings.Contains(string(d.Thread.Address), posts[0].TS) {
		t.Errorf("thread %s %s", d.Thread.Key, d.Thread.Address)
	}
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: posts[0].TS, Text: "one more thing"})
	if x := w.h.drafts()[1]; x.Thread.Key != d.Thread.Key || x.Group != "" {
		t.Errorf("the answer below it: %+v", x)
	}
}

// TestFormWhereWeMayNotWrite: the announcement goes to the user, or nowhere.
func TestFormWhereWeMayNotWrite(t *testing.T) {
	w := newTown(t, plan{})
	w.s.AddChannel(fakeslack.Channel{ID: "CPRIV0001", Name: "private", Alone: true})
	send := func() *desk.Draft {
		t.Helper()
		if _, err := w.s.Command(t.Context(), ada, "CPRIV0001", "/ticket", "x"); err != nil {
			t.Fatal(err)
		}
		if r, err := w.s.Submit(t.Context(), ada, w.view().ID, map[string]fakeslack.Answer{"title": {Text: "x"}}); err != nil || len(r.Body) != 0 {
			t.Fatalf("%s %v", r.Body, err)
		}
		ds := w.h.drafts()
		return ds[len(ds)-1]
	}
	d := send()
	if posts := w.s.Posts(); len(posts) != 1 || posts[0].Channel != "D"+ada[1:] || !strings.HasPrefix(d.Thread.Key, "TACME0001:D"+ada[1:]+":") {
		t.Errorf("%+v %s", posts, d.Thread.Key)
	}
	w.s.Next("chat.postMessage", fakeslack.Fault{Status: 500})
	d = send()
	if d.Thread.Key != d.ExternalID || len(w.s.Posts()) != 1 {
		t.Errorf("%s", d.Thread.Key)
	}
	if proof, err := w.a.Send(t.Context(), &desk.Reply{Message: desk.Message{ID: "01M", Text: "hello"}, Thread: d.Thread}); err != nil || !strings.HasPrefix(proof.ExternalID, "TACME0001:D"+ada[1:]+":") {
		t.Errorf("%v %v", proof, err)
	}
}

func TestFormRefusals(t *testing.T) {
	w := newTown(t, plan{})
	if _, err := w.s.Command(t.Context(), ada, help, "/ticket", ""); err != nil {
		t.Fatal(err)
	}
	v := w.view()
	errs := func(r fakeslack.Response, err error) map[string]string {
		t.Helper()
		var x struct {
			Action string            `json:"response_action"`
			Errors map[string]string `json:"errors"`
		}
		if err != nil || r.Status != 200 || json.Unmarshal(r.Body, &x) != nil || x.Action != "errors" {
			t.Fatalf("%d %s %v", r.Status, r.Body, err)
		}
		return x.Errors
	}
	if e := errs(w.s.Submit(t.Context(), ada, v.ID, map[string]fakeslack.Answer{"title": {Text: "  "}})); e["title"] == "" {
		t.Errorf("%v", e)
	}
	if e := errs(w.s.Submit(t.Context(), ada, v.ID, map[string]fakeslack.Answer{"title": {Text: "x"}, "priority": {Option: "<script>"}})); e["priority"] == "" {
		t.Errorf("%v", e)
	}
	w.h.refuse = func([]*desk.Draft) error { return desk.ErrBusy }
	good := map[string]fakeslack.Answer{"title": {Text: "x"}}
	if e := errs(w.s.Submit(t.Context(), ada, v.ID, good)); !strings.Contains(e["title"], "again") {
		t.Errorf("%v", e)
	}
	w.h.mu.Lock()
	w.h.refuse = nil
	w.h.mu.Unlock()
	if r, err := w.s.Submit(t.Context(), ada, v.ID, good); err != nil || len(r.Body) != 0 {
		t.Errorf("%s %v", r.Body, err)
	}
	if posts := w.s.Posts(); len(posts) != 1 {
		t.Errorf("announced %d times", len(posts))
	}
	w.one()
}

func TestCommandTrouble(t *testing.T) {
	w := newTown(t, plan{})
	w.s.Next("views.open", fakeslack.Fault{Error: "expired_trigger_id"})
	if r, err := w.s.Command(t.Context(), ada, help, "/ticket", "x"); err != nil || r.Status != 200 || !strings.Contains(string(r.Body), "try again") {
		t.Errorf("%d %s %v", r.Status, r.Body, err)
	}
	if r, err := w.s.Command(t.Context(), ada, help, "/other", "x"); err != nil || r.Status != 200 || !strings.Contains(string(r.Body), "not known") {
		t.Errorf("%d %s %v", r.Status, r.Body, err)
	}
	if status := w.raw("/commands", []byte("ssl_check=1&token=x")); status != 200 {
		t.Errorf("ssl_check: %d", status)
	}
	if status := w.raw("/commands", []byte("%zz=1;;&&&")); status != 200 {
		t.Errorf("no form: %d", status)
	}
	if status := w.raw("/interactions", []byte("payload=%7Bhalf")); status != 200 {
		t.Errorf("half a payload: %d", status)
	}
	ds := w.h.drafts()
	if len(ds) != 2 || w.a.Counts()["unreadable"] != 2 {
		t.Fatalf("%d kept, %v", len(ds), w.a.Counts())
	}
	for i, what := range []string{"slash command", "interaction"} {
		if d := ds[i]; d.Auto.Kind != desk.AutoUnread || !strings.Contains(d.Text, what) || len(w.h.blobs[d.Raw.Digest]) == 0 {
			t.Errorf("%+v", d)
		}
	}
	if _, err := w.s.Interact(t.Context(), map[string]any{"type": "block_actions"}); err != nil {
		t.Error(err)
	}
}

func TestShortcut(t *testing.T) {
	w := newTown(t, plan{block: "mode: none"})
	file := w.s.AddFile(fakeslack.File{Name: "a.txt", Mimetype: "text/plain", Bytes: []byte("abc")})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "*Disk* is full\nsince noon", Files: []*fakeslack.File{file}})
	use := func() fakeslack.View {
		t.Helper()
		if r, err := w.s.Shortcut(t.Context(), cleo, "create_ticket", help, said.TS); err != nil || r.Status != 200 {
			t.Fatalf("%d %v", r.Status, err)
		}
		return w.view()
	}
	v := use()
	if input(v, "title") != "**Disk** is full" || input(v, "description") != "(none)" {
		t.Errorf("%q %q", input(v, "title"), input(v, "description"))
	}
	title := map[string]fakeslack.Answer{"title": {Text: "Disk full"}, "priority": {Option: "URGENT"}}
	if r, err := w.s.Submit(t.Context(), cleo, v.ID, title); err != nil || len(r.Body) != 0 {
		t.Fatalf("%s %v\n%s", r.Body, err, w.logs)
	}
	d := w.one()
	if d.ExternalID != "TACME0001:CHELP0001:"+said.TS || d.From.Handle != ada || d.Ask.Title != "Disk full" || d.Ask.Priority != desk.Urgent ||
		d.Ask.Description != "" || len(d.Attachments) != 1 || !strings.HasPrefix(d.Text, "**Disk** is full") || d.Headers["slack-shortcut-by"] != cleo {
		t.Errorf("%+v %+v", d, d.Ask)
	}
	if len(w.s.Posts()) != 0 {
		t.Error("the message itself is the thread")
	}
	v = use()
	if r, err := w.s.Submit(t.Context(), cleo, v.ID, title); err != nil || !strings.Contains(string(r.Body), "on a ticket already") {
		t.Errorf("%s %v", r.Body, err)
	}
	w.one()
}

// TestShortcutFromAfar: where the app cannot read, the form brought the message
// along.
func TestShortcutFromAfar(t *testing.T) {
	w := newTown(t, plan{})
	w.s.AddChannel(fakeslack.Channel{ID: "CPRIV0001", Name: "private", Alone: true})
	w.h.known["never"] = true
	said, _ := w.s.Say(t.Context(), fakeslack.Message{Channel: "CPRIV0001", User: ada, Text: strings.Repeat("wörter ", 1000), Subtype: "channel_topic"})
	if _, err := w.s.Shortcut(t.Context(), cleo, "create_ticket", "CPRIV0001", said.TS); err != nil {
		t.Fatal(err)
	}
	v := w.view()
	if r, err := w.s.Submit(t.Context(), cleo, v.ID, map[string]fakeslack.Answer{"title": {Text: "x"}}); err != nil || len(r.Body) != 0 {
		t.Fatalf("%s %v", r.Body, err)
	}
	d := w.one()
	if !strings.HasPrefix(d.Text, "wörter wörter") || len(d.Damage) != 1 || d.From.Handle != ada {
		t.Errorf("%q %q", d.Text, d.Damage)
	}
}

// TestFormStillAtWork: nobody is told yes before the ledger has it, and pressing
// again joins the work that goes on.
func TestFormStillAtWork(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.answerWithin = 30 * time.Millisecond }})
	if _, err := w.s.Command(t.Context(), ada, help, "/ticket", "x"); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	w.h.refuse = func([]*desk.Draft) error { <-hold; return nil }
	good := map[string]fakeslack.Answer{"title": {Text: "x"}}
	v := w.view()
	if r, err := w.s.Submit(t.Context(), ada, v.ID, good); err != nil || !strings.Contains(string(r.Body), "still being saved. Please wait a moment") {
		t.Errorf("%s %v", r.Body, err)
	}
	close(hold)
	await(t, w, func() bool { return len(w.h.drafts()) == 1 })
	w.a.answerWithin = time.Minute
	if r, err := w.s.Submit(t.Context(), ada, v.ID, good); err != nil || len(r.Body) != 0 {
		t.Errorf("%s %v", r.Body, err)
	}
	w.one()
	if len(w.s.Posts()) != 1 {
		t.Errorf("announced %d times", len(w.s.Posts()))
	}
}

// TestFormAtAnotherProcess: what is pressed again, and comes to another process than
// the one that put it into the ledger, is announced once and one message; other
// answers are kept beside it.
func TestFormAtAnotherProcess(t *testing.T) {
	w := newTown(t, plan{})
	press := func(title string) {
		t.Helper()
		w.a.views = views{} // another process knows nothing of it
		r, err := w.s.Interact(t.Context(), map[string]any{"type": "view_submission", "user": map[string]any{"id": ada},
			"view": map[string]any{"id": "V1", "callback_id": formCallback, "private_metadata": purpose{Kind: purposeForm, Team: "TACME0001", Channel: help, User: ada}.encode(),
				"state": map[string]any{"values": map[string]any{inputTitle: map[string]any{inputAction: map[string]any{"value": title}}}}}})
		if err != nil || r.Status != 200 || len(r.Body) != 0 {
			t.Fatalf("%d %s %v", r.Status, r.Body, err)
		}
	}
	press("x")
	press("x")
	if d, n := w.one(), len(w.s.Posts()); n != 1 || !strings.HasSuffix(d.Thread.Key, w.s.Posts()[0].TS) {
		t.Errorf("announced %d times, thread %s", n, d.Thread.Key)
	}
	press("y")
	ds := w.h.drafts()
	if len(ds) != 2 || ds[1].Ask.Title != "y" || ds[1].Thread.Key != ds[1].ExternalID || len(w.s.Posts()) != 1 {
		t.Errorf("%d drafts, announced %d times", len(ds), len(w.s.Posts()))
	}
}

// closeAtWork closes hold when so many jobs are at work.
func (w *town) closeAtWork(jobs int, hold chan struct{}) {
	defer close(hold)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hang); time.Now().Before(deadline); <-tick.C {
		w.a.inflight.mu.Lock()
		n := len(w.a.inflight.jobs)
		w.a.inflight.mu.Unlock()
		if n >= jobs {
			return
		}
	}
	w.t.Errorf("never were %d jobs at work", jobs)
}

// TestFormCorrected: what is pressed again with other answers, while the first are
// at work, is not taken for the first.
func TestFormCorrected(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.answerWithin = 30 * time.Millisecond }})
	if _, err := w.s.Command(t.Context(), ada, help, "/ticket", "x"); err != nil {
		t.Fatal(err)
	}
	v := w.view()
	hold := make(chan struct{})
	w.s.Next("chat.postMessage", fakeslack.Fault{Until: hold})
	if r, err := w.s.Submit(t.Context(), ada, v.ID, map[string]fakeslack.Answer{"title": {Text: "wrong"}, "priority": {Option: "LOW"}}); err != nil || !strings.Contains(string(r.Body), "still being saved") {
		t.Errorf("%s %v", r.Body, err)
	}
	w.a.answerWithin = time.Minute
	go w.closeAtWork(2, hold)
	if r, err := w.s.Submit(t.Context(), ada, v.ID, map[string]fakeslack.Answer{"title": {Text: "right"}, "priority": {Option: "HIGH"}}); err != nil || len(r.Body) != 0 {
		t.Errorf("%s %v", r.Body, err)
	}
	ds := w.h.drafts()
	if len(ds) != 2 || ds[0].Ask.Title != "wrong" || ds[1].Ask.Title != "right" || ds[1].Ask.Priority != desk.High {
		t.Fatalf("%d drafts\n%s", len(ds), w.logs)
	}
	if len(w.s.Posts()) != 1 || ds[0].Thread.Key != ds[1].Thread.Key {
		t.Errorf("announced %d times, threads %s and %s", len(w.s.Posts()), ds[0].Thread.Key, ds[1].Thread.Key)
	}
}

// TestShortcutCorrected: the message has its ticket from the first press, and
// whoever corrects the form hears that.
func TestShortcutCorrected(t *testing.T) {
	w := newTown(t, plan{block: "mode: none"})
	said := w.say(fakeslack.Message{Channel: help, User: ada, Text: "disk is full"})
	w.a.answerWithin = 30 * time.Millisecond
	if _, err := w.s.Shortcut(t.Context(), cleo, "create_ticket", help, said.TS); err != nil {
		t.Fatal(err)
	}
	v := w.view()
	hold := make(chan struct{})
	w.s.Next("conversations.replies", fakeslack.Fault{Until: hold})
	if r, err := w.s.Submit(t.Context(), cleo, v.ID, map[string]fakeslack.Answer{"title": {Text: "wrong"}}); err != nil || !strings.Contains(string(r.Body), "still being saved") {
		t.Errorf("%s %v", r.Body, err)
	}
	w.a.answerWithin = time.Minute
	go w.closeAtWork(2, hold)
	if r, err := w.s.Submit(t.Context(), cleo, v.ID, map[string]fakeslack.Answer{"title": {Text: "right"}}); err != nil || !strings.Contains(string(r.Body), "on a ticket already") {
		t.Errorf("%s %v", r.Body, err)
	}
	if d := w.one(); d.Ask.Title != "wrong" {
		t.Errorf("%+v", d.Ask)
	}
}
