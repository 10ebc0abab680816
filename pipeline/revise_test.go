package pipeline

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// chat is a draft as a chat channel makes it.
func chat(id, from, text string) *desk.Draft {
	return &desk.Draft{Source: "slack", Channel: desk.Slack, Scope: "SLACK", ExternalID: id, From: desk.Party{Handle: from},
		Text: text, SentAt: noon, ReceivedAt: noon, Fingerprint: desk.Fingerprint(id, from, text), Thread: desk.Thread{Key: id}}
}

// said files "it broke", message m1 of U1.
func said(t *testing.T, s *shelf, p *desk.Policy, files ...desk.Attachment) {
	t.Helper()
	d := chat("m1", "U1", "it broke")
	d.Attachments = files
	_, f := run(t, s, p, d, noon)
	s.file(t, d, f)
}

func doing(a desk.Act, id, from, target, text string, at time.Time) *desk.Draft {
	d := chat(id, from, text)
	d.Act, d.Target, d.SentAt, d.ReceivedAt = a, target, at, at
	return d
}

// runAt takes a receipt accepted earlier through the line.
func runAt(t *testing.T, s *shelf, p *desk.Policy, d *desk.Draft, accepted, now time.Time) (*Pass, *desk.Filing) {
	t.Helper()
	r := desk.NewReceipt(d, accepted)
	pass := NewPass(r, p, s, now)
	if err := (&Line{Standard()}).Run(t.Context(), pass); err != nil {
		t.Fatal(err)
	}
	if pass.Waiting() != "" {
		return pass, nil
	}
	return pass, pass.Filing()
}

func TestReviseOwnMessage(t *testing.T) {
	s, p := newShelf(), house(t)
	d := chat("m1", "U1", "it brokn")
	_, f := run(t, s, p, d, noon)
	id := s.file(t, d, f)
	for _, c := range []*desk.Draft{
		doing(desk.ActEdit, "e1", "U1", "m1", "it broke", noon.Add(time.Minute)),
		doing(desk.ActDelete, "e2", "U1", "m1", "", noon.Add(2*time.Minute)),
		doing(desk.ActRestore, "e3", "U1", "m1", "", noon.Add(3*time.Minute)),
	} {
		_, f := run(t, s, p, c, noon.Add(time.Hour))
		if f.Verdict != desk.Filed || f.Into != id || f.Message != nil || f.Ticket != nil {
			t.Fatalf("%s: %+v\n%s", c.Act, f, trail(f))
		}
		want := desk.Revision{Message: s.entries["SLACK m1"].ID, Act: c.Act, Text: c.Text, At: c.SentAt}
		if !reflect.DeepEqual(*f.Revision, want) {
			t.Errorf("%s: %+v, want %+v", c.Act, *f.Revision, want)
		}
		if f.Change.By.Kind != desk.ByCustomer || f.Change.By.ID == "" {
			t.Errorf("%s: by %+v", c.Act, f.Change.By)
		}
		if strings.Contains(trail(f), "thread:") {
			t.Errorf("%s went on down the line:\n%s", c.Act, trail(f))
		}
	}
}

// TestReviseBringsFiles: an edit that changes no word is none, unless it brings a
// file.
func TestReviseBringsFiles(t *testing.T) {
	s, p := newShelf(), house(t)
	file := desk.Attachment{Name: "a.png", Blob: desk.BlobRef{Digest: "a", Size: 1}}
	more := desk.Attachment{Name: "b.png", Blob: desk.BlobRef{Digest: "b", Size: 1}}
	said(t, s, p, file)
	edit := doing(desk.ActEdit, "e1", "U1", "m1", "it broke", noon.Add(time.Minute))
	edit.Attachments, edit.Damage = []desk.Attachment{file, more}, []string{"c.png is too large"}
	_, f := run(t, s, p, edit, noon)
	if f.Verdict != desk.Filed || f.Revision == nil || !reflect.DeepEqual(f.Revision.Files, []desk.Attachment{more}) || !reflect.DeepEqual(f.Revision.Damage, edit.Damage) {
		t.Fatalf("%+v\n%s", f, trail(f))
	}
	edit.Attachments = []desk.Attachment{file}
	s.entries["SLACK m1"].EditedAt = edit.SentAt
	if _, f = run(t, s, p, edit, noon); f.Verdict != desk.Dropped || !strings.Contains(f.Reason, "no word") {
		t.Errorf("what it had already: %s %s", f.Verdict, f.Reason)
	}
}

// TestReviseUndone: an edit that says what the message says may undo one that has
// not come yet. Until when it was said is known, it is no idle one.
func TestReviseUndone(t *testing.T) {
	s, p := newShelf(), house(t)
	said(t, s, p)
	undo := doing(desk.ActEdit, "e2", "U1", "m1", "it broke", noon.Add(2*time.Minute))
	if _, f := run(t, s, p, undo, noon); f.Verdict != desk.Filed || f.Revision == nil || f.Revision.At != undo.SentAt {
		t.Fatalf("%s %s %+v", f.Verdict, f.Reason, f.Revision)
	}
	s.entries["SLACK m1"].EditedAt = undo.SentAt
	if _, f := run(t, s, p, undo, noon); f.Verdict != desk.Dropped || !strings.Contains(f.Reason, "no word") {
		t.Errorf("once more: %s %s", f.Verdict, f.Reason)
	}
}

func TestReviseOnlyByItsAuthor(t *testing.T) {
	s, p := newShelf(), house(t)
	said(t, s, p)
	s.people["slack U1b"] = s.people["slack U1"] // a second handle of the same person
	s.people["slack U2"] = desk.Requester{Customer: desk.Customer{ID: "somebody"}, Found: true}
	for from, filed := range map[string]bool{"U1": true, "U1b": true, "U2": false, "U3": false, "": false} {
		_, f := run(t, s, p, doing(desk.ActDelete, "e"+from, from, "m1", "", noon), noon)
		if (f.Verdict == desk.Filed) != filed {
			t.Errorf("%q: %s %s", from, f.Verdict, f.Reason)
		}
		if !filed && (f.Verdict != desk.Dropped || !strings.Contains(f.Reason, "refused")) {
			t.Errorf("%q: %s %s", from, f.Verdict, f.Reason)
		}
	}
	s.entries["SLACK ours"] = &desk.Message{ID: "x", Direction: desk.Outbound, From: desk.Party{Handle: "U1"}, Channel: desk.Slack}
	if _, f := run(t, s, p, doing(desk.ActEdit, "e", "U1", "ours", "nonsense", noon), noon); f.Verdict != desk.Dropped {
		t.Errorf("an answer of ours: %s", f.Verdict)
	}
	s.entries["SLACK m1"].EditedAt = noon
	if _, f := run(t, s, p, doing(desk.ActEdit, "e", "U1", "m1", "it broke", noon), noon); f.Verdict != desk.Dropped || !strings.Contains(f.Reason, "no word") {
		t.Errorf("the same words: %s %s", f.Verdict, f.Reason)
	}
}

func TestReviseOfWhatIsNotThere(t *testing.T) {
	p := house(t)
	for _, c := range []struct {
		name string
		seen []desk.Seen
		age  time.Duration
		want desk.State // "" waits
	}{
		{"unknown, just now", nil, time.Second, ""},
		{"unknown, its files take long", nil, time.Minute, ""},
		{"unknown", nil, 2 * time.Minute, desk.Dropped},
		{"on its way", []desk.Seen{{Receipt: "0", State: desk.Accepted}}, time.Minute, ""},
		{"on its way for too long", []desk.Seen{{Receipt: "0", State: desk.Accepted}}, time.Hour, desk.Held},
		{"held", []desk.Seen{{Receipt: "0", State: desk.Held}}, 0, desk.Held},
		{"failed", []desk.Seen{{Receipt: "0", State: desk.Failed}}, 0, desk.Held},
		{"dropped", []desk.Seen{{Receipt: "0", State: desk.Dropped}}, 0, desk.Dropped},
		{"filed since", []desk.Seen{{Receipt: "0", State: desk.Filed}}, 0, ""},
		{"filed without a message", []desk.Seen{{Receipt: "0", State: desk.Filed}}, time.Minute, desk.Dropped},
	} {
		s := newShelf()
		s.seen["SLACK m1"] = c.seen
		pass, f := runAt(t, s, p, doing(desk.ActEdit, "e1", "U1", "m1", "words", noon), noon, noon.Add(c.age))
		if c.want == "" {
			if f != nil {
				t.Errorf("%s: %s %s", c.name, f.Verdict, f.Reason)
			}
			continue
		}
		if f == nil || f.Verdict != c.want || f.Reason == "" {
			t.Errorf("%s: waits %q, %+v", c.name, pass.Waiting(), f)
		}
	}
	if _, f := run(t, newShelf(), p, doing(desk.ActEdit, "e1", "U1", "", "words", noon), noon); f.Verdict != desk.Dropped {
		t.Errorf("no target: %s", f.Verdict)
	}
}
