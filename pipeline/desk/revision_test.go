package desk

import (
	"testing"
	"time"
)

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
