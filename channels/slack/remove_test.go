package slack

import (
	"strings"
	"testing"
	"time"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// The files that went along with an answer are deleted with it, and no others: not those
// of the next answer, of the same names, and not what the customer sent.
func TestRemoveTakesItsFilesAlong(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	said, first := w.answer("01A", "see these", w.file("a.txt", "one"), w.file("b.txt", "two"))
	second := *first
	second.Message.ID = "01B"
	second.Message.Attachments = []desk.Attachment{w.file("a.txt", "six")}
	proof, err := w.a.Send(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	w.say(fakeslack.Message{Channel: help, User: ada, ThreadTS: said.TS, Text: "mine", Files: []*fakeslack.File{{Name: "a.txt", Title: "a.txt", Bytes: []byte("two")}}})
	if _, err := w.a.Send(t.Context(), &second); err != nil {
		t.Fatal(err)
	}
	files := func() string {
		var all []string
		for _, m := range w.s.Thread(help, said.TS) {
			for _, f := range m.Files {
				all = append(all, f.Title+"="+string(f.Bytes))
			}
		}
		return strings.Join(all, " ")
	}
	if got := files(); got != "a.txt=one b.txt=two a.txt=two a.txt=six" {
		t.Fatal(got)
	}
	w.s.Next("files.delete", fakeslack.Fault{}, fakeslack.Fault{Status: 500})
	if err := w.a.Remove(t.Context(), first, proof.ExternalID); err == nil || desk.IsPermanent(err) {
		t.Errorf("half is deleted: %v", err)
	}
	for range 2 { // again, and once more when all is done
		if err := w.a.Remove(t.Context(), first, proof.ExternalID); err != nil {
			t.Fatal(err)
		}
		if got := files(); got != "a.txt=two a.txt=six" {
			t.Error(got)
		}
	}
}

// An answer's files are where it stands, wherever its ticket is answered now; and what
// was too long for a message goes with it when it was made short since.
func TestRemoveFindsItsFilesWhereItStands(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	said, r := w.answer("01A", strings.Repeat("long ", 10_000), w.file("a.txt", "one"))
	proof, err := w.a.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	files := func() (n int) {
		for _, m := range w.s.Thread(help, said.TS) {
			n += len(m.Files)
		}
		return n
	}
	if n := files(); n != 2 {
		t.Fatalf("%d files went along", n)
	}
	_, elsewhere := w.answer("01B", "")
	r.Thread = elsewhere.Thread
	r.Message.Text, r.Message.EditedAt = "short", time.Now()
	if err := w.a.Remove(t.Context(), r, proof.ExternalID); err != nil {
		t.Fatal(err)
	}
	if n := files(); n != 0 {
		t.Errorf("%d files stay", n)
	}
}

// Who does not know who they are cannot tell whose files they are, and tries again.
func TestRemoveWithoutAName(t *testing.T) {
	w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
	_, r := w.answer("01A", "see this", w.file("a.txt", "one"))
	proof, err := w.a.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	w.a.people.self = ""
	w.s.Next("auth.test", fakeslack.Fault{Status: 500})
	if err := w.a.Remove(t.Context(), r, proof.ExternalID); err == nil || desk.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

// An app that may not delete files, or not read the thread, deletes the words and says
// what stays.
func TestRemoveSaysWhichFilesStay(t *testing.T) {
	for method, refusal := range map[string]string{"files.delete": "missing_scope", "conversations.replies": "not_in_channel"} {
		w := newTown(t, plan{prepare: func(a *adapter) { a.pace.now = leap() }})
		_, r := w.answer("01A", "see this", w.file("a.txt", "one"))
		proof, err := w.a.Send(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		w.s.Next(method, fakeslack.Fault{Error: refusal})
		err = w.a.Remove(t.Context(), r, proof.ExternalID)
		if !desk.IsPermanent(err) || !strings.Contains(err.Error(), "files that went along may still be there") || !strings.Contains(err.Error(), refusal) {
			t.Errorf("%s: %v", method, err)
		}
		for _, m := range w.s.Posts() {
			if m.Text == "see this" {
				t.Errorf("%s: the words are still there", method)
			}
		}
	}
}
