package desk

import (
	"slices"
	"time"
)

// Revision is an edit, a delete or a restoring of a message by its author.
type Revision struct {
	Message MessageID `json:"message"`
	Act     Act       `json:"act"`
	Text    string    `json:"text,omitempty"` // the new text of an edit
	At      time.Time `json:"at"`
	// Files are what an edit brings that the message had not, Damage what of the edit
	// could not be kept.
	Files  []Attachment `json:"files,omitempty"`
	Damage []string     `json:"damage,omitempty"`
}

// Lacks returns those of files whose bytes a message has not. Nothing a customer
// sent is taken from a message by an edit.
func (m *Message) Lacks(files []Attachment) []Attachment {
	var out []Attachment
	for _, f := range files {
		same := func(x Attachment) bool { return x.Blob.Digest == f.Blob.Digest }
		if !slices.ContainsFunc(m.Attachments, same) && !slices.ContainsFunc(out, same) {
			out = append(out, f)
		}
	}
	return out
}

// bring puts on a message what an edit brings beside its words.
func (m *Message) bring(files []Attachment, damage []string) {
	m.Attachments = slices.Concat(m.Attachments, files)
	for _, d := range damage {
		if !slices.Contains(m.Damage, d) {
			m.Damage = append(slices.Clip(m.Damage), d)
		}
	}
}

// maxDescription is what a ticket shows of its first message, in bytes. The
// message itself keeps every word.
const maxDescription = 64 << 10

// Description is what a ticket shows of the text that opened it.
func Description(text string) string { return Cut(text, maxDescription) }

// Revise lets a revision take effect on a message and on the ticket it is on,
// and returns the events that adds. A ticket that the message opened and that
// is described by its old text is described by the new one, and by nothing while
// the message is deleted. A revision older than one of its sort that took effect
// before changes neither and adds no event, unless it is an edit that brings files:
// those are added. One that finds the message as it wants it adds none either, but
// an edit or a delete is remembered by its time, so that what is older and comes
// later does not win. That a message was restored, and what it said before, is the
// caller's to keep.
func (t *Ticket) Revise(m *Message, r Revision, by Actor, now time.Time) []Event {
	old := m.Text
	shown := m.DeletedAt.IsZero()
	switch r.Act {
	case ActEdit:
		late, files := r.At.Before(m.EditedAt), m.Lacks(r.Files)
		if late && len(files) == 0 {
			return nil
		}
		m.bring(files, r.Damage)
		if !late {
			m.Text, m.EditedAt = r.Text, r.At
		}
		if r.Text == old && len(files) == 0 {
			return nil
		}
	case ActDelete:
		if !shown {
			if r.At.After(m.DeletedAt) {
				m.DeletedAt = r.At
			}
			return nil
		}
		m.DeletedAt = r.At
	case ActRestore:
		if shown || r.At.Before(m.DeletedAt) {
			return nil
		}
		m.DeletedAt = time.Time{}
	default:
		return nil
	}
	if opened := !m.CreatedAt.After(t.CreatedAt); opened {
		describes := t.Description == Description(old)
		switch {
		case shown && describes && r.Act == ActEdit:
			t.Description = Description(m.Text)
		case shown && describes && r.Act == ActDelete:
			t.Description = ""
		case r.Act == ActRestore && t.Description == "":
			t.Description = Description(m.Text)
		}
	}
	t.Touch(now)
	kind := EventCommentUpdated
	if r.Act == ActDelete {
		kind = EventCommentDeleted
	}
	return []Event{t.event(kind, by, now, map[string]any{"message": m.ID, "act": r.Act})}
}
