package desk

import (
	"strings"
	"testing"
	"time"
)

// TestReviseBrings: what an edit brings is added once and never taken away, by a
// late edit too, which changes no word.
func TestReviseBrings(t *testing.T) {
	at := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Minute) }
	file := func(name string) Attachment { return Attachment{Name: name, Blob: BlobRef{Digest: name, Size: 1}} }
	tk := &Ticket{ID: "t", Description: "old", CreatedAt: monday}
	m := &Message{ID: "m", Text: "old", CreatedAt: monday, Attachments: []Attachment{file("a")}}
	for _, c := range []struct {
		name   string
		r      Revision
		text   string
		files  string
		damage string
		events int
	}{
		{"one more, twice", Revision{Act: ActEdit, Text: "new", At: at(5), Files: []Attachment{file("a"), file("b"), file("b")}, Damage: []string{"c is too large"}}, "new", "a b", "c is too large", 1},
		{"the same again", Revision{Act: ActEdit, Text: "newer", At: at(6), Files: []Attachment{file("b")}, Damage: []string{"c is too large"}}, "newer", "a b", "c is too large", 1},
		{"none", Revision{Act: ActEdit, Text: "newest", At: at(7)}, "newest", "a b", "c is too large", 1},
		{"late", Revision{Act: ActEdit, Text: "between", At: at(4), Files: []Attachment{file("d")}}, "newest", "a b d", "c is too large", 1},
		{"late, and nothing new", Revision{Act: ActEdit, Text: "between", At: at(4), Files: []Attachment{file("d")}, Damage: []string{"x"}}, "newest", "a b d", "c is too large", 0},
	} {
		events := tk.Revise(m, c.r, Actor{Kind: ByCustomer, ID: "c"}, at(20))
		var names []string
		for _, f := range m.Attachments {
			names = append(names, f.Name)
		}
		if m.Text != c.text || tk.Description != c.text || strings.Join(names, " ") != c.files || strings.Join(m.Damage, "; ") != c.damage || len(events) != c.events {
			t.Errorf("%s: %q %q %q %q, %d events", c.name, m.Text, tk.Description, names, m.Damage, len(events))
		}
	}
}

func TestRevise(t *testing.T) {
	at := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Minute) }
	tk := &Ticket{ID: "t", Description: "old", CreatedAt: monday}
	m := &Message{ID: "m", Text: "old", CreatedAt: monday}
	later := &Message{ID: "n", Text: "later", CreatedAt: at(1)}
	for _, c := range []struct {
		name        string
		m           *Message
		r           Revision
		text        string
		hidden      bool
		description string
		event       string
	}{
		{"edit", m, Revision{Act: ActEdit, Text: "new", At: at(5)}, "new", false, "new", EventCommentUpdated},
		{"an older edit comes late", m, Revision{Act: ActEdit, Text: "between", At: at(4)}, "new", false, "new", ""},
		{"another message changes no description", later, Revision{Act: ActEdit, Text: "new", At: at(6)}, "new", false, "new", EventCommentUpdated},
		{"delete", m, Revision{Act: ActDelete, At: at(7)}, "new", true, "", EventCommentDeleted},
		{"delete again", m, Revision{Act: ActDelete, At: at(8)}, "new", true, "", ""},
		{"edit what is hidden", m, Revision{Act: ActEdit, Text: "secret", At: at(9)}, "secret", true, "", EventCommentUpdated},
		{"an older restore comes late", m, Revision{Act: ActRestore, At: at(6)}, "secret", true, "", ""},
		{"delete the other", later, Revision{Act: ActDelete, At: at(9)}, "new", true, "", EventCommentDeleted},
		{"restore the other", later, Revision{Act: ActRestore, At: at(10)}, "new", false, "", EventCommentUpdated},
		{"restore", m, Revision{Act: ActRestore, At: at(11)}, "secret", false, "secret", EventCommentUpdated},
		{"nonsense", m, Revision{Act: "burn", At: at(12)}, "secret", false, "secret", ""},
	} {
		events := tk.Revise(c.m, c.r, Actor{Kind: ByCustomer, ID: "c"}, at(20))
		if c.m.Text != c.text || c.m.DeletedAt.IsZero() == c.hidden || tk.Description != c.description {
			t.Errorf("%s: text %q, deleted %v, description %q", c.name, c.m.Text, c.m.DeletedAt, tk.Description)
		}
		if (len(events) == 1) != (c.event != "") || len(events) == 1 && (events[0].Kind != c.event || events[0].Data["message"] != c.m.ID) {
			t.Errorf("%s: events %+v", c.name, events)
		}
	}
}

// TestReviseOutOfOrder: whatever the order in which they come, what was said last
// stands.
func TestReviseOutOfOrder(t *testing.T) {
	at := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Minute) }
	for _, c := range []struct {
		name   string
		rs     []Revision
		text   string
		hidden bool
	}{
		{"an edit after its undoing", []Revision{{Act: ActEdit, Text: "old", At: at(2)}, {Act: ActEdit, Text: "slip", At: at(1)}}, "old", false},
		{"a restore between two deletes", []Revision{{Act: ActDelete, At: at(1)}, {Act: ActDelete, At: at(3)}, {Act: ActRestore, At: at(2)}}, "old", true},
	} {
		tk := &Ticket{ID: "t", Description: "old", CreatedAt: monday}
		m := &Message{ID: "m", Text: "old", CreatedAt: monday}
		for _, r := range c.rs {
			tk.Revise(m, r, Actor{Kind: ByCustomer, ID: "c"}, at(20))
		}
		if m.Text != c.text || m.DeletedAt.IsZero() == c.hidden {
			t.Errorf("%s: text %q, deleted %v", c.name, m.Text, m.DeletedAt)
		}
	}
}
