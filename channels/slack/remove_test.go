package slack

import (
	"strings"
	"testing"

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
