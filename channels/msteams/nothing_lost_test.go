package msteams

import (
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// A delete that does not say of what is a row that waits for a person.
func TestADeleteOfNothingIsKept(t *testing.T) {
	h := newHouse(t, options{})
	gone := h.fake.Deleted(h.fake.Message(h.fake.Personal(h.person), h.person, "x"))
	delete(gone, "id")
	h.deliver(t, gone, 200)
	h.deliver(t, gone, 200)
	if d := h.one(t); d.Auto.Kind != desk.AutoUnread || d.Auto.Reason == "" || d.Raw.IsZero() || d.Act != "" {
		t.Errorf("%+v", d)
	}
}

// An attachment of which nobody says what it is is noted.
func TestAnAttachmentWithoutATypeIsNoted(t *testing.T) {
	h := newHouse(t, options{})
	a := h.fake.Message(h.fake.Personal(h.person), h.person, "see the file")
	a["attachments"] = append(a["attachments"].([]any), map[string]any{"name": "bill.pdf", "contentUrl": "https://drive.example.com/1"})
	h.deliver(t, a, 200)
	if d := h.one(t); len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "bill.pdf") {
		t.Errorf("damage %q", d.Damage)
	}
}
